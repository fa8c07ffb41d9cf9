"""A data set as commands see it: features, labels, splits and views, opened from one folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from viewloom.console import note
from viewloom.dataset.chosen_splits import chosen_splits, recording_in
from viewloom.dataset.dataset_file import settled, with_dataset_file
from viewloom.dataset.labels import Annotation, LabelSet, stop
from viewloom.dataset.layout import Parts
from viewloom.dataset.splits import Role, Splits
from viewloom.errors import DataError, listed
from viewloom.features.base import Compare, FeatureSource
from viewloom.features.cache import CachedSource
from viewloom.features.catalog import CatalogSource
from viewloom.features.opening import open_source
from viewloom.features.views import ViewTable
from viewloom.identity import free
from viewloom.registry import DATASETS

SIMULATION_FILE = "simulation.json"
"""What the simulator leaves beside its features."""
C = TypeVar("C", bound="DataConfig")
PairSpans = Literal["recordings", "labelled"]
"""What pairs are: whole recordings, or the spans of them that are labelled."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data is. Only ``data`` is needed when the folder has a known layout.

    None is "not set": `complete` fills in what ``dataset.yaml`` says, and then the `DEFAULTS`.

    None of these is part of what a run is: the features, labels and items that they lead to are, by content.
    """

    data: str = free()
    """Data set folder (features, labels, splits), in any known layout."""
    layout: str | None = free(default=None)
    """Layout of the folder: assembly101, mstcn, table, or auto to recognise it by its files. Default: auto."""
    features: str | None = free(default=None)
    """Feature store to use instead of the folder's own (LMDB folder, npy folder, packed store)."""
    labels: str | None = free(default=None)
    """Label folder or CSV to use instead of the folder's own."""
    splits: str | None = free(default=None)
    """Folder with split lists to use instead of the folder's own, `generate` to draw them by recording, or `loso` for
    folds that leave one recording (or group, see split_by) out each."""
    split_variant: str | None = free(default=None)
    """Which lists of that folder: own, vic, triple, bold, official, mstcn, or auto for the first there. Default:
    auto."""
    split_seed: int | None = free(default=None)
    """Seed of --splits generate. Default: 0."""
    split_by: str | None = free(default=None)
    """With --splits generate or loso: regular expression; recordings whose names give the same match stay together
    (its first group counts, if it has one)."""
    fold: int | None = free(default=None)
    """Fold to use, by its number, where splits are folds: split folder with fold0/, fold1/, ..., MS-TCN bundles, or
    --splits loso."""
    val_groups: int | None = free(default=None)
    """With --splits loso: groups that choose the epoch, the next ones after the tested group; default: 0, the last
    epoch is kept."""
    allow_overlap: str | None = free(default=None)
    """Split variant whose roles may share recordings, by name, as published (triple) or by your own choice."""
    missing: Literal["error", "skip"] | None = free(default=None)
    """Listed items without labels or features: stop, or leave them out and say how many. Default: error."""
    past_end: Literal["error", "cut"] | None = free(default=None)
    """Labels outside the frames of every view: stop, or cut them there and say how many. Default: error."""
    views_file: str | None = free(default=None)
    """YAML file that names views and their cameras, instead of the layout's own table."""
    fps: float | None = free(default=None)
    """Frames per second, where the files don't say."""
    axes: Literal["auto", "dt", "td"] | None = free(default=None)
    """Axis order of npy files: (D, T), (T, D), or inferred where only one can be meant. Default: auto."""
    pool_cache: str | None = free(default=None)
    """Folder in which windows are kept, pooled at the fixed chunk sizes; it may be deleted at any time."""
    pool_cache_gib: float | None = free(default=None)
    """Room that --pool_cache may take; what doesn't fit is read from the features each time. Default: 20."""
    compare_features: Compare | None = free(default=None)
    """How features are compared with those a run began with: full (every value), sampled (blocks of frames of every
    recording and view), or auto: full up to 256 MiB, beyond it sampled, with the files' sizes and times. Default:
    auto."""


DEFAULTS: Mapping[str, Any] = {
    "layout": "auto",
    "split_variant": "auto",
    "split_seed": 0,
    "missing": "error",
    "past_end": "error",
    "axes": "auto",
    "pool_cache_gib": 20.0,
    "compare_features": "auto",
}
"""What settings are that neither the user nor ``dataset.yaml`` sets, where it isn't None."""


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


