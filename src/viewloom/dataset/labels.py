"""Labels: named actions, and the segments that annotate each recording."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from viewloom.dataset.settings import LabelsMode
from viewloom.errors import DataError
from viewloom.limits import FARTHEST_FRAME, LONGEST_FRAMES
from viewloom.metrics.segments import Ints, Segments


class UnknownAction(DataError):
    """A label whose action is not in the action list.

    Attributes:
        action: the name that isn't there.
    """

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message)
        self.action = action


Row = tuple[int, int, int, int]
"""Start, end (exclusive), class id and line of a segment."""

Fault = Callable[[DataError], None]
"""What a reader does with a fault of one row or file: raise it, or note it and go on without the row."""


def stop(error: DataError) -> None:
    """The `Fault` of every command but the check: raise it."""
    raise error


@dataclass(frozen=True, eq=False)
class Annotation(Segments):
    """The labelled segments of one label file, of one frame at least.

    Attributes:
        name: of the label file; what is scored as one sequence.
        recording: the recording it belongs to.
        path: file it was read from.
    """

    name: str
    recording: str
    path: Path

    @property
    def start(self) -> int:
        """First labelled frame."""
        return int(self.starts[0])

    @property
    def end(self) -> int:
        """Frame after the last labelled one."""
        return int(self.ends[-1])

    @property
    def labelled_N2(self) -> Ints:
        """(N, 2) starts and ends of what is labelled; stretches may overlap."""
        return np.stack([self.starts, self.ends], axis=1)

    @property
    def facts(self) -> list[Any]:
        """What its labels are, by content, as JSON values."""
        return [values.tolist() for values in (self.starts, self.ends, self.labels)]


@dataclass(frozen=True)
class LabelSet:
    """All labels of a data set.

    Attributes:
        actions: class names; the class id is the place.
        annotations: by name; with mode multi each is a `viewloom.dataset.multilabel.MultiAnnotation`.
        mode: whether a frame has one label, or any number.
    """

    actions: tuple[str, ...]
    annotations: Mapping[str, Annotation]
    mode: LabelsMode = "single"

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


def build_annotation(path: Path, name: str, recording: str, rows: Iterable[Row]) -> Annotation:
    """An annotation from rows of start, end, class id and line, checked.

    Args:
        path: file they come from.
        name: of the annotation.
        recording: it belongs to.
        rows: in any order; their lines in the file are for messages.

    Raises:
        DataError: no row at all, a segment that ends before it starts, two that overlap; with file and line.
    """
    rows = sorted(rows)
    if not rows:
        raise of_no_row(path, name)
    for before, row in pairwise([(-1, -1, -1, 0), *rows]):
        check_segment(path, row)
        _check_order(path, row, before)
    refuse_endless(path, name, rows[0][0], rows[-1][1])
    found = Segments.of_rows([row[:3] for row in rows])
    return Annotation(found.starts, found.ends, found.labels, name, recording, path)


def of_no_row(path: Path, name: str) -> DataError:
    """What is raised for an annotation without a segment."""
    return DataError(f"{path} holds no segment for {name}. Remove the file, or label the recording.")


def check_segment(path: Path, row: Row) -> None:
    """`DataError` for a segment that can't be."""
    start, end, _, line = row
    if start < 0 or end <= start or end > FARTHEST_FRAME:
        raise DataError(
            f"{path}, line {line}: the segment runs from {start} to {end}; its end must lie behind its start, and no "
            "frame number may be negative or beyond belief. Correct the line."
        )


def refuse_endless(path: Path, name: str, start: int, end: int) -> None:
    """`DataError` for more frames than a recording has: each of them is looked at."""
    if end - start > LONGEST_FRAMES:
        raise DataError(
            f"{path}: the labels of {name} run over {end - start:,} frames, from {start:,} to {end:,}, and "
            f"{LONGEST_FRAMES:,} are the most that are read. Correct the frame numbers."
        )


def _check_order(path: Path, row: Row, before: Row) -> None:
    """`DataError` for a segment that doesn't lie behind the one before it in time."""
    start, _, _, line = row
    where = f"{path}, line {line}"
    if row[:3] == before[:3]:
        raise DataError(f"{where} says the same as line {before[3]}. Remove one of them.")
    if start < before[1]:
        raise DataError(
            f"{where}: the segment from {start} overlaps the one in line {before[3]}, which ends at {before[1]} "
            "(end exclusive). Each frame may have one label; where several things happen at once, pass --labels_mode "
            "multi."
        )
