"""Windows that a teacher labelled, among labelled ones: probabilities of frames, pooled into steps of any size."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.multilabel import Classes
from viewloom.features.base import pooled_dim
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Window
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows, planned_rows

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What a teacher says of the frames of one recording, as runs of frames of which it says the same.

    Attributes:
        starts_R: first frame of each run, ascending, on the data set's clock.
        end: frame after the last run.
        probs_RK: float32, class probabilities; zeros in a run that the teacher doesn't see.
    """

    starts_R: NDArray[np.int64]
    end: int
    probs_RK: Floats

    @classmethod
    def of_frames(cls, probs_TK: Floats, start: int) -> "SoftLabels":
        """From the probabilities of each frame, the first being ``start``; zeros where there are none."""
        changes = np.flatnonzero((probs_TK[1:] != probs_TK[:-1]).any(axis=1)) + 1
        firsts_R = np.concatenate([np.zeros(min(1, len(probs_TK)), np.int64), changes])
        return cls(firsts_R + start, start + len(probs_TK), probs_TK[firsts_R])

    @property
    def frames_R(self) -> NDArray[np.int64]:
        """Frames of each run."""
        return np.diff(self.starts_R, append=self.end)

    @property
    def seen_R(self) -> NDArray[np.bool_]:
        """Whether the teacher sees the run."""
        seen_R: NDArray[np.bool_] = self.probs_RK.sum(axis=1) > 0
        return seen_R

    def frame_labels(self, start: int, end: int) -> NDArray[np.int64]:
        """The likeliest class of each frame [start, end); `IGNORE` where the teacher sees none."""
        labels_R = np.where(self.seen_R, self.probs_RK.argmax(axis=1), IGNORE)
        frames_T = np.arange(start, end)
        labels_T = labels_R[np.searchsorted(self.starts_R, frames_T, "right") - 1]
        return np.where((frames_T >= self.starts_R[0]) & (frames_T < self.end), labels_T, IGNORE)

    def frame_classes(self, start: int, end: int, threshold: float) -> Classes:
        """Where a frame may have several classes: which each frame [start, end) has, (end - start, K), by a least
        probability; `IGNORE` where the teacher sees none."""
        classes_RK = np.where(self.seen_R[:, None], self.probs_RK >= threshold, IGNORE).astype(np.int8)
        frames_T = np.arange(start, end)
        classes_TK = classes_RK[np.searchsorted(self.starts_R, frames_T, "right") - 1]
        outside_T = (frames_T < self.starts_R[0]) | (frames_T >= self.end)
        classes_TK[outside_T] = IGNORE
        return classes_TK

    def pooled(self, window: Window) -> Floats:
        """Mean probabilities (S, K) of each chunk of a window over the frames that the teacher sees; zeros for none."""
        chunk = window.chunk_frames
        borders = np.arange(window.start, window.end, chunk)
        inside = self.starts_R[(self.starts_R > window.start) & (self.starts_R < window.end)]
        cuts = np.union1d(borders, inside)
        runs = np.searchsorted(self.starts_R, cuts, "right") - 1
        weights = np.diff(cuts, append=window.end) * self.seen_R[runs]
        first_of_chunk = np.searchsorted(cuts, borders)
        total_SK = np.add.reduceat(weights[:, None] * self.probs_RK[runs].astype(np.float64), first_of_chunk)
        seen_S = np.add.reduceat(weights, first_of_chunk)
        return (total_SK / np.maximum(seen_S, 1)[:, None]).astype(np.float32)


def as_target(probs_SK: Floats, temperature: float, confidence: float) -> Floats:
    """What a student is to say: the teacher's probabilities at a temperature, zeros at steps it isn't sure of.

    `p_k^(1/T) / sum_j p_j^(1/T)` (MixMatch, arXiv:1905.02249, eq. 7); a step counts where the largest p reaches the
    confidence (FixMatch, arXiv:2001.07685).

    Args:
        probs_SK: mean probabilities of each step; zeros where the teacher sees nothing.
        temperature: T, 1 as the teacher has it, below 1 surer, above 1 less sure.
        confidence: least largest probability of a step that counts.
    """
    highest_S1 = probs_SK.max(axis=1, keepdims=True)
    counts_S1 = (highest_S1 > 0) & (highest_S1 >= confidence)
    powered_SK = (probs_SK / np.where(highest_S1 > 0, highest_S1, 1)).astype(np.float64) ** (1 / temperature)
    target_SK = powered_SK / np.maximum(powered_SK.sum(axis=1, keepdims=True), 1)
    return np.where(counts_S1, target_SK, 0.0).astype(np.float32)


