"""Labels of which a frame may have several, or none: two hands, parallel actions (``labels_mode=multi``).

Every frame of an annotation, from its first row to its last, counts as labelled: where no row is, nothing happens, and
all classes are absent. Two words stand for rows without an action, where the action list doesn't name them: `IGNORED`
(nobody says what happens in these frames: they take part in no loss and no score) and `NOTHING` (somebody looked, and
nothing happens; needed only to begin an annotation before its first action, or to end it behind the last).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.labels import (
    Annotation,
    LabelSet,
    Row,
    build_annotation,
    check_segment,
    of_no_row,
    refuse_endless,
)
from viewloom.dataset.settings import LabelsMode
from viewloom.errors import DataError
from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.segments import IGNORE, Ints, Segments

IGNORED, NOTHING = "ignore", "none"
"""What stands for the action in a row that has none."""
ABSENT = -1
"""Class id of a row where nothing happens."""

Classes = NDArray[np.int8]
"""(T, K): 1 where a frame has a class, 0 where it hasn't, `IGNORE` where nobody says."""


@dataclass(frozen=True, eq=False)
class MultiAnnotation(Annotation):
    """An annotation whose segments may overlap.

    Attributes:
        first: first frame that somebody looked at.
        last: frame after the last one.
        ignored_N2: (N, 2) starts and ends of stretches that aren't labelled.
    """

    first: int
    last: int
    ignored_N2: Ints

    @property
    def start(self) -> int:
        """First labelled frame."""
        return self.first

    @property
    def end(self) -> int:
        """Frame after the last labelled one."""
        return self.last

    @property
    def labelled_N2(self) -> Ints:
        """(1, 2): from the first labelled frame to the last, whatever happens."""
        return np.array([[self.first, self.last]])

    @property
    def facts(self) -> list[Any]:
        """What its labels are, by content."""
        return [*super().facts, self.first, self.last, self.ignored_N2.tolist()]

    def frame_labels(self, start: int, end: int) -> Ints:
        """Refused: a frame has no one label.

        Raises:
            DataError: always.
        """
        raise DataError(
            f"{self.path}: labels of {self.name} were opened with --labels_mode multi, but what was asked for needs "
            "one label a frame. Leave --labels_mode out, on the line and in dataset.yaml (docs/multilabel.md)."
        )

    def frame_classes(self, start: int, end: int, classes: int) -> Classes:
        """Which of K classes each frame in [start, end) has, (end - start, K); `IGNORE` where nobody says."""
        changes_TK = np.zeros((end - start + 1, classes), np.int16)
        for bounds_S, step in ((self.starts, 1), (self.ends, -1)):
            np.add.at(changes_TK, (np.clip(bounds_S, start, end) - start, self.labels), step)
        there_TK = (changes_TK[:-1].cumsum(axis=0, dtype=np.int16) > 0).astype(np.int8)
        there_TK[self._unlabelled(start, end)] = IGNORE
        return there_TK

    @cached_property
    def merged(self) -> Segments:
        """The actions in labelled frames: of one action apart from each other, of several in order of time."""
        classes = int(self.labels.max()) + 1
        return segments_of_classes(self.frame_classes(self.first, self.last, classes) == 1, self.first)

    @cached_property
    def unlabelled(self) -> Segments:
        """The stretches between the first labelled frame and the last in which nobody says what happens, apart."""
        found = Segments.of_frames(self._unlabelled(self.first, self.last), self.first)
        return found.select(found.labels == 1)

    def _unlabelled(self, start: int, end: int) -> NDArray[np.bool_]:
        """Frames in [start, end) that lie outside, or in an ignored stretch."""
        stretches_N2 = np.concatenate([self.ignored_N2, [[start, self.first], [self.last, end]]])
        within_N2 = np.clip(stretches_N2, start, end) - start
        starts_N, ends_N = within_N2[within_N2[:, 1] > within_N2[:, 0]].T
        begun_T, ended_T = (np.bincount(bounds_N, minlength=end - start + 1) for bounds_N in (starts_N, ends_N))
        unknown_T: NDArray[np.bool_] = (begun_T - ended_T).cumsum()[:-1] > 0
        return unknown_T


