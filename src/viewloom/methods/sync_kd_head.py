"""Distillation of the head itself: on each decoder level, a student on one view follows a teacher on another.

After Quattrocchi et al., "Synchronization Is All You Need" (ECCV 2024), second part:
`min sum over levels of MSE(student_level(x_ego), teacher_level(x_exo))` on synchronised pairs, without labels.

What this method leaves behind is a head (`student`), not a refiner: its `refiner` is the identity. The student is
for the student views; the teacher head stays the one for the teacher's view.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from viewloom.errors import ConfigError
from viewloom.heads.base import Head
from viewloom.losses.base import LossOutput
from viewloom.losses.distillation import level_distillation
from viewloom.losses.squared_error import as_counted
from viewloom.methods.base import Method
from viewloom.methods.none import IdentityRefiner
from viewloom.methods.refiner import Dims, Refiner, StepS, as_dims, in_words
from viewloom.methods.roles import assign_roles
from viewloom.methods.settings import Choice, MethodConfig, SyncKDHeadConfig
from viewloom.nn.distributed import mean_count
from viewloom.nn.moments import Moments
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch

if TYPE_CHECKING:
    from typing_extensions import Self


@METHODS.register("sync_kd_head")
class SyncKDHead(Method):
    """Head distillation from the teacher's view to any number of student views; see `with_teacher`.

    Args:
        dim: feature size D, or one for each view: student views have one, the teacher's may be another.
        views: two or more, exo views first.
        config: settings.

    Attributes:
        student: the head that learns; None until a teacher was given.
        teacher: the frozen head it follows.
    """

    Config: ClassVar[type[MethodConfig]] = SyncKDHeadConfig
    requires = "teacher_head"
    any_sizes = True
    # Not by retrieval: the refiner is the identity, which finds the same steps after every epoch.
    chosen_by: ClassVar[tuple[Choice, ...]] = ("loss", "agreement", "last")
    config: SyncKDHeadConfig
    student: Head | None
    teacher: Head | None

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.roles = assign_roles(self.views, self.config.teacher, self.config.students, default=0)
        self.student = None
        self.teacher = None
        self.seen: dict[str, Moments] = {}

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """The identity: what is learned is a head. It is for views of the students' size."""
        size = dict(zip(views, as_dims(dim, views), strict=True))
        students = assign_roles(views, config.teacher, config.students, default=0).students
        return IdentityRefiner(cls.registered_name(), dim, views, config, size[students[0]] if students else None)

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str, step_s: StepS = None) -> Tensor:
        """Features of any view as the heads see them, the teacher's of another size too."""
        outside_BT1 = ~mask_BT[..., None]
        x_BTD = self.refiner.prepare(x_BTD.masked_fill(outside_BT1, 0.0), view)
        return x_BTD.masked_fill(outside_BT1, 0.0)

    def with_teacher(self, head: Head) -> Self:
        """Take a trained head as teacher, frozen, and make the student from it; the head itself is not touched."""
        size = dict(zip(self.views, self.dims, strict=True))
        if head.multi:
            raise ConfigError(
                "The teacher head was trained with --labels_mode multi, which sync_kd_head doesn't know. Pass another "
                "head, or let a student follow it: `viewloom train --teach_on_pairs true`."
            )
        if head.dim != size[self.roles.teacher]:
            raise ConfigError(
                f"The teacher head takes features of size {head.dim}, but those of view {self.roles.teacher!r} have "
                f"{size[self.roles.teacher]}. Pass a head that was trained on these features."
            )
        sizes = {size[view] for view in self.roles.students}
        if len(sizes) > 1 or (self.config.start == "teacher" and sizes != {head.dim}):
            raise ConfigError(
                f"A student head takes one feature size, but views have: {in_words(self.dims, self.views)}. "
                "Name students of one size, and set start to random where it isn't the teacher's."
            )
        self.teacher = copy.deepcopy(head).requires_grad_(False).eval()
        fresh = type(head)(sizes.pop(), head.classes, head.config) if self.config.start == "random" else head
        self.student = copy.deepcopy(fresh).requires_grad_(True)
        if self.student.dim == head.dim:
            self.student.scaling = copy.deepcopy(head.scaling)  # a fresh one has no statistics of its own
        return self

    @property
    def needs_pass(self) -> bool:
        """Also for the statistics of a student whose features are of another size than the teacher's."""
        return super().needs_pass or self._unscaled is not None

    @property
    def _unscaled(self) -> Head | None:
        """The student, where its statistics can't be the teacher's and are still to be taken."""
        student, teacher = self.student, self.teacher
        own = student is not None and teacher is not None and student.dim != teacher.dim
        return student if own and student is not None and student.needs_statistics else None

    def accumulate(self, batch: ViewBatch) -> None:
        """Take a batch into the statistics of the students' features."""
        super().accumulate(batch)
        if self._unscaled is not None:
            for view in self.roles.students:
                x_ND = batch.features[view][batch.mask_of(view)]
                self.seen.setdefault(view, Moments(x_ND.shape[-1])).add(x_ND)

    def solve(self) -> None:
        """Work them out; a student sees its features standardised, where this method does that."""
        super().solve()
        if (student := self._unscaled) is not None:
            for view, moments in self.seen.items():
                student.scaling.moments[0].merge(self.refiner.standardiser.of_moments(moments, view))
            student.solve_scaling()

    def train(self, mode: bool = True) -> Self:
        """As `torch.nn.Module.train`, but the teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(self, batch: ViewBatch) -> LossOutput:
        """Loss of a batch, over the steps that a student view and the teacher's view both have."""
        self.check_views(batch)
        student, teacher = self._heads()
        teacher_BTD, teacher_BT = self._view(batch, self.roles.teacher_place)
        with torch.no_grad():
            wanted = teacher(teacher_BTD, teacher_BT)
        count = mean_count if self.training else as_counted
        total = torch.stack([p.sum() for p in student.parameters()]).sum() * 0.0
        for place in self.roles.student_places:
            x_BTD, mask_BT = self._view(batch, place)
            # A head can't take batch statistics over nothing; all processes decide alike.
            if count(mask_BT.sum()) > 0:
                levels = student(x_BTD, mask_BT)
                total = total + level_distillation(levels, wanted, mask_BT & teacher_BT, count)
        return LossOutput(total, {"distillation": total.detach()})

    def held_out_counts(self, batch: ViewBatch) -> dict[str, tuple[int, int]]:
        """``agreement``: steps of student views at which the student's class is the teacher's on its own view."""
        student, teacher = self._heads()
        teacher_BTD, teacher_BT = self._view(batch, self.roles.teacher_place)
        wanted_BT = _classes(teacher, teacher_BTD, teacher_BT)
        same = steps = 0
        for place in self.roles.student_places:
            x_BTD, mask_BT = self._view(batch, place)
            both_BT = mask_BT & teacher_BT
            if both_BT.any():
                same += int(((_classes(student, x_BTD, mask_BT) == wanted_BT) & both_BT).sum())
                steps += int(both_BT.sum())
        return {"agreement": (same, steps)}

    def _heads(self) -> tuple[Head, Head]:
        """Student and teacher; `ConfigError` before there are any."""
        if self.student is None or self.teacher is None:
            raise ConfigError("Head distillation needs a trained head as teacher: call with_teacher(head) first.")
        return self.student, self.teacher

    def _view(self, batch: ViewBatch, place: int) -> tuple[Tensor, Tensor]:
        """Standardised features and mask of one view."""
        view = self.views[place]
        mask_BT = batch.mask_of(view)
        return self.encode(batch.features[view], mask_BT, view), mask_BT


def _classes(head: Head, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """The class a head decides for at each step, (B, T)."""
    return head.decode(head(x_BTD, mask_BT), mask_BT).argmax(dim=-1)
