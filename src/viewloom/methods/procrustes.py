"""Orthogonal alignment: turn each view so that all of them agree best, and stretch none.

Two views: Schönemann, "A generalized solution of the orthogonal Procrustes problem" (Psychometrika 1966). More: Gower,
"Generalized Procrustes analysis" (Psychometrika 1975): the turns Q maximise the sum over pairs of views of
``tr(Q_v^T C_vw Q_w)``, found from the covariances C between views alone; started as in ten Berge, "Orthogonal
Procrustes rotation for two or more matrices" (Psychometrika 1977), whose steps never make it worse.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from viewloom.errors import ConfigError
from viewloom.methods.base import Method
from viewloom.methods.canonical import principal_map
from viewloom.methods.closed_settings import ProcrustesConfig
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.pair_moments import Pair, PairMoments
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.settings import MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch

WIDEST = 64
"""Components that are aligned, at most, where nobody set their number."""
TURNS = 500
"""Rounds over the views at most ..."""
STILL = 1e-12
"""... or until a round improves agreement by less than this share."""


@METHODS.register("procrustes")
class Procrustes(Method):
    """Generalised orthogonal Procrustes analysis of the principal components of two views or more.

    Each view is centred and scaled to mean variance 1 first. Covariances between two views are taken over the steps
    that both have; two views that never occur together are only held together by others.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = ProcrustesConfig
    fit = "closed_form"
    any_sizes = True
    config: ProcrustesConfig
    refiner: LinearRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        if self.config.out_dim > min(self.dims):
            raise ConfigError(
                f"out_dim is {self.config.out_dim}, but the smallest view has only {min(self.dims)} features. Lower it."
            )
        self.moments = PairMoments(self.dims, self.views)

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view into the shared space."""
        size = config.out_dim or min(WIDEST, *as_dims(dim, views))
        return LinearRefiner(cls.registered_name(), dim, views, config, size)

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps of every pair of views in."""
        super().accumulate(batch)
        self.moments.add(batch)

    @torch.no_grad()
    def solve(self) -> None:
        """Find each view's map.

        Raises:
            DataError: a view shares no step with any other.
        """
        super().solve()
        refiner = self.refiner
        totals = self.moments.totals(refiner.mean_VD.device)
        covariances = self.moments.covariances(totals, refiner.standardiser)
        size, places = refiner.out_dim, range(len(self.views))
        maps = [principal_map(covariances[place, place], size) for place in places]
        between = {(a, b): maps[a].mT @ covariances[a, b] @ maps[b] for a, b in covariances if a < b}
        for place, turn_ZZ in enumerate(turns(between, len(self.views))):
            mean_D = refiner.standardiser.of_mean(totals[place, place].means[0], self.views[place])
            refiner.set_map(self.views[place], mean_D, maps[place] @ turn_ZZ, torch.zeros(size))


def turns(between: Mapping[Pair, Tensor], views: int) -> list[Tensor]:
    """An orthogonal matrix (Z, Z) for each of V views; the axes of agreement, the strongest first, are the space's.

    Args:
        between: {(view, later view): covariances (Z, Z)}.
        views: V.
    """
    size = len(next(iter(between.values())))
    cross_VVZZ = torch.zeros(views, views, size, size, dtype=torch.float64)
    for (a, b), cross_ZZ in between.items():
        cross_VVZZ[a, b], cross_VVZZ[b, a] = cross_ZZ, cross_ZZ.mT
    found, before = _start(cross_VVZZ), -torch.inf
    for _ in range(TURNS):
        for view in range(views):
            found[view] = _nearest_orthogonal(_towards(cross_VVZZ[view], found))
        agreement = float(sum((found[v] * _towards(cross_VVZZ[v], found)).sum() for v in range(views)))
        if agreement - before <= STILL * abs(agreement):
            break
        before = agreement
    shared_ZZ = torch.stack([found[v].mT @ _towards(cross_VVZZ[v], found) for v in range(views)]).sum(0)
    axes_ZZ = torch.linalg.eigh((shared_ZZ + shared_ZZ.mT) / 2)[1].flip(-1)
    signs_Z = (found[0] @ axes_ZZ).gather(0, (found[0] @ axes_ZZ).abs().argmax(dim=0, keepdim=True))[0].sign()
    return [turn_ZZ @ (axes_ZZ * signs_Z) for turn_ZZ in found]


def _start(cross_VVZZ: Tensor) -> list[Tensor]:
    """Turns nearest to the leading eigenvectors of all blocks."""
    views, size = len(cross_VVZZ), cross_VVZZ.shape[-1]
    blocks_SS = cross_VVZZ.transpose(1, 2).reshape(views * size, views * size)
    leading_SZ = torch.linalg.eigh(blocks_SS)[1][:, -size:]
    return [_nearest_orthogonal(part_ZZ) for part_ZZ in leading_SZ.split(size)]


def _towards(cross_VZZ: Tensor, found: Sequence[Tensor]) -> Tensor:
    """Where the other views, turned, would have one view."""
    return torch.einsum("vzy,vyx->zx", cross_VZZ, torch.stack(list(found)))


def _nearest_orthogonal(value_ZZ: Tensor) -> Tensor:
    left_ZZ, _, right_ZZ = torch.linalg.svd(value_ZZ)
    turned: Tensor = left_ZZ @ right_ZZ
    return turned
