"""Batches with named fields. Features are (B, T, D); a True mask means valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # whoever needs only `Window` doesn't wait for torch
    import torch
    from torch import Tensor

B = TypeVar("B", bound="Batch")


@dataclass(frozen=True)
class Window:
    """A stretch of one recording, to be read at one chunk size.

    Attributes:
        recording: name of the synchronised recording.
        item: name of what is scored as one sequence: an annotation (label file), or the recording itself.
        start: first frame.
        end: frame after the last.
        chunk_frames: frames pooled into one step.
    """

    recording: str
    item: str
    start: int
    end: int
    chunk_frames: int

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self.end - self.start

    @property
    def steps(self) -> int:
        """Length in steps (chunks); a last, shorter chunk counts."""
        return -(-(self.end - self.start) // self.chunk_frames)


@dataclass
class Batch:
    """What all batches can: move their tensors, leave the rest."""

    def to(self: B, device: torch.device | str) -> B:
        """The batch with its tensors on a device."""
        return self._map(lambda value: value.to(device))

    def with_numbers(self: B, dtype: torch.dtype) -> B:
        """The batch with its features in another floating type."""
        return self._map(lambda value: value.to(dtype) if value.is_floating_point() else value)

    def _map(self: B, act: Callable[[Tensor], Tensor]) -> B:
        from torch import Tensor

        def mapped(value: Any) -> Any:
            if isinstance(value, Tensor):
                return act(value)
            return {name: mapped(one) for name, one in value.items()} if isinstance(value, dict) else value

        return replace(self, **{field.name: mapped(getattr(self, field.name)) for field in fields(self)})


@dataclass
class SegmentBatch(Batch):
    """Windows of single views with labels, for a segmentation head.

    Attributes:
        features_BTD: float32, zeros where the mask is False; D is that of the largest view, and zeros stand behind the
            features of smaller ones.
        mask_BT: bool, True where a step has features; all False in a row that was not read.
        labels_BT: int64, -100 (`viewloom.metrics.segments.IGNORE`) where a step has no label.
        windows: what each row is.
        views: the logical view of each row.
        missing_frames: frames of each row that its view lacks.
        taught_BTK: float32, class probabilities of steps that a teacher labelled, zeros at all others; None where there
            is no teacher.
        classes_BTK: int8, 1 where a step has a class, 0 where it hasn't, -100 where nobody says; None where a step has
            one label (``labels_BT``, which is -100 everywhere otherwise).
    """

    features_BTD: Tensor
    mask_BT: Tensor
    labels_BT: Tensor
    windows: tuple[Window, ...]
    views: tuple[str, ...]
    missing_frames: tuple[int, ...] = ()
    taught_BTK: Tensor | None = None
    classes_BTK: Tensor | None = None


@dataclass
class ViewBatch(Batch):
    """Windows seen by several synchronised views, for pre-training; without labels but for a method that asks for them.

    Attributes:
        features: {view: float32 (B, T, D_view), zeros where the mask is False}, views in the order of axis V.
        mask_BVT: bool, True where that view has features at that step; all False for a view that the
            recording lacks.
        windows: what each row is.
        missing_frames: frames that each row's views lack, (view, frames) for each view it has.
        labels_BT: int64, the class of each step, -100 where it has none; None where nobody asked for labels.
    """

    features: dict[str, Tensor]
    mask_BVT: Tensor
    windows: tuple[Window, ...]
    missing_frames: tuple[tuple[tuple[str, int], ...], ...] = ()
    labels_BT: Tensor | None = None

    @property
    def views(self) -> tuple[str, ...]:
        """The logical views along axis V, in order, the same for every row."""
        return tuple(self.features)

    def mask_of(self, view: str) -> Tensor:
        """Mask (B, T) of one view."""
        return self.mask_BVT[:, self.views.index(view)]

    def valid(self, view: str) -> Tensor:
        """Features (B, T, D_view) of one view, zeros at masked steps whatever stands there."""
        return self.features[view].masked_fill(~self.mask_of(view)[..., None], 0.0)

    @classmethod
    def stacked(cls, x_BVTD: Tensor, mask_BVT: Tensor, windows: Sequence[Window], views: Sequence[str]) -> ViewBatch:
        """A batch of views that share their feature size."""
        return cls(dict(zip(views, x_BVTD.unbind(1), strict=True)), mask_BVT, tuple(windows))
