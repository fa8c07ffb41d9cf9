"""Settings of what stores features: `viewloom index` and `viewloom pack`, and the choices that readers know."""

from dataclasses import dataclass, field
from typing import Literal

from viewloom.ranges import PROCESSES, RATE, Settings, ranged

Pooling = Literal["max", "mean", "both", "first"]
"""What a step keeps of its frames: the maximum, the mean, the one beside the other, or the first frame alone."""
MissingPolicy = Literal["mask", "nearest", "error"]
"""What is done with frames that a view lacks: left out, copied from the nearest one, or refused."""
Mode = Literal["full", "sampled"]
"""How features are compared: every value, or blocks of frames of every recording and view."""
Compare = Literal["auto", "full", "sampled"]
"""The same as a setting: auto decides by the size."""
Axes = Literal["auto", "dt", "td"]
"""Axis order of npy files: (D, T), (T, D), or inferred where only one can be meant."""


@dataclass(frozen=True, kw_only=True)
class IndexConfig(Settings):
    """Settings of `viewloom index`."""

    data: str
    """Feature store, or data set folder."""
    out: str | None = None
    """JSON file to write; without it the summary is only shown."""
    gaps: bool = False
    """Go through every key to find missing frames, instead of seeking to first and last ones."""
    views_file: str | None = None
    """YAML file that names views, their cameras, sizes and rates. Default: views.yaml in the folder or beside it."""
    fps: float | None = ranged(None, **RATE)
    """Frames per second, where the files don't say."""
    axes: Axes | None = None
    """Axis order of npy files: dt for (D, T), td for (T, D), or auto. Default: auto."""
    overwrite: bool = False
    """Replace a file that is already there."""


@dataclass(frozen=True, kw_only=True)
class PackConfig(Settings):
    """Settings of `viewloom pack`."""

    data: str
    """Feature store (LMDB or npy folder), or data set folder."""
    out: str
    """Folder of the packed store; a store begun there with the same settings is gone on with."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the stored numbers: float16 rounds to 11 significant bits and takes half the room."""
    views: str | None = None
    """Views to pack, comma-separated; default: all that the view table names."""
    recordings: str | None = None
    """Recordings to pack, comma-separated, or a text file with one a line; default: all."""
    corrupt: Literal["error", "missing"] = "error"
    """Frames that are NaN or infinite only in part: stop, or pack them as missing."""
    workers: int | None = ranged(None, **PROCESSES)
    """Processes; default: one for each core, at most 8, none for little data. 0: this one alone."""
    verify: bool = True
    """Read each file back from disk and compare its hash."""
    plan: bool = False
    """Say what would be packed, how large it is and how much room there is, and write nothing."""
    views_file: str | None = None
    """YAML file that names views, their cameras, sizes and rates. Default: views.yaml in the folder or beside it."""
    fps: float | None = ranged(None, **RATE)
    """Frames per second, where the files don't say."""
    axes: Axes | None = None
    """Axis order of npy files: dt for (D, T), td for (T, D), or auto. Default: auto."""
    index: str | None = None
    """Index (viewloom index) that the features must agree with: other frames than it says are refused."""
    compare_features: Compare = "auto"
    """What of files packed before is compared with their source: every frame (full), every frame unless the source is
    the very file that was read (auto), or blocks of frames unless it was written since (sampled)."""
    backbone: dict[str, str] = field(default_factory=dict)
    """What extracted the features (name, weights, preprocessing), kept in the store to tell stores apart."""
