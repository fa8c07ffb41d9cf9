"""Correlation alignment: give every view the mean and covariances of one of them, without any pair.

Sun, Feng, Saenko, "Return of Frustratingly Easy Domain Adaptation" (AAAI 2016), algorithm 1: whiten by the view's own
covariances, colour by the reference's. What is used of a view is which features it has, never when: views need not be
synchronised, nor seen in the same recordings. It supposes that feature d means the same in all views, as it does where
one network made them, and that views see the same things equally often.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from viewloom.errors import DataError
from viewloom.methods.base import Method
from viewloom.methods.closed_settings import CoralConfig
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.refiner import Dims, Refiner
from viewloom.methods.roles import assign_roles
from viewloom.methods.settings import MethodConfig
from viewloom.nn.moments import Moments
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("coral")
class Coral(Method):
    """One linear map for each view but the reference, which is left as it is.

    Args:
        dim: feature size D, the same for all views.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = CoralConfig
    fit = "closed_form"
    one_size = "compares views feature by feature"
    remedy = "Use the method procrustes or cca, which bring views of any sizes into one space."
    config: CoralConfig
    refiner: LinearRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.reference = assign_roles(self.views, self.config.reference, "", default=0).teacher
        self.moments = {view: Moments(self.dim, self.dim) for view in self.views}

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view, to the reference's features."""
        return LinearRefiner(cls.registered_name(), dim, views, config)

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps of every view in, whatever the others have at that time."""
        super().accumulate(batch)
        for view, moments in self.moments.items():
            x_ND = batch.features[view][batch.mask_of(view)]
            moments.add(x_ND, x_ND)

    @torch.no_grad()
    def solve(self) -> None:
        """Find each view's map; the reference's is the identity.

        Raises:
            DataError: a view was never seen.
        """
        super().solve()
        refiner = self.refiner
        totals = {view: moments.over_processes(refiner.mean_VD.device) for view, moments in self.moments.items()}
        absent = [view for view, total in totals.items() if not total.count]
        if absent:
            raise DataError(f"No valid step was seen of {', '.join(absent)}. Leave it out.")
        means = {v: refiner.standardiser.of_mean(total.means[0], v) for v, total in totals.items()}
        spreads = {v: refiner.standardiser.of_covariance(total.covariance_DE, v, v) for v, total in totals.items()}
        target_DD = _power(spreads[self.reference], self.config.strength, 0.5)
        for view in self.views:
            own = view == self.reference
            map_DD = torch.eye(self.dim) if own else _power(spreads[view], self.config.strength, -0.5) @ target_DD
            refiner.set_map(view, means[view], map_DD, means[self.reference])


def _power(covariance_DD: Tensor, strength: float, power: float) -> Tensor:
    """A power of a view's covariances with their ridge."""
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    ridge = strength * covariance_DD.diagonal().mean()
    values_D = values_D.clamp(min=0) + (ridge if ridge > 0 else 1.0)
    powered_DD: Tensor = (vectors_DD * values_D**power) @ vectors_DD.mT
    return powered_DD
