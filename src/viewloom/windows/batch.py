"""Batches with named fields. Features are (B, T, D) or (B, V, T, D); a True mask means valid."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # whoever needs only `Window` or `IGNORE` doesn't wait for torch
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
        return -(-self.frames // self.chunk_frames)


@dataclass
class Batch:
    """What all batches can: move their tensors, leave the rest."""

    def to(self: B, *args: Any, **kwargs: Any) -> B:
        """The batch with its tensors moved, arguments as `torch.Tensor.to`."""
        from torch import Tensor

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: v.to(*args, **kwargs) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)


@dataclass
class SegmentBatch(Batch):
    """Windows of single views with labels, for a segmentation head.

    Attributes:
        features_BTD: float32, zeros where the mask is False.
        mask_BT: bool, True where a step has features.
        labels_BT: int64, `IGNORE` where a step has no label.
        windows: what each row is.
        views: the logical view of each row.
        missing_frames: frames of each row that its view lacks.
    """

    features_BTD: Tensor
    mask_BT: Tensor
    labels_BT: Tensor
    windows: tuple[Window, ...]
    views: tuple[str, ...]
    missing_frames: tuple[int, ...] = ()


@dataclass
class ViewBatch(Batch):
    """Windows seen by several synchronised views, without labels, for pre-training.

    Attributes:
        features_BVTD: float32, zeros where the mask is False.
        mask_BVT: bool, True where that view has features at that step; all False for a view that the
            recording lacks.
        windows: what each row is.
        views: the logical views along axis V, in order, the same for every row.
        missing_frames: frames that each row's views lack, (view, frames) for each view it has.
    """

    features_BVTD: Tensor
    mask_BVT: Tensor
    windows: tuple[Window, ...]
    views: tuple[str, ...]
    missing_frames: tuple[tuple[tuple[str, int], ...], ...] = ()
