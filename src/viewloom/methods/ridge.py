"""Ridge regression from each student view to the teacher view: the best linear guess of the other view.

Hoerl, Kennard: "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (Technometrics 1970). Means are
removed first, and are not penalised.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from viewloom.errors import DataError
from viewloom.methods.base import Method
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.moments import Moments
from viewloom.methods.refiner import Refiner
from viewloom.methods.roles import assign_roles
from viewloom.methods.settings import MethodConfig, RidgeConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("ridge")
class Ridge(Method):
    """One linear map for each student view; the teacher view is left as it is.

    Fitted on the steps that a student and the teacher both have.

    Args:
        dim: feature size D.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = RidgeConfig
    fit = "closed_form"
    config: RidgeConfig
    refiner: LinearRefiner

    def __init__(self, dim: int, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.roles = assign_roles(self.views, self.config.teacher, "", default=-1)
        self.inputs = nn.ModuleDict({name: Moments(dim, dim) for name in self.roles.students})
        self.targets = nn.ModuleDict({name: Moments(dim, dim) for name in self.roles.students})

    @classmethod
    def build_refiner(cls, dim: int, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view."""
        return LinearRefiner(cls.registered_name(), dim, views, config)

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps in that a student and the teacher both have."""
        super().accumulate(batch)
        teacher = self.roles.teacher_place
        for place, view in zip(self.roles.student_places, self.roles.students, strict=True):
            both_BT = batch.mask_BVT[:, place] & batch.mask_BVT[:, teacher]
            x_ND = batch.features_BVTD[:, place][both_BT]
            self.inputs[view].add(x_ND, x_ND)  # type: ignore[operator]
            self.targets[view].add(x_ND, batch.features_BVTD[:, teacher][both_BT])  # type: ignore[operator]

    @torch.no_grad()
    def solve(self) -> None:
        """Fit each student's map; the teacher's is the identity.

        Raises:
            DataError: a student and the teacher have no step in common.
        """
        super().solve()
        zeros_D, teacher = torch.zeros(self.dim), self.roles.teacher
        self.refiner.set_map(teacher, zeros_D, torch.eye(self.dim), zeros_D)
        for view in self.roles.students:
            mean_x_D, mean_y_D, weight_DD = self._regression(view)
            self.refiner.set_map(view, mean_x_D, weight_DD, mean_y_D)

    def _regression(self, view: str) -> tuple[Tensor, Tensor, Tensor]:
        """Means of student and teacher, and the map between them, of standardised features."""
        standardiser, teacher = self.refiner.standardiser, self.roles.teacher
        inputs, targets = self.inputs[view].over_processes(), self.targets[view].over_processes()  # type: ignore[operator]
        if targets.count == 0:
            raise DataError(
                f"The views {view!r} and {teacher!r} have no step in common, so neither can be predicted from the "
                "other. Leave one out, or add recordings that have both."
            )
        covariance_DD = standardiser.of_covariance(inputs.covariance_DE, view, view)
        cross_DD = standardiser.of_covariance(targets.covariance_DE, view, teacher)
        penalty = self.config.strength * covariance_DD.diagonal().mean()
        # A view that never varies predicts nothing: any positive penalty then gives a map of zeros.
        penalised_DD = covariance_DD + (penalty if penalty > 0 else 1.0) * torch.eye(self.dim, dtype=torch.float64)
        weight_DD = torch.cholesky_solve(cross_DD, torch.linalg.cholesky(penalised_DD))
        mean_x_D, mean_y_D = targets.means
        return standardiser.of_mean(mean_x_D, view), standardiser.of_mean(mean_y_D, teacher), weight_DD
