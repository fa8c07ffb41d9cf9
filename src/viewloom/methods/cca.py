"""Regularised canonical correlation: one linear map a view into a space where all views correlate most.

Two views: Hotelling, "Relations Between Two Sets of Variates" (Biometrika 1936), with the ridge of Vinod,
"Canonical Ridge and Econometrics of Joint Production" (J. Econometrics 1976). More: the MAXVAR form of Kettenring,
"Canonical Analysis of Several Sets of Variables" (Biometrika 1971), the generalised eigenproblem
`C w = lambda D w` of all covariances C between views and the block-diagonal D of those within views.
"""

from typing import Any, ClassVar

import torch

from viewloom.errors import ConfigError
from viewloom.methods.base import Method
from viewloom.methods.canonical import Covariances, canonical_maps
from viewloom.methods.cca_choice import Block, choose
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.pair_moments import PairMoments
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.settings import CCAConfig, MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("cca")
class CCA(Method):
    """Canonical correlation of two views or more.

    Covariances between two views are taken over the steps that both have, those within a view over all its steps;
    two views that never occur together count as uncorrelated with each other.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = CCAConfig
    fit = "closed_form"
    any_sizes = True
    config: CCAConfig
    refiner: LinearRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        most = min(self.dims)
        if self.config.out_dim > most:
            raise ConfigError(f"out_dim is {self.config.out_dim}, but there are only {most} features. Lower it.")
        self.moments = PairMoments(self.dims, self.views, nulls=True)

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view into the shared space."""
        return LinearRefiner(cls.registered_name(), dim, views, config, config.out_dim or min(as_dims(dim, views)))

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps of every pair of views in."""
        super().accumulate(batch)
        self.moments.add(batch)

    @torch.no_grad()
    def solve(self) -> None:
        """Find the components and each view's map.

        Raises:
            DataError: a view shares no step with any other.
        """
        super().solve()
        standardiser = self.refiner.standardiser
        totals = self.moments.totals(self.refiner.mean_VD.device)
        covariances = self.moments.covariances(totals, standardiser)
        steps = int(max(moments.count for (a, b), moments in totals.items() if a != b))
        strength, size = self._choose(covariances, steps)
        self.refiner.resize(size)
        maps = canonical_maps(covariances, strength, size, self.config.scale)
        for place, view in enumerate(self.views):
            mean_D = standardiser.of_mean(totals[place, place].means[0], view)
            self.refiner.set_map(view, mean_D, maps[place], torch.zeros(size))

    def _choose(self, covariances: Covariances, steps: int) -> tuple[float, int]:
        """Ridge and number of components, as set or as the data suggest."""
        config, most = self.config, min(self.dims)
        nulls = {
            pair: moments.over_processes(self.refiner.mean_VD.device) for pair, moments in self.moments.nulls.items()
        }
        out = self.moments.covariances({pair: m for pair, m in nulls.items() if m.count > 0}, self.refiner.standardiser)
        blocks = [Block(covariances[a, a], covariances[b, b], covariances[a, b], out[a, b]) for a, b in out]
        if blocks:
            strength, size = choose(blocks, steps, config.strength, config.out_dim)
        else:  # single steps, which no null can be had from
            strength, size = config.strength or 1.0, config.out_dim or max(1, min(most, steps // 10))
        size = min(size, most)
        if config.strength is None or not config.out_dim:
            self.chosen = (
                f"cca keeps {size} of {most} components with a ridge of {strength:g} times the mean variance, "
                f"chosen from {steps:,} steps (--method_options.out_dim and strength set others)"
            )
        return strength, size
