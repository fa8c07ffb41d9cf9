"""Regularised canonical correlation: one linear map a view into a space where all views correlate most.

Two views: Hotelling, "Relations Between Two Sets of Variates" (Biometrika 1936), with the ridge of Vinod,
"Canonical Ridge and Econometrics of Joint Production" (J. Econometrics 1976). More: the MAXVAR form of Kettenring,
"Canonical Analysis of Several Sets of Variables" (Biometrika 1971), the generalised eigenproblem
`C w = lambda D w` of all covariances C between views and the block-diagonal D of those within views.
"""

from itertools import combinations_with_replacement
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError, DataError
from viewloom.methods.base import Method
from viewloom.methods.cca_choice import Block, choose, out_of_step
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.moments import Moments
from viewloom.methods.refiner import Refiner
from viewloom.methods.settings import CCAConfig, MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("cca")
class CCA(Method):
    """Canonical correlation of two views or more.

    Covariances between two views are taken over the steps that both have, those within a view over all its steps;
    two views that never occur together count as uncorrelated with each other.

    Args:
        dim: feature size D.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = CCAConfig
    fit = "closed_form"
    config: CCAConfig
    refiner: LinearRefiner

    def __init__(self, dim: int, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        if self.config.out_dim > dim:
            raise ConfigError(f"out_dim is {self.config.out_dim}, but there are only {dim} features. Lower it.")
        self.pairs = list(combinations_with_replacement(range(len(self.views)), 2))
        self.moments = nn.ModuleList(Moments(dim, dim) for _ in self.pairs)
        self.crossed = [pair for pair in self.pairs if pair[0] != pair[1]]
        self.nulls = nn.ModuleList(Moments(dim, dim) for _ in self.crossed)

    @classmethod
    def build_refiner(cls, dim: int, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view into the shared space."""
        return LinearRefiner(cls.registered_name(), dim, views, config, config.out_dim or dim)

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps of every pair of views in."""
        super().accumulate(batch)
        for (a, b), moments in zip(self.pairs, self.moments, strict=True):
            both_BT = batch.mask_BVT[:, a] & batch.mask_BVT[:, b]
            moments.add(batch.features_BVTD[:, a][both_BT], batch.features_BVTD[:, b][both_BT])  # type: ignore[operator]
        for (a, b), moments in zip(self.crossed, self.nulls, strict=True):
            both_BT = batch.mask_BVT[:, a] & batch.mask_BVT[:, b]
            moments.add(*out_of_step(batch.features_BVTD[:, a], batch.features_BVTD[:, b], both_BT))  # type: ignore[operator]

    @torch.no_grad()
    def solve(self) -> None:
        """Find the components and each view's map.

        Raises:
            DataError: a view shares no step with any other.
        """
        super().solve()
        totals = {pair: m.over_processes() for pair, m in zip(self.pairs, self.moments, strict=True)}  # type: ignore[operator]
        self._check_overlap(totals)
        covariance_VDVD = self._covariance(totals)
        strength, size = self._choose(covariance_VDVD, totals)
        self.refiner.resize(size)
        maps_VDZ = canonical_maps(covariance_VDVD, strength, size, self.config.scale)
        for place, view in enumerate(self.views):
            mean_D = self.refiner.standardiser.of_mean(totals[place, place].means[0], view)
            self.refiner.set_map(view, mean_D, maps_VDZ[place], torch.zeros(size))

    def _choose(self, covariance_VDVD: Tensor, totals: dict[tuple[int, int], Moments]) -> tuple[float, int]:
        """Ridge and number of components, as set or as the data suggest."""
        config, steps = self.config, int(max(totals[pair].count for pair in self.crossed))
        nulls = {pair: m.over_processes() for pair, m in zip(self.crossed, self.nulls, strict=True)}  # type: ignore[operator]
        blocks = []
        for (a, b), null in nulls.items():
            if null.count > 0:
                null_DD = self.refiner.standardiser.of_covariance(null.covariance_DE, self.views[a], self.views[b])
                first_DD, second_DD = covariance_VDVD[a, :, a], covariance_VDVD[b, :, b]
                blocks.append(Block(first_DD, second_DD, covariance_VDVD[a, :, b], null_DD))
        if blocks:
            strength, size = choose(blocks, steps, config.strength, config.out_dim)
        else:  # single steps, which no null can be had from
            strength, size = config.strength or 1.0, config.out_dim or max(1, min(self.dim, steps // 10))
        if config.strength is None or not config.out_dim:
            self.chosen = (
                f"cca keeps {size} of {self.dim} components with a ridge of {strength:g} times the mean variance, "
                f"chosen from {steps:,} steps (--method_options.out_dim and strength set others)"
            )
        return strength, size

    def _check_overlap(self, totals: dict[tuple[int, int], Moments]) -> None:
        for place, view in enumerate(self.views):
            if not any(m.count > 0 for pair, m in totals.items() if place in pair and pair[0] != pair[1]):
                raise DataError(
                    f"The view {view!r} has no step in common with any other. Leave it out, or add recordings "
                    "that have it together with another."
                )

    def _covariance(self, totals: dict[tuple[int, int], Moments]) -> Tensor:
        """Covariances of all views' standardised features, (V, D, V, D)."""
        count, standardiser = len(self.views), self.refiner.standardiser
        full_VDVD = torch.zeros(count, self.dim, count, self.dim, dtype=torch.float64)
        for (a, b), moments in totals.items():
            block_DD = standardiser.of_covariance(moments.covariance_DE, self.views[a], self.views[b])
            full_VDVD[a, :, b], full_VDVD[b, :, a] = block_DD, block_DD.mT
        return full_VDVD


