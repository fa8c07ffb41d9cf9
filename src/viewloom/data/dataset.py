"""A data set as commands see it: features, labels, splits and views, opened from one folder."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from viewloom.console import err
from viewloom.data.dataset_file import with_dataset_file
from viewloom.data.folds import Fold, choose, leave_out, plain_lists, read_folds
from viewloom.data.label_files import recording_of
from viewloom.data.labels import Annotation, LabelSet, stop
from viewloom.data.layout import Parts
from viewloom.data.pooled_cache import CachedSource
from viewloom.data.sources.base import FeatureSource
from viewloom.data.sources.catalog import CatalogSource
from viewloom.data.sources.opening import open_source
from viewloom.data.splits import DRAWN, Role, Splits, generate_splits, load_splits, refuse_overlap
from viewloom.data.views import ViewTable
from viewloom.errors import ConfigError, DataError, listed
from viewloom.registry import DATASETS

SIMULATION_FILE = "simulation.json"
"""What the simulator leaves beside its features."""
C = TypeVar("C", bound="DataConfig")

GENERATED: Mapping[str, float] = {"pairs": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}
"""Shares of the recordings with --splits generate."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data is. Only ``data`` is needed when the folder has a known layout."""

    data: str
    """Data set folder (features, labels, splits), in any known layout."""
    layout: str = "auto"
    """Layout of the folder: assembly101, mstcn, table, or auto to recognise it by its files."""
    features: str | None = None
    """Feature store to use instead of the folder's own (LMDB folder, npy folder, packed store)."""
    labels: str | None = None
    """Label folder or CSV to use instead of the folder's own."""
    splits: str | None = None
    """Folder with split lists to use instead of the folder's own, `generate` to draw them by recording, or `loso` for
    folds that leave one recording (or group, see split_by) out each."""
    split_variant: str = "auto"
    """Which lists of that folder: own, vic, triple, bold, official, mstcn, or auto for the first there."""
    split_seed: int = 0
    """Seed of --splits generate."""
    split_by: str | None = None
    """With --splits generate or loso: regular expression; recordings whose names give the same match stay together
    (its first group counts, if it has one)."""
    fold: int | None = None
    """Fold to use, by its number, where splits are folds: split folder with fold0/, fold1/, ..., MS-TCN bundles, or
    --splits loso."""
    val_groups: int | None = None
    """With --splits loso: groups that choose the epoch, the next ones after the tested group; default: 0, the last
    epoch is kept."""
    allow_overlap: str | None = None
    """Split variant whose roles may share recordings, by name, as published (triple) or by your own choice."""
    missing: Literal["error", "skip"] = "error"
    """Listed items without labels or features: stop, or leave them out and say how many."""
    past_end: Literal["error", "cut"] = "error"
    """Labels outside the frames of every view: stop, or cut them there and say how many."""
    views_file: str | None = None
    """YAML file that names views and their cameras, instead of the layout's own table."""
    fps: float | None = None
    """Frames per second, where the files don't say."""
    axes: Literal["auto", "dt", "td"] = "auto"
    """Axis order of npy files: (D, T), (T, D), or inferred where only one can be meant."""
    pool_cache: str | None = None
    """Folder in which windows are kept, pooled at the fixed chunk sizes; it may be deleted at any time."""
    pool_cache_gib: float = 20.0
    """Room that --pool_cache may take; what doesn't fit is read from the features each time."""


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

    def items(self, role: Role) -> tuple[Item, ...]:
        """The items of a role, in the order of its list; a recording's name stands for all its annotations.

        Raises:
            DataError: no splits, an empty role, listed items without features (or, but for pairs, labels), or
                labels outside the features.
        """
        if self.splits is None:
            raise DataError(f"{self.root} has no split lists. Pass --splits FOLDER, or --splits generate.")
        names = self.splits.role(role)
        found = {name: self.items_of(name, labelled=role != "pairs") for name in names}
        lost = [name for name in names if not found[name]]
        what = "features" if role == "pairs" else "features or no labels"
        told = f"{len(lost)} of {len(names)} items listed in {role!r} have no {what} in {self.root}"
        if lost and (self.missing == "error" or len(lost) == len(names)):
            remedy = "Add them" if len(lost) == len(names) else "Add them, or pass --missing skip to go on without"
            raise DataError(f"{told}: {listed(lost, 3)}. {remedy}.")
        if lost:
            _note(f"{told} and are left out: {listed(lost, 3)}.")
        return _once(item for name in names for item in found[name])

    def all_items(self) -> tuple[Item, ...]:
        """Every labelled item that has features, or every recording where there are no labels."""
        names = self.source.recordings if self.labels is None else tuple(self.labels.annotations)
        return tuple(item for name in names for item in self.items_of(name, labelled=self.labels is not None))

    def items_of(self, name: str, labelled: bool) -> tuple[Item, ...]:
        """Items that a listed name stands for: its annotation, a recording's annotations, or a whole recording.

        Args:
            name: of an annotation or a recording.
            labelled: whether labels are needed; without, a recording that has none is taken as a whole.

        Returns:
            None where there are no features, or no labels though they are needed.
        """
        annotations = () if self.labels is None else self.labels.of_recording(name)
        if self.labels is not None and name in self.labels.annotations:
            annotations = (self.labels.annotations[name],)
        known = self._recordings
        if annotations:
            return tuple(item for a in annotations if a.recording in known for item in self._labelled_item(a))
        recording = name if name in known else recording_of(name)
        return () if labelled or recording not in known else (self._whole(recording),)

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
        _note(f"{told}; what lies outside is cut.")
        start, end = max(item.start, first), min(item.end, end)
        return (replace(item, start=start, end=end),) if start < end else ()

    def _whole(self, recording: str) -> Item:
        """A recording as one item: the frames that all its views have."""
        spans = {view: self.source.span(recording, view) for view in self.source.views(recording)}
        start, end = max(span.first for span in spans.values()), min(span.end for span in spans.values())
        if start >= end:
            told = listed(f"{view} {span.first} to {span.end}" for view, span in spans.items())
            raise DataError(
                f"The views of recording {recording} have no frame in common: {told}. Remove the broken one."
            )
        return Item(recording, recording, start, end)