@dataclass(frozen=True)
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
            raise DataError(f"{self.root} has no split lists. Pass --splits FOLDER, or --splits generate.")
        names = self.splits.role(role)
        pairs = role == "pairs"
        if pairs and spans == "recordings":
            found = {name: self._recordings_of(name, views) for name in names}
        else:
            found = {name: self.items_of(name, labelled=not pairs, views=views) for name in names}
        lost = [name for name in names if not found[name]]
        what = "features" if pairs else "features or no labels"
        told = f"{len(lost)} of {len(names)} items listed in {role!r} have no {what} in {self.root}"
        if lost and (self.missing == "error" or len(lost) == len(names)):
            remedy = "Add them" if len(lost) == len(names) else "Add them, or pass --missing skip to go on without"
            raise DataError(f"{told}: {listed(lost, 3)}. {remedy}.")
        if lost:
            note(f"{told} and are left out: {listed(lost, 3)}.")
        return _once(item for name in names for item in found[name])

    def all_items(self) -> tuple[Item, ...]:
        """Every labelled item that has features, or every recording where there are no labels."""
        names = self.source.recordings if self.labels is None else tuple(self.labels.annotations)
        return tuple(item for name in names for item in self.items_of(name, labelled=self.labels is not None))

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
        known = self._recordings
        if annotations:
            return tuple(item for a in annotations if a.recording in known for item in self._labelled_item(a))
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
        told = (
            f"{annotation.path}: {annotation.name} is labelled from frame {item.start} to {item.end}, but the "
            f"features of recording {item.recording} run from {first} to {end}"
        )
        if self.past_end == "error":
            raise DataError(f"{told}. Check that both count frames alike (--fps), or pass --past_end cut.")
        note(f"{told}; what lies outside is cut.")
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


def complete(config: C) -> C:
    """The settings with all that the user left open: as ``dataset.yaml`` says, else the defaults."""
    return _completed(config)[0]


def _completed(config: C) -> tuple[C, str | None]:
    root = Path(config.data)
    if not root.is_dir():
        raise DataError(f"{root} is {'a file' if root.exists() else 'not there'}; pass the data set's folder.")
    return with_dataset_file(config, root)


def find_parts(config: C) -> tuple[C, Parts]:
    """Where each part of a data set is: settings completed by ``dataset.yaml``, and the layout's finds."""
    config, name = _completed(config)
    root = Path(config.data)
    parts: Parts = _layout(settled(config.layout), root).find(root, config)
    return config, replace(parts, name=name)


def _layout(name: str, root: Path) -> Any:
    """The layout of that name, or the first that recognises the folder."""
    if name != "auto":
        return DATASETS.get(name)
    for known in DATASETS.names():
        layout: Any = DATASETS.get(known)
        if layout.matches(root):
            return layout
    expected = "; ".join(f"{known}: {DATASETS.get(known).expects}" for known in DATASETS.names())
    raise DataError(
        f"{root} has none of the known layouts. Looked for {expected}. Arrange the folder like one of them, or "
        "pass --features and --labels."
    )


def open_dataset(config: DataConfig, with_splits: bool = True) -> MultiViewDataset:
    """Open a data set's features, labels (if any) and, but where they aren't needed, splits (if any)."""
    root = Path(config.data)
    config, parts = find_parts(config)
    source = open_features_of(config, parts)
    labels = parts.labels(known_fps(config, parts, source), stop) if parts.labels is not None else None
    return MultiViewDataset(
        name=parts.name or root.resolve().name,
        root=root,
        source=CachedSource(source, config.pool_cache, settled(config.pool_cache_gib)) if config.pool_cache else source,
        views=source.view_table,
        labels=labels,
        splits=chosen_splits(config, parts, source, labels) if with_splits else None,
        simulated=is_simulated(root, parts),
        missing=settled(config.missing),
        past_end=settled(config.past_end),
        fps_known=known_fps(config, parts, source) is not None,
    )


def open_features_of(config: DataConfig, parts: Parts) -> CatalogSource:
    """The feature store of a data set; ``config`` and ``parts`` as `find_parts` gives them."""
    if parts.features is None:
        raise DataError(f"{config.data} holds no features. Pass --features FOLDER (LMDB, npy or packed store).")
    table = ViewTable.from_yaml(config.views_file) if config.views_file else parts.views
    return open_source(parts.features, views=table, fps=config.fps or parts.fps, axes=settled(config.axes))


def known_fps(config: DataConfig, parts: Parts, source: CatalogSource | None) -> float | None:
    """Frames per second as told by the settings, the layout or the store; None where nobody does."""
    stored = source.fps if source is not None and source.fps_known else None
    return config.fps or parts.fps or stored


def is_simulated(root: Path, parts: Parts) -> bool:
    """Whether the features were made by the simulator: it leaves a file beside them."""
    folders = [root] if parts.features is None else [root, parts.features, parts.features.parent]
    return any((folder / SIMULATION_FILE).exists() for folder in folders)
