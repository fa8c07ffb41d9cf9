"""Synchronisation distillation: a student on one view follows a teacher on another, moment by moment.

After Quattrocchi, Furnari, Di Mauro, Giuffrida, Farinella: "Synchronization Is All You Need: Exocentric-to-
Egocentric Transfer for Temporal Action Segmentation with Unlabeled Synchronized Video Pairs" (ECCV 2024).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from viewloom.losses.squared_error import Count, as_counted, squared_error


def feature_distillation(
    students_BVTD: Tensor, teacher_BTD: Tensor, mask_BVT: Tensor, count: Count = as_counted
) -> Tensor:
    """Sum over student views of the mean squared error to the teacher view's features.

    Args:
        students_BVTD: transformed features of the student views.
        teacher_BTD: features of the teacher view.
        mask_BVT: bool, True where that student and the teacher both have the step.
        count: see `squared_error`.
    """
    errors = [
        squared_error(students_BVTD[:, view], teacher_BTD, mask_BVT[:, view], count)
        for view in range(students_BVTD.shape[1])
    ]
    return torch.stack(errors).sum()


def level_distillation(
    student_levels: Sequence[Tensor], teacher_levels: Sequence[Tensor], mask_BT: Tensor, count: Count = as_counted
) -> Tensor:
    """Sum over decoder levels of the mean squared error between the student head's logits and the teacher's.

    Args:
        student_levels: logits (B, T, K) of each level.
        teacher_levels: the teacher's, as many.
        mask_BT: bool, True where both have the step.
        count: see `squared_error`.
    """
    errors = [
        squared_error(student_BTK, teacher_BTK, mask_BT, count)
        for student_BTK, teacher_BTK in zip(student_levels, teacher_levels, strict=True)
    ]
    return torch.stack(errors).sum()
