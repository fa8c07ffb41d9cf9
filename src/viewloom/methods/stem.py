"""A linear map of each view before the network that all views share: views of any sizes, and large ones made small."""

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.methods.canonical import principal_map
from viewloom.methods.canonical_fit import fit_canonical
from viewloom.methods.fold_moments import FoldMoments
from viewloom.methods.pair_moments import PairMoments
from viewloom.methods.settings import CCAConfig, ResidualConfig
from viewloom.nn.standardise import Standardiser
from viewloom.nn.tracing import tracing

WIDEST = 128
"""Features behind a stem, at most, where nobody set their number: `two_stream` then has below 10 million weights."""


def stem_width(dims: tuple[int, ...], config: ResidualConfig) -> int:
    """Features behind the stem; without one, those of the data."""
    if config.stem == "none":
        return dims[0]
    width = config.width or min(*dims, WIDEST)
    if config.stem == "cca" and width > min(dims):
        raise ConfigError(
            f"width is {width}, but views have only {min(dims)} canonical components, as many as the smallest has "
            "features. Lower it, or set stem to pca."
        )
    return width


class Stem(nn.Module):
    """``x W_v + b_v`` for each view v.

    Args:
        dims: feature size D of each view.
        views: their names.
        width: feature size it gives.
    """

    ready: Tensor

    def __init__(self, dims: tuple[int, ...], views: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.dims, self.views = dims, views
        # Zeros stand behind the features of a view that has fewer than another; they are never used.
        self.weight_VDW = nn.Parameter(torch.zeros(len(views), max(dims), width))
        self.offset_VW = nn.Parameter(torch.zeros(len(views), width))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, x_BTD: Tensor, view: str) -> Tensor:
        """The view's map; `ConfigError` before there is one."""
        self.check_ready()
        place = self.views.index(view)
        return x_BTD @ self.weight_VDW[place, : self.dims[place]] + self.offset_VW[place]

    def check_ready(self) -> None:
        """Raise `ConfigError` before it has its maps."""
        if not tracing() and not self.ready:
            raise ConfigError("The stem has no maps yet: show all pairs to accumulate() and call solve().")

    @torch.no_grad()
    def start(self, moments: PairMoments | FoldMoments, standardiser: Standardiser) -> None:
        """Components of the pairs' standardised features, centred: canonical of moments in folds, else principal."""
        device, width = self.weight_VDW.device, self.offset_VW.shape[1]
        if isinstance(moments, FoldMoments):
            found = fit_canonical(moments, standardiser, CCAConfig(out_dim=width), device)
            means, maps = found.means, found.maps
        else:
            totals = moments.totals(device)
            covariances = moments.covariances(totals, standardiser)
            means = [standardiser.of_mean(totals[v, v].means[0], view) for v, view in enumerate(self.views)]
            maps = [principal_map(covariances[v, v], width) for v in range(len(self.views))]
        for place, (mean_D, map_DW) in enumerate(zip(means, maps, strict=True)):
            self.weight_VDW[place, : self.dims[place]] = map_DW
            self.offset_VW[place] = -(mean_D @ map_DW)
        self.ready.fill_(True)