def _once(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items without repetition: a recording and its annotation may both be listed."""
    return tuple({item.name: item for item in items}.values())


@cache
def _note(text: str) -> None:
    """Tell something once that changes what is used."""
    err.print(f"note: {text}", markup=False)


def find_parts(config: C) -> tuple[C, Parts]:
    """Where each part of a data set is: settings completed by ``dataset.yaml``, and the layout's finds."""
    root = Path(config.data)
    if not root.is_dir():
        raise DataError(f"{root} is {'a file' if root.exists() else 'not there'}; pass the data set's folder.")
    config, name = with_dataset_file(config, root)
    parts: Parts = _layout(config.layout, root).find(root, config)
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
        source=CachedSource(source, config.pool_cache, config.pool_cache_gib) if config.pool_cache else source,
        views=source.view_table,
        labels=labels,
        splits=_splits(config, parts, source, labels) if with_splits else None,
        simulated=is_simulated(root, parts),
        missing=config.missing,
        past_end=config.past_end,
    )


def open_features_of(config: DataConfig, parts: Parts) -> CatalogSource:
    """The feature store of a data set; ``config`` and ``parts`` as `find_parts` gives them."""
    if parts.features is None:
        raise DataError(f"{config.data} holds no features. Pass --features FOLDER (LMDB, npy or packed store).")
    table = ViewTable.from_yaml(config.views_file) if config.views_file else parts.views
    return open_source(parts.features, views=table, fps=config.fps or parts.fps, axes=config.axes)


def known_fps(config: DataConfig, parts: Parts, source: CatalogSource | None) -> float | None:
    """Frames per second as told by the settings, the layout or the store; None where nobody does."""
    stored = source.fps if source is not None and source.fps_known else None
    return config.fps or parts.fps or stored


def is_simulated(root: Path, parts: Parts) -> bool:
    """Whether the features were made by the simulator: it leaves a file beside them."""
    folders = [root] if parts.features is None else [root, parts.features, parts.features.parent]
    return any((folder / SIMULATION_FILE).exists() for folder in folders)