def words_without_action(actions: Iterable[str]) -> dict[str, int]:
    """The words that stand for no action, and their class ids; those that the action list has are actions."""
    taken = set(actions)
    return {word: label for word, label in ((IGNORED, IGNORE), (NOTHING, ABSENT)) if word not in taken}


def build_multi_annotation(path: Path, name: str, recording: str, rows: Iterable[Row]) -> MultiAnnotation:
    """An annotation from rows of start, end, class id and line, which may overlap.

    Rows of one action that overlap or touch come to one segment, since a frame has an action or hasn't.

    Args:
        path: file they come from.
        name: of the annotation.
        recording: it belongs to.
        rows: in any order; class id `IGNORE` where nobody says, `ABSENT` where nothing happens.

    Raises:
        DataError: no row with an action, or a segment that ends before it starts; with file and line.
    """
    rows = sorted(rows)
    for row in rows:
        check_segment(path, row)
    found = Segments.of_rows([row[:3] for row in rows])
    acting = found.select(found.labels >= 0)
    if not len(acting):
        raise of_no_row(path, name)
    unknown = found.select(found.labels == IGNORE)
    ignored_N2 = np.stack([unknown.starts, unknown.ends], axis=1)
    span = int(found.starts.min()), int(found.ends.max())
    refuse_endless(path, name, *span)
    return MultiAnnotation(acting.starts, acting.ends, acting.labels, name, recording, path, *span, ignored_N2)


def in_mode(labels: LabelSet, mode: LabelsMode) -> LabelSet:
    """Labels in the mode that is asked for: a frame with one label has one class, gaps between segments have none.

    Layouts of other packages, and label files that can't overlap, give single labels whatever is asked for.
    """
    if labels.mode == mode:
        return labels
    lifted = {name: _lifted(annotation) for name, annotation in labels.annotations.items()}
    return replace(labels, annotations=lifted, mode="multi")


def _lifted(one: Annotation) -> MultiAnnotation:
    nothing: Any = np.empty((0, 2), np.int64)
    span = one.start, one.end
    return MultiAnnotation(one.starts, one.ends, one.labels, one.name, one.recording, one.path, *span, nothing)


def frame_classes(labels: LabelSet | None, name: str, start: int, end: int) -> Classes:
    """Classes (T, K) of the frames [start, end) by the annotation of that name; all `IGNORE` where there is none."""
    annotation = None if labels is None else labels.annotations.get(name)
    classes = 0 if labels is None else len(labels.actions)
    if isinstance(annotation, MultiAnnotation):
        return annotation.frame_classes(start, end, classes)
    return np.full((end - start, classes), IGNORE, np.int8)


def refuse_multi(labels: LabelSet | None, what: str) -> None:
    """`DataError` where labels were opened with several a frame, and something needs one; ``what`` names it."""
    if labels is not None and labels.mode == "multi":
        raise DataError(
            f"{what} needs one label a frame, but --labels_mode is multi. check, train, evaluate, predict, report and "
            "transfer know several (docs/multilabel.md); leave the mode out for this, on the line and in dataset.yaml."
        )


def occurring_actions(words: Iterable[str], mode: LabelsMode) -> list[str]:
    """The actions among the labels of a table, sorted; with mode multi without the words that stand for none."""
    return sorted(set(words) - {"", *({IGNORED, NOTHING} if mode == "multi" else ())})


def class_ids(actions: Sequence[str], mode: LabelsMode) -> dict[str, int]:
    """Class id of each word that a label may be."""
    ids = {name: place for place, name in enumerate(actions)}
    return ids if mode == "single" else words_without_action(actions) | ids


BUILDERS: Mapping[LabelsMode, Callable[[Path, str, str, Iterable[Row]], Annotation]] = {
    "single": build_annotation,
    "multi": build_multi_annotation,
}
"""What makes an annotation of rows, by mode."""
