"""Labels: named actions, and the segments that annotate each recording."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.metrics.runs import IGNORE

Ints = NDArray[np.int64]
LARGEST_FRAME = 1 << 40
"""A frame number beyond this is a typing error: a thousand years at 30 fps."""


class UnknownAction(DataError):
    """A label whose action is not in the action list.

    Attributes:
        action: the name that isn't there.
    """

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message)
        self.action = action


Fault = Callable[[DataError], None]
"""What a reader does with a fault of one row or file: raise it, or note it and go on without the row."""


def stop(error: DataError) -> None:
    """The `Fault` of every command but the check: raise it."""
    raise error


@dataclass(frozen=True)
class Annotation:
    """The labelled segments of one sequence; frames, end exclusive, in order, without overlap.

    Attributes:
        name: of the label file; what is scored as one sequence.
        recording: the recording it belongs to.
        starts: first frame of each segment.
        ends: frame after the last of each segment.
        labels: class id of each segment.
        path: file it was read from.
    """

    name: str
    recording: str
    starts: Ints
    ends: Ints
    labels: Ints
    path: Path

    @property
    def start(self) -> int:
        """First labelled frame."""
        return int(self.starts[0])

    @property
    def end(self) -> int:
        """Frame after the last labelled one."""
        return int(self.ends[-1])

    def frame_labels(self, start: int, end: int) -> Ints:
        """Class id of each frame in [start, end), shape (end - start,); `IGNORE` where there is no label."""
        starts = np.clip(self.starts, start, end) - start
        ends = np.clip(self.ends, start, end) - start
        lengths = np.empty(2 * len(starts) + 1, np.int64)  # gap, segment, gap, ..., segment, gap
        lengths[1::2] = ends - starts
        lengths[0::2] = np.diff(ends, prepend=0, append=end - start)
        lengths[0:-1:2] -= lengths[1::2]
        values = np.full(len(lengths), IGNORE, np.int64)
        values[1::2] = self.labels
        return np.repeat(values, lengths)


@dataclass(frozen=True)
class LabelSet:
    """All labels of a data set.

    Attributes:
        actions: class names; the class id is the place.
        annotations: by name.
    """

    actions: tuple[str, ...]
    annotations: Mapping[str, Annotation]

    def of_recording(self, recording: str) -> tuple[Annotation, ...]:
        """The annotations of a recording, in time order; none is no error."""
        return self._by_recording.get(recording, ())

    @property
    def recordings(self) -> tuple[str, ...]:
        """Recordings with at least one annotation, sorted."""
        return tuple(sorted(self._by_recording))

    @cached_property
    def _by_recording(self) -> dict[str, tuple[Annotation, ...]]:
        found: dict[str, tuple[Annotation, ...]] = {}
        for annotation in sorted(self.annotations.values(), key=lambda a: (a.start, a.name)):
            found[annotation.recording] = (*found.get(annotation.recording, ()), annotation)
        return found


def build_annotation(
    path: Path, name: str, recording: str, rows: Sequence[tuple[int, int, int]], lines: Sequence[int]
) -> Annotation:
    """An annotation from (start, end, class id) rows, checked.

    Args:
        path: file they come from.
        name: of the annotation.
        recording: it belongs to.
        rows: in any order.
        lines: line of each row in the file, for messages.

    Raises:
        DataError: no row at all, a segment that ends before it starts, two that overlap; with file and line.
    """
    if not rows:
        raise DataError(f"{path} holds no segment for {name}. Remove the file, or label the recording.")
    order = sorted(range(len(rows)), key=lambda i: rows[i])
    last, last_line = (-1, -1, -1), 0
    for i in order:
        _check_segment(f"{path}, line {lines[i]}", rows[i], last, last_line)
        last, last_line = rows[i], lines[i]
    starts, ends, labels = np.array([rows[i] for i in order], np.int64).T.copy()
    return Annotation(name, recording, starts, ends, labels, path)


def _check_segment(where: str, row: tuple[int, int, int], last: tuple[int, int, int], last_line: int) -> None:
    """`DataError` for a segment that can't be, or that doesn't lie behind the one before it in time."""
    start, end, _ = row
    if start < 0 or end <= start or end > LARGEST_FRAME:
        raise DataError(
            f"{where}: the segment runs from {start} to {end}; its end must lie behind its start, and no frame "
            "number may be negative or beyond belief. Correct the line."
        )
    if row == last:
        raise DataError(f"{where} says the same as line {last_line}. Remove one of them.")
    if start < last[1]:
        raise DataError(
            f"{where}: the segment from {start} overlaps the one in line {last_line}, which ends at {last[1]} "
            "(end exclusive). Each frame may have one label."
        )
