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
from viewloom.methods.canonical_fit import fit_canonical
from viewloom.methods.fold_moments import FoldMoments
from viewloom.methods.linear_map import LinearRefiner
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
        check_size(self.config.out_dim, self.dims)
        self.moments = FoldMoments(self.dims, self.views)

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
        refiner = self.refiner
        found = fit_canonical(self.moments, refiner.standardiser, self.config, refiner.mean_VD.device)
        found.put_into(refiner)
        self.chosen = found.in_words("cca", self.config, min(self.dims))


def check_size(out_dim: int, dims: tuple[int, ...]) -> None:
    """Raise `ConfigError` if more components are asked for than the smallest view has features."""
    if out_dim > min(dims):
        raise ConfigError(f"out_dim is {out_dim}, but there are only {min(dims)} features. Lower it.")