def canonical_maps(covariance_VDVD: Tensor, strength: float, components: int, scale: str) -> Tensor:
    """Maps (V, D, Z) of centred features to canonical components, the most correlated first.

    Args:
        covariance_VDVD: covariances within and between V views, float64.
        strength: ridge within each view, as a share of its mean variance.
        components: number Z of components.
        scale: "unit" gives components mean variance 1 over views, ridge included; "correlation" multiplies them
            by their mean correlation between views, which of the first D is never below 0.
    """
    views = len(covariance_VDVD)
    roots_VDD = _whiteners(covariance_VDVD, strength)
    whitened_VDVD = torch.einsum("vde,vdwf,wfg->vewg", roots_VDD, covariance_VDVD, roots_VDD)
    find = _of_two_views if views == 2 else _of_many_views
    correlations_Z, vectors_VDZ = find(whitened_VDVD, components)
    # A component's sign is free; it is fixed so that equal data give equal maps.
    flat_SZ = vectors_VDZ.flatten(0, 1)
    signs_Z = flat_SZ.gather(0, flat_SZ.abs().argmax(dim=0, keepdim=True))[0].sign()
    maps_VDZ: Tensor = roots_VDD @ (vectors_VDZ * signs_Z) * views**0.5
    return maps_VDZ * correlations_Z if scale == "correlation" else maps_VDZ


def _of_two_views(whitened_2D2D: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Correlations (Z,) and unit vectors (2, D, Z): the singular ones of the block between the views.

    They solve the eigenproblem of `_of_many_views` too, in half the time or less.
    """
    left_DD, correlations_D, right_DD = torch.linalg.svd(whitened_2D2D[0, :, 1])
    vectors_2DD = torch.stack([left_DD, right_DD.mT]) / 2**0.5
    return correlations_D[:components], vectors_2DD[..., :components]


def _of_many_views(whitened_VDVD: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Mean correlations (Z,) and unit vectors (V, D, Z): the eigenvectors to the largest eigenvalues."""
    from scipy.linalg import eigh

    views, dim = whitened_VDVD.shape[:2]
    size = views * dim
    whitened_SS = whitened_VDVD.clone().reshape(size, size)
    for view in range(views):
        own = slice(view * dim, (view + 1) * dim)
        whitened_SS[own, own] = torch.eye(dim, dtype=torch.float64)
    values, vectors = eigh(whitened_SS.numpy(), subset_by_index=[size - components, size - 1])
    # Ascending in scipy; copied, since torch takes no negative strides.
    values_Z, vectors_SZ = torch.from_numpy(values[::-1].copy()), torch.from_numpy(vectors[:, ::-1].copy())
    return (values_Z - 1) / (views - 1), vectors_SZ.view(views, dim, components)


def _whiteners(covariance_VDVD: Tensor, strength: float) -> Tensor:
    """For each view a matrix R with `R^T (C + ridge) R = 1`."""
    views, dim = covariance_VDVD.shape[:2]
    eye_DD = torch.eye(dim, dtype=torch.float64)
    within_VDD = torch.stack([covariance_VDVD[view, :, view] for view in range(views)])
    ridge_V = strength * within_VDD.diagonal(dim1=1, dim2=2).mean(dim=1)
    # A view that never varies has nothing to correlate: any positive ridge keeps its map finite.
    ridge_V = torch.where(ridge_V > 0, ridge_V, 1.0)
    lower_VDD = torch.linalg.cholesky(within_VDD + ridge_V[:, None, None] * eye_DD)
    inverse_VDD: Tensor = torch.linalg.solve_triangular(lower_VDD, eye_DD.expand_as(lower_VDD), upper=False)
    return inverse_VDD.mT
