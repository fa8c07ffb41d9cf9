"""A data set as commands see it: features, labels, splits and views, opened from one folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from viewloom.data.label_files import recording_of
from viewloom.data.labels import LabelSet
from viewloom.data.layout import Parts
from viewloom.data.sources.base import FeatureSource
from viewloom.data.sources.opening import open_source
from viewloom.data.splits import Role, Splits, generate_splits, load_splits
from viewloom.data.views import ViewTable
from viewloom.errors import ConfigError, DataError, listed
from viewloom.registry import DATASETS

DATASET_FILE = "dataset.yaml"
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
    """Folder with split lists to use instead of the folder's own, or `generate` to draw them by recording."""
    split_variant: str = "auto"
    """Which lists of that folder: own, vic, triple, bold, official, mstcn, or auto for the first there."""
    split_seed: int = 0
    """Seed of --splits generate."""
    missing: Literal["error", "skip"] = "error"
    """Listed items without labels or features: stop, or leave them out and say how many."""
    views_file: str | None = None
    """YAML file that names views and their cameras, instead of the layout's own table."""
    fps: float | None = None
    """Frames per second, where the files don't say."""
    axes: Literal["auto", "dt", "td"] = "auto"
    """Axis order of npy files: (D, T), (T, D), or inferred where only one can be meant."""


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
    """

    name: str
    root: Path
    source: FeatureSource
    views: ViewTable
    labels: LabelSet | None
    splits: Splits | None
    simulated: bool
    missing: Literal["error", "skip"] = "error"

    def items(self, role: Role) -> tuple[Item, ...]:
        """The items of a role, in the order of its list; a recording's name stands for all its annotations.

        Raises:
            DataError: no splits, an empty role, or listed items without features (or, but for pairs, labels).
        """
        if self.splits is None:
            raise DataError(f"{self.root} has no split lists. Pass --splits FOLDER, or --splits generate.")
        found: list[Item] = []
        lost: list[str] = []
        for name in self.splits.role(role):
            items = self._items_of(name, labelled=role != "pairs")
            found.extend(items)
            if not items:
                lost.append(name)
        if lost and (self.missing == "error" or not found):
            what = "features" if role == "pairs" else "features or no labels"
            raise DataError(
                f"{len(lost)} of {len(self.splits.role(role))} items listed in {role!r} have no {what} in "
                f"{self.root}: {listed(lost, 3)}. Add them, or pass --missing skip to go on without."
            )
        self._refuse_labels_past_the_end(found)
        return tuple(found)

    def _refuse_labels_past_the_end(self, items: Sequence[Item]) -> None:
        """A label behind the last frame of every view means that frame numbers or rates don't agree."""
        for item in items:
            ends = [self.source.span(item.recording, view).end for view in self.source.views(item.recording)]
            if item.end > max(ends):
                raise DataError(
                    f"{item.name} is labelled up to frame {item.end}, but the features of {item.recording} end at "
                    f"{max(ends)} in every view. Check that fps and frame numbers of labels and features agree."
                )

    def all_items(self) -> tuple[Item, ...]:
        """Every labelled item that has features, or every recording where there are no labels."""
        names = self.source.recordings if self.labels is None else tuple(self.labels.annotations)
        return tuple(item for name in names for item in self._items_of(name, labelled=self.labels is not None))

    def _items_of(self, name: str, labelled: bool) -> list[Item]:
        """Items a listed name stands for; none where features (or the labels it needs) are missing."""
        annotations = () if self.labels is None else self.labels.of_recording(name)
        if self.labels is not None and name in self.labels.annotations:
            annotations = (self.labels.annotations[name],)
        known = set(self.source.recordings)
        if annotations:
            return [Item(a.name, a.recording, a.start, a.end) for a in annotations if a.recording in known]
        recording = name if name in known else recording_of(name)
        if labelled or recording not in known:
            return []
        spans = [self.source.span(recording, view) for view in self.source.views(recording)]
        return [Item(name, recording, max(s.first for s in spans), min(s.end for s in spans))]


def find_parts(config: DataConfig) -> tuple[DataConfig, Parts]:
    """Where each part of a data set is: settings completed by ``dataset.yaml``, and the layout's finds."""
    root = Path(config.data)
    if not root.is_dir():
        raise DataError(f"{root} is {'a file' if root.exists() else 'not there'}; pass the data set's folder.")
    config = _with_file(config, root / DATASET_FILE)
    if config.layout != "auto":
        return config, DATASETS.get(config.layout).find(root, config)
    for name in DATASETS.names():
        layout: Any = DATASETS.get(name)
        if layout.matches(root):
            return config, layout.find(root, config)
    expected = "; ".join(f"{name}: {DATASETS.get(name).expects}" for name in DATASETS.names())
    raise DataError(f"{root} has none of the known layouts. Looked for {expected}.")


def _with_file(config: DataConfig, path: Path) -> DataConfig:
    """Settings of ``dataset.yaml`` where the command line left the default; paths in it are relative to it."""
    if not path.exists():
        return config
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML ({str(error).splitlines()[0]}).") from None
    known = {field.name: field.default for field in fields(DataConfig) if field.name != "data"}
    unknown = sorted(set(found) - set(known)) if isinstance(found, dict) else ["(not a table)"]
    if unknown:
        raise DataError(f"{path} sets {listed(unknown)}; known settings are: {listed(known, 20)}.")
    for key in ("features", "labels", "splits", "views_file"):
        if key in found and found[key] != "generate":
            found[key] = str(path.parent / found[key])
    return replace(config, **{key: value for key, value in found.items() if getattr(config, key) == known[key]})


def open_dataset(config: DataConfig) -> MultiViewDataset:
    """Open a data set's features, labels (if any) and splits (if any)."""
    root = Path(config.data)
    config, parts = find_parts(config)
    if parts.features is None:
        raise DataError(f"{root} holds no features. Pass --features FOLDER (LMDB, npy or packed store).")
    table = ViewTable.from_yaml(config.views_file) if config.views_file else parts.views
    source = open_source(parts.features, views=table, fps=config.fps or parts.fps, axes=config.axes)
    labels = parts.labels() if parts.labels is not None else None
    return MultiViewDataset(
        name=root.resolve().name,
        root=root,
        source=source,
        views=source.view_table,
        labels=labels,
        splits=_splits(config, parts, source, labels),
        simulated=(root / "simulation.json").exists(),
        missing=config.missing,
    )


def _splits(config: DataConfig, parts: Parts, source: FeatureSource, labels: LabelSet | None) -> Splits | None:
    """Published, own or generated splits; None where there are no lists and none were asked for."""
    if config.splits == "generate":
        names = tuple(labels.annotations) if labels else source.recordings
        return generate_splits(names, GENERATED, config.split_seed, _recording_in(labels))
    folder = Path(config.splits) if config.splits else parts.splits
    if folder is None:
        return None
    if not folder.is_dir():
        raise ConfigError(f"--splits {folder} is no folder. Pass the folder of the lists, or `generate`.")
    return load_splits(folder, config.split_variant, _recording_in(labels))[0]


def _recording_in(labels: LabelSet | None) -> Any:
    """Maps an item to its recording by its annotation, else by its name."""

    def recording(name: str) -> str:
        if labels is not None and name in labels.annotations:
            return labels.annotations[name].recording
        return recording_of(name)

    return recording
