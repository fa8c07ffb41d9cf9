"""Synchronisation distillation of features: `min MSE(x_exo + Transformer(x_exo), x_ego)` on synchronised pairs.

After Quattrocchi et al., "Synchronization Is All You Need" (ECCV 2024), as the report uses it: the head is trained
on transformed exo, and at test every view goes through the same network.
"""

from typing import Any, ClassVar

import torch

from viewloom.losses.base import LossOutput
from viewloom.losses.distillation import feature_distillation
from viewloom.losses.squared_error import as_counted
from viewloom.methods.base import Method
from viewloom.methods.refiner import Refiner
from viewloom.methods.residual import ResidualRefiner
from viewloom.methods.roles import Roles, assign_roles
from viewloom.methods.settings import MethodConfig, SyncKDConfig
from viewloom.methods.whole_window import fill_window, repeat_last
from viewloom.nn.distributed import mean_count
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("sync_kd")
class SyncKD(Method):
    """Feature distillation from any number of student views to one teacher view.

    Args:
        dim: feature size D.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = SyncKDConfig
    config: SyncKDConfig

    def __init__(self, dim: int, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.roles = feature_roles(self.views, self.config)

    @classmethod
    def build_refiner(cls, dim: int, views: tuple[str, ...], config: Any) -> Refiner:
        """One residual refiner for all views, or for all but the teacher."""
        unchanged: tuple[str, ...] = ()
        if config.teacher_path == "identity":
            unchanged = (feature_roles(views, config).teacher,)
        return ResidualRefiner(cls.registered_name(), dim, views, config, identity_views=unchanged)

    def forward(self, batch: ViewBatch) -> LossOutput:
        """Loss of a batch, over the steps that a student and the teacher both have."""
        self.check_views(batch)
        if self.config.whole_window:
            batch = fill_window(batch, self.config.window_steps, self.config.alike(self.training))
        mask_BVT = batch.mask_BVT
        if self.config.whole_window:
            mask_BVT = mask_BVT.any(dim=2, keepdim=True).expand_as(mask_BVT)
        x_BVTD = batch.features_BVTD.masked_fill(~batch.mask_BVT[..., None], 0.0)
        roles, standardise = self.roles, self.refiner.standardiser
        teacher_BTD = standardise(x_BVTD[:, roles.teacher_place], roles.teacher)
        both_BST = mask_BVT[:, roles.student_places] & mask_BVT[:, [roles.teacher_place]]
        students = [
            self.refiner.transform(standardise(x_BVTD[:, place], view), mask_BVT[:, place], view)
            for place, view in zip(roles.student_places, roles.students, strict=True)
        ]
        students_BSTD = torch.stack(students, dim=1)
        if self.config.whole_window:
            steps = self.config.window_steps
            students_BSTD, teacher_BTD = repeat_last(students_BSTD, steps), repeat_last(teacher_BTD, steps)
            both_BST = both_BST[..., :1].expand(*both_BST.shape[:2], steps)
        count = mean_count if self.training else as_counted
        loss = feature_distillation(students_BSTD, teacher_BTD, both_BST, count)
        return LossOutput(loss, {"distillation": loss.detach()})


def feature_roles(views: tuple[str, ...], config: SyncKDConfig) -> Roles:
    """Teacher and students: by default the last view teaches all others."""
    return assign_roles(views, config.teacher, config.students, default=-1)