def as_target_classes(probs_SK: Floats, temperature: float, confidence: float) -> Floats:
    """`as_target` where a step may have several classes: each by itself, NaN where the teacher isn't sure of it.

    `p^(1/T) / (p^(1/T) + (1 - p)^(1/T))`; a class counts where p or 1 - p reaches the confidence.

    Args:
        probs_SK: mean probabilities of each step; zeros where the teacher sees nothing.
        temperature: as `as_target`.
        confidence: as `as_target`.
    """
    there_SK = probs_SK.astype(np.float64)
    counts_SK = (probs_SK.sum(axis=1) > 0)[:, None] & (np.maximum(there_SK, 1 - there_SK) >= confidence)
    yes_SK, no_SK = there_SK ** (1 / temperature), (1 - there_SK) ** (1 / temperature)
    return np.where(counts_SK, yes_SK / (yes_SK + no_SK), np.nan).astype(np.float32)


@dataclass(frozen=True)
class Teaching:
    """What is taught.

    Attributes:
        items: recordings that a teacher labelled, as whole items.
        views: views they are shown in.
        classes: number of classes K.
        soft: what the teacher says, by recording.
        temperature: see `as_target`.
        confidence: see `as_target`.
        multi: whether a step may have several classes.
    """

    items: Sequence[Item]
    views: Sequence[str]
    classes: int
    soft: Mapping[str, SoftLabels]
    temperature: float = 1.0
    confidence: float = 0.0
    multi: bool = False


class TaughtWindows(SegmentWindows):
    """Labelled windows, and behind them windows of a teacher's recordings in every view that is taught on.

    Labelled rows have the numbers, and so draw the chunk sizes, that they have without a teacher. Labels of taught
    rows are never read, whatever the data set has.

    Args:
        dataset: opened data set.
        items: labelled items.
        views: views of the labelled items.
        sampling: as `SegmentWindows`.
        seed: as `SegmentWindows`.
        unread: as `SegmentWindows`.
        teaching: what is taught.

    Attributes:
        first_taught: number of the first taught row.
    """

    def __init__(
        self,
        dataset: MultiViewDataset,
        items: Sequence[Item],
        views: Sequence[str],
        sampling: Sampling,
        seed: int | None,
        unread: Container[tuple[Window, str]],
        teaching: Teaching,
    ) -> None:
        source = dataset.source
        super().__init__(source, dataset.labels, items, views, sampling, seed, unread=unread)
        self.teaching = teaching
        self.first_taught = len(self.rows)
        self.rows += planned_rows(source, teaching.items, teaching.views, sampling.chunk_frames, sampling.max_chunks)
        used = dict.fromkeys(view for _, view in self.rows)
        self.dims = {view: pooled_dim(source.dim(view), sampling.pooling) for view in used}

    def classes_of(self, window: Window, row: int) -> Classes:
        """Classes (S, K) of a labelled row where a step may have several; of a taught row nobody says any."""
        found_SK = super().classes_of(window, row)
        return found_SK if row < self.first_taught else np.full_like(found_SK, IGNORE)

    def targets_of(self, window: Window, row: int) -> tuple[NDArray[np.int64], Floats | None]:
        """Labels (S,) of a labelled row, and no step's probabilities; of a taught row the other way round.

        Where a step may have several classes, no probability is NaN: zero says that a class isn't there."""
        none: Any = np.empty((0, self.teaching.classes), np.float32)
        if row < self.first_taught:
            labels_S = self.labels_of(window)
            shape = len(labels_S), self.teaching.classes
            return labels_S, np.full(shape, np.nan, np.float32) if self.teaching.multi else none
        probs_SK = self.teaching.soft[window.recording].pooled(window)
        target = as_target_classes if self.teaching.multi else as_target
        target_SK = target(probs_SK, self.teaching.temperature, self.teaching.confidence)
        return np.full(window.steps, IGNORE, np.int64), target_SK
