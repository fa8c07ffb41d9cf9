"""A data set as commands see it: features, labels, splits and views, opened from one folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from viewloom.data.labels import LabelSet
from viewloom.data.sources.base import FeatureSource
from viewloom.data.splits import Splits
from viewloom.data.views import ViewTable

Role = Literal["pairs", "train", "val", "test"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data is. Only ``data`` is needed when the folder has a known layout."""

    data: str
    """Data set folder (features, labels, splits), in any known layout."""
    layout: str = "auto"
    """Name of the layout; 'auto' recognises it by its files."""
    features: str | None = None
    """Feature store to use instead of the folder's own (LMDB folder, npy folder, packed store)."""
    labels: str | None = None
    """Label folder or CSV to use instead of the folder's own."""
    splits: str | None = None
    """Folder with split lists to use instead of the folder's own."""
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
    """

    name: str
    root: Path
    source: FeatureSource
    views: ViewTable
    labels: LabelSet | None
    splits: Splits | None
    simulated: bool
