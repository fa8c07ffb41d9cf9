"""Settings of a data set: where its files are, and how its recordings become windows and steps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from viewloom.errors import ConfigError
from viewloom.features.settings import Compare
from viewloom.identity import free
from viewloom.ranges import FRAMES, RATE, SEED, SHARE, Settings, ranged

IN_MEMORY = "arrays in memory"
"""What stands for the folder of a data set that has none."""

N = TypeVar("N", int, float)
T = TypeVar("T")
LabelsMode = Literal["single", "multi"]
"""Whether a frame has one label, or any number of them."""
PairSpans = Literal["recordings", "labelled"]
"""What pairs are: whole recordings, or the spans of them that are labelled."""
_UNITS = {"chunk_s": "chunk_frames", "test_chunks_s": "test_chunks"}
"""Settings in seconds, and the same in frames."""


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Where the data is. Only ``data`` is needed when the folder has a known layout.

    None is "not set": `complete` (`dataset_file.py`) fills in what ``dataset.yaml`` says, and then the `DEFAULTS`.

    None of these is part of what a run is: the features, labels and items that they lead to are, by content.
    """

    data: str = free()
    """Data set folder (features, labels, splits), in any known layout."""
    layout: str | None = free(default=None)
    """Layout of the folder: assembly101, egoexo4d, egoexolearn, ikea_asm, egoems, 50salads, breakfast, gtea, mstcn,
    table, or auto to recognise it by its files. Default: auto."""
    features: str | None = free(default=None)
    """Feature store to use instead of the folder's own (LMDB, npy, CSV, Parquet, HDF5 or torch files,
    packed store)."""
    labels: str | None = free(default=None)
    """Labels to use instead of the folder's own: folder, CSV, or what an annotation tool wrote (docs/howto/
    annotation-tools.md)."""
    labels_tier: str | None = free(default=None)
    """The only view, annotator, subject or tier to read of labels that several made. Default: all, which must agree."""
    labels_mode: LabelsMode | None = free(default=None)
    """Labels of a frame: one (single), or any number (multi), so that segments may overlap: two hands, parallel
    actions. Heads then decide on each class by itself. Default: single."""
    splits: str | None = free(default=None)
    """Folder with split lists to use instead of the folder's own, `generate` to draw them by recording, or `loso` for
    folds that leave one recording (or group, see split_by) out each."""
    split_variant: str | None = free(default=None)
    """Which lists of that folder: own, vic, triple, bold, official, mstcn, or auto for the first there. Default:
    auto."""
    split_seed: int | None = free(default=None, **SEED)
    """Seed of --splits generate. Default: 0."""
    split_by: str | None = free(default=None)
    """With --splits generate or loso: regular expression; recordings whose names give the same match stay together
    (its first group counts, if it has one)."""
    fold: int | None = free(default=None, at_least=0)
    """Fold to use, by its number, where splits are folds: split folder with fold0/, fold1/, ..., MS-TCN bundles, or
    --splits loso."""
    val_groups: int | None = free(default=None, at_least=0)
    """With --splits loso: groups that choose the epoch, the next ones after the tested group; default: 0, the last
    epoch is kept."""
    allow_overlap: str | None = free(default=None)
    """Split variant whose roles may share recordings, by name, as published (triple) or by your own choice."""
    missing: Literal["error", "skip"] | None = free(default=None)
    """Listed items without labels or features: stop, or leave them out and say how many. Default: error."""
    past_end: Literal["error", "cut"] | None = free(default=None)
    """Labels outside the frames of every view: stop, or cut them there and say how many. Default: error."""
    views_file: str | None = free(default=None)
    """YAML file that names views, their cameras, sizes and rates. Default: views.yaml in the folder, or in or beside
    that of the features; else the layout's own table."""
    fps: float | None = free(default=None, **RATE)
    """Frames per second, where the files don't say."""
    axes: Literal["auto", "dt", "td"] | None = free(default=None)
    """Axis order of npy files: (D, T), (T, D), or inferred where only one can be meant. Default: auto."""
    pool_cache: str | None = free(default=None)
    """Folder in which windows are kept, pooled at the fixed chunk sizes; it may be deleted at any time."""
    pool_cache_gib: float | None = free(default=None, at_least=0)
    """Room that --pool_cache may take; what doesn't fit is read from the features each time. Default: 20."""
    compare_features: Compare | None = free(default=None)
    """How features are compared with those a run began with: full (every value), sampled (blocks of frames of every
    recording and view), or auto: full up to 256 MiB, beyond it sampled, with the files' sizes and times. Default:
    auto."""
    verify_features: bool | None = free(default=None)
    """Compare features with the checksums of a packed store (or a torch file's own) when they are read for the first
    time, and stop where they differ. Default: true."""


