"""Synchronisation distillation of features: `min MSE(x_exo + Transformer(x_exo), x_ego)` on synchronised pairs.

After Quattrocchi et al., "Synchronization Is All You Need" (ECCV 2024), as the report uses it: the head is trained
on transformed exo, and at test every view goes through the same network.
"""

from typing import Any, ClassVar

import torch

from viewloom.losses.base import LossOutput
from viewloom.losses.distillation import feature_distillation
from viewloom.losses.squared_error import as_counted
from viewloom.methods.refiner import Dims, Refiner
from viewloom.methods.residual import ResidualMethod, ResidualRefiner
from viewloom.methods.roles import Roles, assign_roles
from viewloom.methods.settings import MethodConfig, SyncKDConfig
from viewloom.methods.whole_window import repeat_last
from viewloom.nn.distributed import mean_count
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("sync_kd")
class SyncKD(ResidualMethod):
    """Feature distillation from any number of student views to one teacher view.

    Args:
        dim: feature size D, or one for each view, which takes a stem.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = SyncKDConfig
    config: SyncKDConfig

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.roles = feature_roles(self.views, self.config)

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """One residual refiner for all views, or for all but the teacher."""
        unchanged: tuple[str, ...] = ()
        if config.teacher_path == "identity":
            unchanged = (feature_roles(views, config).teacher,)
        return ResidualRefiner(cls.registered_name(), dim, views, config, identity_views=unchanged)

    def forward(self, batch: ViewBatch) -> LossOutput:
        """Loss of a batch, over the steps that a student and the teacher both have."""
        batch, mask_BVT = self.counted(batch)
        x_BVTD, roles = self.prepared(batch, mask_BVT), self.roles
        teacher_BTD = x_BVTD[:, roles.teacher_place].detach()  # a stem must not bring the target to the students
        both_BST = mask_BVT[:, roles.student_places] & mask_BVT[:, [roles.teacher_place]]
        students = [
            self.refiner.transform(x_BVTD[:, place], mask_BVT[:, place], view)
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