def _splits(config: DataConfig, parts: Parts, source: FeatureSource, labels: LabelSet | None) -> Splits | None:
    """Published, own or generated splits, or a fold; None where there are no lists and none were asked for."""
    folds = folds_of(config, parts, source.recordings, labels)
    if config.splits == "generate" and config.fold is None:
        return generated(config, source.recordings, labels)
    folder = None if config.splits in DRAWN else split_folder(config, parts)
    if config.fold is not None or needs_fold(config, folder, folds):
        fold = choose(folds, config.fold, str(folder or f"{config.data} with --splits {config.splits}"))
        refuse_overlap(fold.splits, recording_in(labels), fold.variant, fold.where, config.allow_overlap)
        return fold.splits
    if folder is None:
        return None
    if len(folds) > 1:
        _note(f"{folder} holds lists and {len(folds)} folds; the lists are used. Pass --fold to use a fold.")
    return load_splits(folder, config.split_variant, recording_in(labels), config.allow_overlap)[0]


def folds_of(config: DataConfig, parts: Parts, recordings: Sequence[str], labels: LabelSet | None) -> tuple[Fold, ...]:
    """The folds of a data set in order; none where its splits are none. Overlaps in them are let be."""
    if config.val_groups is not None and (config.splits != "loso" or config.val_groups < 0):
        raise ConfigError(f"--val_groups {config.val_groups} must be 0 or more, and goes with --splits loso only.")
    if config.splits == "loso":
        if labels is None:
            raise DataError(f"--splits loso leaves labelled recordings out, but {config.data} has no labels.")
        return leave_out(recordings, labels, _group(config.split_by), config.val_groups or 0)
    folder = None if config.splits in DRAWN else split_folder(config, parts)
    return () if folder is None else read_folds(folder, config.split_variant)


def needs_fold(config: DataConfig, folder: Path | None, folds: Sequence[Fold]) -> bool:
    """Whether one of the folds must be chosen, because there are no plain lists beside them."""
    return bool(folds) and (folder is None or not plain_lists(folder, config.split_variant, folds))


def split_folder(config: DataConfig, parts: Parts) -> Path | None:
    """Folder of the split lists, or None; not for ``generate`` and ``loso``."""
    folder = Path(config.splits) if config.splits else parts.splits
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--splits {folder} is no folder. Pass the folder of the lists, `generate` or `loso`.")
    return folder


def generated(config: DataConfig, recordings: Sequence[str], labels: LabelSet | None) -> Splits:
    """Splits drawn by recording, or by what ``split_by`` matches, from what has features.

    Recordings without labels go to the pairs, unless ``split_by`` ties them to a labelled one of another role.
    """
    recording, group = recording_in(labels), _group(config.split_by)
    if labels is None:
        return generate_splits(recordings, GENERATED, config.split_seed, recording, group)
    known = set(recordings)
    names = [a.name for a in labels.annotations.values() if a.recording in known]
    drawn = generate_splits(names, GENERATED, config.split_seed, recording, group)
    taken = {group(recording(name)) for role in ("train", "val", "test") for name in getattr(drawn, role)}
    free = [name for name in recordings if not labels.of_recording(name) and group(name) not in taken]
    return replace(drawn, pairs=(*drawn.pairs, *free))


def _group(pattern: str | None) -> Callable[[str], str]:
    """Maps a recording to the text that ``pattern`` (its first group, if it has one) matches in its name."""
    if pattern is None:
        return lambda recording: recording
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--split_by {pattern!r} is no regular expression: {error}.") from None

    def group(recording: str) -> str:
        match = expression.search(recording)
        if match is None:
            raise ConfigError(f"--split_by {pattern!r} matches nothing in the recording's name {recording!r}.")
        return match[1] if expression.groups else match[0]

    return group


def recording_in(labels: LabelSet | None) -> Callable[[str], str]:
    """Maps an item to its recording by its annotation, else by its name."""

    def recording(name: str) -> str:
        if labels is not None and name in labels.annotations:
            return labels.annotations[name].recording
        return recording_of(name)

    return recording
