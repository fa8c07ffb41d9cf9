"""Ridge regression from each student view to the teacher view: the best linear guess of the other view.

Hoerl, Kennard: "Ridge Regression: Biased Estimation for Nonorthogonal Problems" (Technometrics 1970). Means are
removed first, and are not penalised.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from viewloom.errors import DataError
from viewloom.methods.base import Method
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.roles import assign_roles
from viewloom.methods.settings import MethodConfig, RidgeConfig
from viewloom.nn.moments import Moments
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("ridge")
class Ridge(Method):
    """One linear map for each student view; the teacher view is left as it is.

    Fitted on the steps that a student and the teacher both have.

    Args:
        dim: feature size D, or one for each view.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = RidgeConfig
    fit = "closed_form"
    any_sizes = True
    config: RidgeConfig
    refiner: LinearRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.roles = assign_roles(self.views, self.config.teacher, "", default=-1)
        size = dict(zip(self.views, self.dims, strict=True))
        self.inputs = {name: Moments(size[name], size[name]) for name in self.roles.students}
        self.targets = {name: Moments(size[name], size[self.roles.teacher]) for name in self.roles.students}

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """A map for each view, to the teacher's features."""
        teacher = assign_roles(views, config.teacher, "", default=-1).teacher_place
        return LinearRefiner(cls.registered_name(), dim, views, config, as_dims(dim, views)[teacher])

    def accumulate(self, batch: ViewBatch) -> None:
        """Take the steps in that a student and the teacher both have."""
        super().accumulate(batch)
        for view in self.roles.students:
            both_BT = batch.mask_of(view) & batch.mask_of(self.roles.teacher)
            x_ND = batch.features[view][both_BT]
            self.inputs[view].add(x_ND, x_ND)
            self.targets[view].add(x_ND, batch.features[self.roles.teacher][both_BT])

    @torch.no_grad()
    def solve(self) -> None:
        """Fit each student's map; the teacher's is the identity.

        Raises:
            DataError: a student and the teacher have no step in common.
        """
        super().solve()
        zeros_E, teacher = torch.zeros(self.refiner.out_dim), self.roles.teacher
        self.refiner.set_map(teacher, zeros_E, torch.eye(self.refiner.out_dim), zeros_E)
        for view in self.roles.students:
            mean_x_D, mean_y_E, weight_DE = self._regression(view)
            self.refiner.set_map(view, mean_x_D, weight_DE, mean_y_E)

    def _regression(self, view: str) -> tuple[Tensor, Tensor, Tensor]:
        """Means of student and teacher, and the map between them, of standardised features."""
        standardiser, teacher = self.refiner.standardiser, self.roles.teacher
        device = self.refiner.mean_VD.device
        inputs, targets = (m[view].over_processes(device) for m in (self.inputs, self.targets))
        if targets.count == 0:
            raise DataError(
                f"The views {view!r} and {teacher!r} have no step in common, so neither can be predicted from the "
                "other. Leave one out, or add recordings that have both."
            )
        covariance_DD = standardiser.of_covariance(inputs.covariance_DE, view, view)
        cross_DE = standardiser.of_covariance(targets.covariance_DE, view, teacher)
        penalty = self.config.strength * covariance_DD.diagonal().mean()
        # A view that never varies predicts nothing: any positive penalty then gives a map of zeros.
        eye_DD = torch.eye(len(covariance_DD), dtype=torch.float64)
        penalised_DD = covariance_DD + (penalty if penalty > 0 else 1.0) * eye_DD
        weight_DE = torch.cholesky_solve(cross_DE, torch.linalg.cholesky(penalised_DD))
        mean_x_D, mean_y_E = targets.means
        return standardiser.of_mean(mean_x_D, view), standardiser.of_mean(mean_y_E, teacher), weight_DE
