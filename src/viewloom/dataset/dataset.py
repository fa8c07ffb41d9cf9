"""A data set as commands see it: features, labels, splits and views, opened from one folder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.console import note
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import Annotation, LabelSet
from viewloom.dataset.multilabel import Classes, frame_classes, in_mode
from viewloom.dataset.settings import IN_MEMORY, DataConfig, PairSpans
from viewloom.dataset.splits import ROLES, Role, Splits
from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource
from viewloom.features.views import ViewTable
from viewloom.metrics.segments import IGNORE


@dataclass(frozen=True)
class Item:
    """What is trained on and scored as one sequence: a labelled span of a recording.

    Attributes:
        name: annotation (label file) name, or the recording's own.
        recording: the recording it belongs to.
        start: first frame of the span.
        end: frame after the last.
    """

    name: str
    recording: str
    start: int
    end: int


@dataclass(frozen=True, repr=False)
class MultiViewDataset:
    """An opened data set.

    Attributes:
        name: for reports.
        root: the folder.
        source: its features.
        views: logical views and their cameras.
        labels: action names and annotations, or None where there are none.
        splits: roles of the items, or None where there are none.
        simulated: True where the features are not from real video.
        missing: what to do with listed items that have no labels or features.
        past_end: what to do with labels outside the frames of every view.
        fps_known: False where nobody said the frame rate, so that the source's is an assumption.
        config: settings it was opened with, every choice made.
    """

    name: str
    root: Path
    source: FeatureSource
    views: ViewTable
    labels: LabelSet | None
    splits: Splits | None
    simulated: bool
    missing: Literal["error", "skip"] = "error"
    past_end: Literal["error", "cut"] = "error"
    fps_known: bool = True
    config: DataConfig = field(default_factory=lambda: DataConfig(data=IN_MEMORY))

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names of the recordings, sorted."""
        return self.source.recordings

    def views_of(self, recording: str) -> tuple[str, ...]:
        """Views that a recording has; `DataError` for an unknown one."""
        return self.source.views(recording)

    def features(
        self, recording: str, view: str, start: int | None = None, end: int | None = None
    ) -> NDArray[np.float32]:
        """Features of a view, (T, D); only what is asked for is read.

        Args:
            recording: its name.
            view: logical name of the view.
            start: first frame on the data set's clock; None: where the view begins.
            end: frame after the last; None: where the view ends.

        Returns:
            Rows of NaN for frames that the view lacks.

        Raises:
            DataError: the recording, or the view in it, isn't there.
        """
        first, last = self.source.span(recording, view)
        start, end = first if start is None else start, last if end is None else end
        if start > end:
            raise DataError(
                f"Frames of {recording}, view {view}, from {start} to {end}: the end lies before the start."
            )
        return self.source.read(recording, view, start, end)

    def frame_labels(self, recording: str, start: int, end: int) -> NDArray[np.int64]:
        """Class id of each frame [start, end) of a recording, by all its annotations; -100 where there is no label."""
        labels_T = np.full(end - start, IGNORE, np.int64)
        for annotation in () if self.labels is None else self.labels.of_recording(recording):
            own_T = annotation.frame_labels(start, end)
            labels_T = np.where(own_T == IGNORE, labels_T, own_T)
        return labels_T

    def frame_classes(self, recording: str, start: int, end: int) -> Classes:
        """Which of K classes each frame [start, end) of a recording has, (T, K), by all its annotations: 1 where it has
        one, 0 where it hasn't, -100 where nobody says."""
        classes = 0 if self.labels is None else len(self.labels.actions)
        found_TK = np.full((end - start, classes), IGNORE, np.int8)
        labels = None if self.labels is None else in_mode(self.labels, "multi")
        for annotation in () if labels is None else labels.of_recording(recording):
            own_TK = frame_classes(labels, annotation.name, start, end)
            found_TK = np.where(own_TK == IGNORE, found_TK, own_TK)
        return found_TK

    def __str__(self) -> str:
        """What it is, in a line or two."""
        source, views = self.source, dict.fromkeys(v for name in self.recordings for v in self.source.views(name))
        sizes = ", ".join(f"{view} ({source.dim(view)})" for view in views)
        actions = f", {len(self.labels.actions)} actions" if self.labels is not None else ", no labels"
        actions += ", several at once" if self.labels is not None and self.labels.mode == "multi" else ""
        roles = [f"{len(names)} {role}" for role in ROLES if self.splits and (names := getattr(self.splits, role))]
        return (
            f"{self.name}{' (simulated)' if self.simulated else ''}: {len(self.recordings)} recordings at "
            f"{source.fps:g} fps{actions}\nviews (feature size): {sizes}\nitems: {', '.join(roles) or 'no splits'}"
        )

    __repr__ = __str__

    def items(
        self, role: Role, views: Sequence[str] | None = None, spans: PairSpans = "recordings"
    ) -> tuple[Item, ...]:
        """The items of a role, in the order of its list; a recording's name stands for all its annotations.

        Args:
            role: pairs are whole recordings, or what of them is labelled (``spans``); of the others the labelled spans.
            views: the views in use; others never cut a recording. None: all it has.
            spans: what pairs are.

        Raises:
            DataError: no splits, an empty role, listed items without features (or, but for pairs, labels), or
                labels outside the features.
        """
        if self.splits is None:
            raise DataError(
                f"{self.root} has no split lists. Pass --splits FOLDER, or --splits generate (in Python splits=)."
            )
        names = self.splits.role(role)
        pairs = role == "pairs"
        if pairs and spans == "recordings":
            found = {name: self._recordings_of(name, views) for name in names}
        else:
            found = {name: self.items_of(name, labelled=not pairs, views=views) for name in names}
        lost = [name for name in names if not found[name]]
        what = "features" if pairs else "features or no labels"
        fault = f"{len(lost)} of {len(names)} items listed in {role!r} have no {what} in {self.root}"
        if lost and (self.missing == "error" or len(lost) == len(names)):
            remedy = "Add them" if len(lost) == len(names) else "Add them, or pass --missing skip to go on without"
            raise DataError(f"{fault}: {listed(lost, 3)}. {remedy}.")
        if lost:
            note(f"{fault} and are left out: {listed(lost, 3)}.")
        return _once(item for name in names for item in found[name])

    def items_of(self, name: str, labelled: bool, views: Sequence[str] | None = None) -> tuple[Item, ...]:
        """Items that a listed name stands for: its annotation, a recording's annotations, or a whole recording.

        Args:
            name: of an annotation or a recording.
            labelled: whether labels are needed; without, a recording that has none is taken as a whole.
            views: the views in use, see `items`.

        Returns:
            None where there are no features, or no labels though they are needed.
        """
        annotations = () if self.labels is None else self.labels.of_recording(name)
        if self.labels is not None and name in self.labels.annotations:
            annotations = (self.labels.annotations[name],)
        there = self._recordings
        if annotations:
            return tuple(item for a in annotations if a.recording in there for item in self._labelled_item(a))
        return () if labelled else self._recordings_of(name, views)

    def _recordings_of(self, name: str, views: Sequence[str] | None) -> tuple[Item, ...]:
        """The whole recording that a listed name stands for, be it its own or that of an annotation."""
        recording = name if name in self._recordings else recording_in(self.labels)(name)
        return (self._whole(recording, views),) if recording in self._recordings else ()

    @cached_property
    def _recordings(self) -> frozenset[str]:
        return frozenset(self.source.recordings)

    def _labelled_item(self, annotation: Annotation) -> tuple[Item, ...]:
        """The item of an annotation; none where cutting leaves nothing. One view that is short cuts nothing."""
        spans = [self.source.span(annotation.recording, view) for view in self.source.views(annotation.recording)]
        first, end = min(span.first for span in spans), max(span.end for span in spans)
        item = Item(annotation.name, annotation.recording, annotation.start, annotation.end)
        if first <= item.start and item.end <= end:
            return (item,)
        fault = (
            f"{annotation.path}: {annotation.name} is labelled from frame {item.start} to {item.end}, but the "
            f"features of recording {item.recording} run from {first} to {end}"
        )
        if self.past_end == "error":
            raise DataError(f"{fault}. Check that both count frames alike (--fps), or pass --past_end cut.")
        note(f"{fault}; what lies outside is cut.")
        start, end = max(item.start, first), min(item.end, end)
        return (replace(item, start=start, end=end),) if start < end else ()

    def _whole(self, recording: str, views: Sequence[str] | None = None) -> Item:
        """A recording as one item: the frames that two views in use have at least, or its only one."""
        present = [view for view in self.source.views(recording) if views is None or view in views]
        spans = {view: self.source.span(recording, view) for view in present or self.source.views(recording)}
        # From where the second view begins to where the last but one ends: a third, shorter one cuts nothing.
        second = min(1, len(spans) - 1)
        start = sorted(span.first for span in spans.values())[second]
        end = sorted((span.end for span in spans.values()), reverse=True)[second]
        if start >= end:
            apart = listed(f"{view} {span.first} to {span.end}" for view, span in spans.items())
            raise DataError(
                f"The views of recording {recording} have no frame in common: {apart}. Remove the broken one."
            )
        return Item(recording, recording, start, end)


def _once(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items without repetition: a recording and its annotation may both be listed."""
    return tuple({item.name: item for item in items}.values())