DEFAULTS: Mapping[str, Any] = {
    "layout": "auto",
    "labels_mode": "single",
    "split_variant": "auto",
    "split_seed": 0,
    "missing": "error",
    "past_end": "error",
    "axes": "auto",
    "pool_cache_gib": 20.0,
    "compare_features": "auto",
    "verify_features": True,
}
"""What settings are that neither the user nor ``dataset.yaml`` sets, where it isn't None."""


def settled(value: T | None) -> T:
    """A setting that `viewloom.dataset.dataset_file.complete` has filled in."""
    assert value is not None, "settings are completed before they are used"
    return value


@dataclass(frozen=True, kw_only=True)
class SamplingConfig(Settings, called="sampling"):
    """How spans become windows and frames become steps; None: not set, the default is taken."""

    chunk_s: float | None = ranged(None, above=0, at_most=86_400)
    """Length (s) of a chunk, the frames pooled into one step. Default: 2/3 s; with labels a fifth of the training
    segments' 10th percentile where that is less; always one frame or more. evaluate, predict: as the head was
    trained."""
    chunk_frames: int | None = ranged(None, **FRAMES)
    """The same in frames, instead of chunk_s."""
    max_chunks: int | None = ranged(None, **FRAMES)
    """Steps in a window at most; longer spans are cut, without overlap. Default: 1200."""
    augment_probability: float | None = ranged(None, **SHARE)
    """Probability that a training window draws its own chunk size. Default: 0.5."""
    augment_factor: float | None = ranged(None, at_least=1, at_most=1000)
    """Largest factor by which a drawn chunk size differs from the chunk's, both ways. Default: 2."""
    test_chunks: int | str | tuple[int, ...] | None = ranged(None, **FRAMES)
    """Chunk sizes (frames) whose frame-level probabilities are averaged at evaluation: 3, or 3,5. Default: about
    0.5, 0.85 and 1.2 times the chunk (10, 17 and 24 of 20). evaluate, predict: as saved with the head."""
    test_chunks_s: float | str | tuple[float, ...] | None = ranged(None, above=0, at_most=86_400)
    """The same in seconds, instead of test_chunks."""
    pooling: Literal["max", "mean", "both", "first"] | None = None
    """What a step keeps of its frames: element-wise maximum, mean, both side by side (twice the size), or its first
    frame and label alone (first), as MS-TCN and its heirs take every n-th frame. Default: max, but mean where more
    than 1 % of the training features' values are negative; behind a refiner, its own."""
    missing_frames: Literal["mask", "nearest", "error"] | None = None
    """Frames a view lacks: leave them out, copy the nearest frame of the view, or stop. Default: mask."""
    nearest_within_frames: int | None = ranged(None, at_least=0, at_most=10_000_000)
    """With missing_frames=nearest: farthest frame that may be copied; beyond it is an error. Default: 5."""

    def __post_init__(self) -> None:
        for seconds, frames in _UNITS.items():
            if getattr(self, seconds) is not None and getattr(self, frames) is not None:
                raise ConfigError(f"Set sampling.{frames} or sampling.{seconds}, not both: they are one setting.")
        self._settle(test_chunks=_sizes("test_chunks", self.test_chunks, int))
        self._settle(test_chunks_s=_sizes("test_chunks_s", self.test_chunks_s, float))


def filled(request: SamplingConfig, below: SamplingConfig) -> SamplingConfig:
    """What is set, and for the rest what ``below`` sets; a size in frames and one in seconds are one setting."""
    found = {name: value for name, value in asdict(request).items() if value is not None}
    twins = _UNITS | {frames: seconds for seconds, frames in _UNITS.items()}
    free = {n: v for n, v in asdict(below).items() if n not in found and twins.get(n) not in found}
    return SamplingConfig(**free | found)


def _sizes(name: str, value: str | N | Sequence[N] | None, kind: type[N]) -> tuple[N, ...] | None:
    """One size, a list, or a comma-separated text as a tuple of numbers."""
    if value is None:
        return None
    entries: Sequence[Any] = [value] if isinstance(value, int | float) else value
    if isinstance(value, str):
        entries = [entry.strip() for entry in value.strip(" []()").split(",") if entry.strip()]
    try:
        sizes = tuple(kind(entry) for entry in entries)
    except (TypeError, ValueError):
        sizes = ()
    exact = isinstance(value, str) or all(size == entry for size, entry in zip(sizes, entries, strict=False))
    if not sizes or not exact or any(isinstance(entry, bool) for entry in entries):
        raise ConfigError(f"sampling.{name} must be a size or several, such as 3 or 3,5, but is {value!r}.")
    return sizes
