"""The linear beginning of a learned refiner: whitened principal components of each view, and a map of those."""

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.methods.canonical import canonical_maps
from viewloom.methods.pair_moments import PairMoments
from viewloom.methods.settings import EncodedConfig
from viewloom.nn.standardise import Standardiser
from viewloom.nn.tracing import tracing

MOST = 64
"""Principal components of a view, at most, where nobody set their number."""
STEPS_EACH = 10
"""Steps that a component has to be estimated from, where nobody set their number."""
RIDGE = 1e-2
"""Ridge of canonical components, as a share of a view's mean variance."""
RANK = 1e-8
"""Principal components with less than this share of the largest variance are rounding, and left out."""


def principal_sizes(dims: tuple[int, ...], config: EncodedConfig) -> list[int]:
    """Principal components P of each view that there is room for; of few steps not all are used."""
    return [min(dim, config.pca_dim or MOST) for dim in dims]


def mapped_size(dims: tuple[int, ...], config: EncodedConfig) -> int:
    """Refined features Z: as set, or as many as the view with the fewest principal components has.

    Raises:
        ConfigError: there are fewer canonical components than are asked for.
    """
    least = min(principal_sizes(dims, config))
    if config.path == "cca" and config.out_dim > least:
        raise ConfigError(
            f"out_dim is {config.out_dim}, but there are only {least} canonical components, as many as the view with "
            "the fewest principal components has. Lower it, raise pca_dim, or set path to pca or random."
        )
    return config.out_dim or least


class StartMap(nn.Module):
    """``whiten(x) = (x - mean_v) K_v`` for each view v, and ``whiten(x) W_v``; W is trained, or stays.

    Args:
        dims: feature size D of each view.
        views: their names.
        config: kind of path, sizes.
    """

    ready: Tensor
    mean_VD: Tensor
    whiten_VDP: Tensor

    def __init__(self, dims: tuple[int, ...], views: tuple[str, ...], config: EncodedConfig) -> None:
        super().__init__()
        self.dims, self.views, self.kind, self.set_size = dims, views, config.path, bool(config.pca_dim)
        self.sizes = principal_sizes(dims, config)
        count, most, out = len(views), max(self.sizes), mapped_size(dims, config)
        # Zeros stand behind what a view has fewer of than another.
        self.register_buffer("mean_VD", torch.zeros(count, max(dims)))
        self.register_buffer("whiten_VDP", torch.zeros(count, max(dims), most))
        self.map_VPZ = nn.Parameter(torch.zeros(count, most, out), requires_grad=not config.path_frozen)
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))
        if self.kind == "random":
            for map_PZ, size in zip(self.map_VPZ.data, self.sizes, strict=True):
                nn.init.orthogonal_(map_PZ[:size])

    def whiten(self, x_BTD: Tensor, view: str) -> Tensor:
        """Principal components (B, T, P) of a view's prepared features, each of deviation 1."""
        self.check_ready()
        place = self.views.index(view)
        dim = self.dims[place]
        with torch.autocast(x_BTD.device.type, enabled=False):
            return (x_BTD - self.mean_VD[place, :dim]) @ self.whiten_VDP[place, :dim]

    def forward(self, p_BTP: Tensor, view: str) -> Tensor:
        """What the linear path gives, (B, T, Z), of whitened components."""
        with torch.autocast(p_BTP.device.type, enabled=False):
            return p_BTP @ self.map_VPZ[self.views.index(view)]

    def check_ready(self) -> None:
        """Raise `ConfigError` before it has its maps."""
        if not tracing() and not self.ready:
            raise ConfigError("The refiner has no components yet: show all pairs to accumulate() and call solve().")

    @torch.no_grad()
    def start(self, moments: PairMoments, standardiser: Standardiser, scale: str) -> list[int]:
        """Take the components of the pairs' prepared features.

        Args:
            moments: of all pairs.
            standardiser: what prepares the features.
            scale: of canonical components: correlation or unit; see `canonical_maps`.

        Returns:
            Number of components used of each view.
        """
        totals = moments.totals(self.mean_VD.device)
        covariances = moments.covariances(totals, standardiser)
        used, whiteners, sizes_P = [], [], []
        for place, view in enumerate(self.views):
            steps = int(totals[place, place].count)
            most = self.sizes[place] if self.set_size else min(self.sizes[place], max(1, steps // STEPS_EACH))
            whitener_DP, variance_P = whitening(covariances[place, place], most, self.whiten_VDP.shape[-1])
            dim = self.dims[place]
            self.mean_VD[place, :dim] = standardiser.of_mean(totals[place, place].means[0], view)
            self.whiten_VDP[place, :dim] = whitener_DP
            whiteners.append(whitener_DP[:, : self.sizes[place]])
            sizes_P.append(variance_P[: self.sizes[place]])
            used.append(int((variance_P > 0).sum()))
        if self.kind == "cca":
            whitened = {(a, b): whiteners[a].mT @ c_DE @ whiteners[b] for (a, b), c_DE in covariances.items()}
            self._put(canonical_maps(whitened, RIDGE, self.map_VPZ.shape[-1], scale))
        elif self.kind == "pca":
            self._put([_as_large_as_found(variance_P, self.map_VPZ.shape[-1]) for variance_P in sizes_P])
        self.ready.fill_(True)
        return used

    def _put(self, maps: list[Tensor]) -> None:
        for place, map_PZ in enumerate(maps):
            self.map_VPZ[place] = 0.0
            self.map_VPZ[place, : len(map_PZ)] = map_PZ.to(self.map_VPZ)


def whitening(covariance_DD: Tensor, used: int, room: int) -> tuple[Tensor, Tensor]:
    """Map (D, ``room``) of centred features to principal components of deviation 1, the largest first, and variances.

    Columns and variances beyond ``used`` or the features' rank are zero.
    """
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    vectors_DP, values_P = vectors_DD.flip(-1)[:, :used], values_D.flip(-1)[:used].clamp(min=0)
    kept_P = values_P > RANK * values_P[:1]
    signs_P = vectors_DP.gather(0, vectors_DP.abs().argmax(dim=0, keepdim=True))[0].sign()
    scale_P = torch.where(kept_P, signs_P / values_P.where(kept_P, torch.ones_like(values_P)).sqrt(), 0.0)
    map_DP, variance_P = covariance_DD.new_zeros(len(values_D), room), covariance_DD.new_zeros(room)
    map_DP[:, : vectors_DP.shape[-1]] = vectors_DP * scale_P
    variance_P[: len(values_P)] = values_P * kept_P
    return map_DP, variance_P


def _as_large_as_found(variance_P: Tensor, out: int) -> Tensor:
    """Map (P, Z) that gives whitened components their deviations back, of mean variance 1 together."""
    deviation_P = (variance_P / variance_P[variance_P > 0].mean().nan_to_num(1.0)).sqrt()
    map_PZ = variance_P.new_zeros(len(variance_P), out)
    kept = min(out, len(variance_P))
    map_PZ[range(kept), range(kept)] = deviation_P[:kept]
    return map_PZ
