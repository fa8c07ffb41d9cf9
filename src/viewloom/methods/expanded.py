"""Canonical correlation of something worked out of the features: delayed copies, random features.

A first pass finds what that depends on (standardisation, principal components), a second takes the moments of what
came of it.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from viewloom.methods.base import Method
from viewloom.methods.canonical_fit import fit_canonical
from viewloom.methods.cca import check_size
from viewloom.methods.closed_settings import DelayCCAConfig, RFFCCAConfig
from viewloom.methods.fold_moments import FoldMoments
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.principal import PrincipalMaps, kept_dims
from viewloom.methods.refiner import Dims, StepS
from viewloom.methods.settings import CCAConfig, MethodConfig
from viewloom.nn.standardise import Standardiser
from viewloom.windows.batch import ViewBatch


class ExpandedRefiner(LinearRefiner):
    """One affine map a view of its expanded features.

    Args:
        method: registered name of the method.
        dim: feature size D, or one for each view.
        views: views it has maps for.
        config: settings.
        expanded: sizes of the expanded features of each view.
    """

    config: DelayCCAConfig | RFFCCAConfig

    def __init__(
        self,
        method: str,
        dim: Dims,
        views: tuple[str, ...],
        config: DelayCCAConfig | RFFCCAConfig,
        expanded: Sequence[int],
    ) -> None:
        super().__init__(method, dim, views, config, config.out_dim or min(expanded), expanded)
        self.principal = PrincipalMaps(self.dims, kept_dims(self.dims, views, config.pca_dim))

    @abstractmethod
    def expand(self, x_BTD: Tensor, mask_BT: Tensor, place: int, step_s: StepS) -> Tensor:
        """What the map of the view at a place takes, of prepared features; anything finite at masked steps."""

    def transform_at(self, x_BTD: Tensor, mask_BT: Tensor, view: str, step_s: StepS) -> Tensor:
        """The view's affine map of expanded features."""
        self.check_ready()
        return super().transform(self.expand(x_BTD, mask_BT, self.views.index(view), step_s), mask_BT, view)

    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """The same for steps as long as in training."""
        return self.transform_at(x_BTD, mask_BT, view, None)


class ExpandedCCA(Method):
    """Canonical correlation of expanded features, of two views or more.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    fit = "closed_form"
    any_sizes = True
    config: CCAConfig
    refiner: ExpandedRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        check_size(self.config.out_dim, self.refiner.mapped)
        self.moments = FoldMoments(self.refiner.mapped, self.views)
        self.first = self.passes > 1

    @property
    def passes(self) -> int:
        """Two, where anything must be found before features can be expanded."""
        return 1 + int(self.config.standardise != "none" or self.refiner.principal.needed or self.needs_look)

    @property
    def needs_look(self) -> bool:
        """Whether expanding needs anything else from a first pass."""
        return False

    def look(self, batch: ViewBatch) -> None:
        """Take into account what expanding needs, in the first pass."""

    def settle(self) -> None:
        """Work that out, once standardisation and principal components are there."""

    def accumulate(self, batch: ViewBatch) -> None:
        """Take a batch in, in either pass."""
        if self.first:
            super().accumulate(batch)
            self.refiner.principal.add(batch)
            self.look(batch)
            return
        self.check_views(batch)
        self.moments.add(replace(batch, features=self._expanded(batch)))

    @torch.no_grad()
    def solve(self) -> None:
        """After the first pass what the second needs, after that the components and each view's map.

        Raises:
            DataError: a view shares no step with any other.
        """
        refiner = self.refiner
        if self.first:
            super().solve()
            refiner.principal.solve(refiner.standardiser, self.views)
            self.settle()
            self.first = False
            return
        plain = Standardiser(refiner.mapped, self.views, "none")
        found = fit_canonical(self.moments, plain, self.config, refiner.mean_VD.device)
        found.put_into(refiner)
        self.chosen = found.in_words(self.registered_name(), self.config, min(refiner.mapped))

    @torch.no_grad()
    def _expanded(self, batch: ViewBatch) -> dict[str, Tensor]:
        steps_B, refiner, expanded = self.steps_s(batch), self.refiner, {}
        for place, view in enumerate(self.views):
            x_BTD = refiner.prepare(batch.valid(view).to(refiner.mean_VD.dtype), view)
            expanded[view] = refiner.expand(x_BTD, batch.mask_of(view), place, steps_B)
        return expanded

    @classmethod
    @abstractmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> ExpandedRefiner:
        """A map for each view's expanded features."""
