"""Labelled segments: the one class of them, from labels of frames or from rows, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from typing_extensions import Self

IGNORE = -100
"""Label of frames that have none."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segments:
    """S labelled segments in order of time, without overlap. A subclass may hold more arrays, a value a segment.

    Attributes:
        starts: (S,) first frame of each.
        ends: (S,) frame after the last of each.
        labels: (S,) class id of each.
    """

    starts: Ints
    ends: Ints
    labels: Ints

    @classmethod
    def of_frames(cls, labels_T: ArrayLike, first_frame: int = 0, breaks: ArrayLike = ()) -> Segments:
        """The maximal runs of equal labels; frames labelled `IGNORE` form segments too.

        Args:
            labels_T: class id of each frame, (T,).
            first_frame: number of the first one.
            breaks: places in ``labels_T`` where a segment begins whatever the label before.
        """
        labels_T = np.asarray(labels_T, np.int64)
        new_T = np.ones(len(labels_T), np.bool_)
        new_T[1:] = labels_T[1:] != labels_T[:-1]
        new_T[np.asarray(breaks, np.int64)] = True
        starts = np.flatnonzero(new_T)
        ends = np.append(starts, len(labels_T))[1:]
        return Segments(starts + first_frame, ends + first_frame, labels_T[starts])

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[int]] | Ints) -> Segments:
        """From S rows of start, end (exclusive) and class id; neither order nor overlap is looked at.

        Raises:
            ValueError, TypeError, OverflowError: rows that are no three whole numbers each.
        """
        return Segments(*np.array(rows, np.int64).reshape(-1, 3).T.copy())

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def rows(self) -> list[list[int]]:
        """[start, end, class id] of each."""
        return np.stack([self.starts, self.ends, self.labels], axis=1).tolist()  # type: ignore[no-any-return]

    @property
    def durations(self) -> Ints:
        """(S,) frames of each."""
        return self.ends - self.starts

    @property
    def labelled(self) -> Self:
        """Those with a label."""
        return self.select(self.labels != IGNORE)

    def select(self, keep_S: Flags) -> Self:
        """The segments where ``keep_S`` is True."""
        arrays = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return replace(self, **{n: values[keep_S] for n, values in arrays.items() if isinstance(values, np.ndarray)})

    def frame_labels(self, start: int, end: int) -> Ints:
        """Class id of each frame in [start, end), (end - start,); `IGNORE` where there is no segment."""
        starts = np.clip(self.starts, start, end) - start
        ends = np.clip(self.ends, start, end) - start
        lengths = np.empty(2 * len(self.starts) + 1, np.int64)  # gap, segment, gap, ..., segment, gap
        lengths[1::2] = ends - starts
        lengths[0::2] = np.diff(ends, prepend=0, append=end - start)
        lengths[0:-1:2] -= lengths[1::2]
        values = np.full(len(lengths), IGNORE, np.int64)
        values[1::2] = self.labels
        return np.repeat(values, lengths)
