"""How spans become windows and frames become steps: what users ask for, and what it comes to on a data set.

`SamplingConfig` is the request, where None stands for "not set"; `Sampling` is what all code of windows uses, in
whole frames. Sizes in seconds follow the data set's frame rate, so that one setting suits 5 and 60 fps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, listed
from viewloom.features.pooling import Pooling

MissingPolicy = Literal["mask", "nearest", "error"]
Segments = NDArray[np.int64]
"""Lengths (frames) of labelled segments."""
N = TypeVar("N", int, float)

CHUNK_S = 2 / 3
"""Length of a chunk where nothing asks for a shorter one: the published 20 frames at 30 fps."""
SEGMENT_SHARE = 1 / 5
"""A chunk takes at most this share of a short segment, so that five steps or more show it."""
SHORT_PERCENTILE = 10
"""Percentile of the segments' lengths that counts as short."""
TEST_FACTORS = (0.5, 0.85, 1.2)
"""Chunk sizes at evaluation as multiples of the chunk: the published 10, 17 and 24 frames of 20."""
_UNITS = {"chunk_s": "chunk_frames", "test_chunks_s": "test_chunks"}
"""Settings in seconds, and the same in frames."""


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How spans become windows and frames become steps; None: not set, the default is taken."""

    chunk_s: float | None = None
    """Length (s) of a chunk, the frames pooled into one step. Default: 2/3 s; with labels a fifth of the training
    segments' 10th percentile where that is less; always one frame or more. evaluate, predict: as the head was
    trained."""
    chunk_frames: int | None = None
    """The same in frames, instead of chunk_s."""
    max_chunks: int | None = None
    """Steps in a window at most; longer spans are cut, without overlap. Default: 1200."""
    augment_probability: float | None = None
    """Probability that a training window draws its own chunk size. Default: 0.5."""
    augment_factor: float | None = None
    """Largest factor by which a drawn chunk size differs from the chunk's, both ways. Default: 2."""
    test_chunks: int | str | tuple[int, ...] | None = None
    """Chunk sizes (frames) whose frame-level probabilities are averaged at evaluation: 3, or 3,5. Default: about
    0.5, 0.85 and 1.2 times the chunk (10, 17 and 24 of 20). evaluate, predict: as saved with the head."""
    test_chunks_s: float | str | tuple[float, ...] | None = None
    """The same in seconds, instead of test_chunks."""
    pooling: Literal["max", "mean", "both"] | None = None
    """What a step keeps of its frames: element-wise maximum, mean, or both side by side (twice the size). Default:
    max, but mean where more than 1 % of the training features' values are negative; behind a refiner, its own."""
    missing_frames: Literal["mask", "nearest", "error"] | None = None
    """Frames a view lacks: leave them out, copy the nearest frame of the view, or stop. Default: mask."""
    nearest_within_frames: int | None = None
    """With missing_frames=nearest: farthest frame that may be copied; beyond it is an error. Default: 5."""

    def __post_init__(self) -> None:
        for seconds, frames in _UNITS.items():
            if getattr(self, seconds) is not None and getattr(self, frames) is not None:
                raise ConfigError(f"Set sampling.{frames} or sampling.{seconds}, not both: they are one setting.")
        object.__setattr__(self, "test_chunks", _sizes("test_chunks", self.test_chunks, int))
        object.__setattr__(self, "test_chunks_s", _sizes("test_chunks_s", self.test_chunks_s, float))
        _check(asdict(self))


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A request resolved for a data set. The defaults are the published values.

    Attributes:
        chunk_frames: frames pooled into one step.
        max_chunks: steps in a window at most.
        augment_probability: probability that a training window draws its own chunk size.
        augment_factor: largest factor by which a drawn chunk size differs, both ways.
        test_chunks: chunk sizes (frames) averaged at evaluation.
        pooling: what a step keeps of its frames.
        missing_frames: policy for frames a view lacks.
        nearest_within_frames: farthest frame that the policy ``nearest`` may copy.
    """

    chunk_frames: int = 20
    max_chunks: int = 1200
    augment_probability: float = 0.5
    augment_factor: float = 2.0
    test_chunks: tuple[int, ...] = (10, 17, 24)
    pooling: Pooling = "max"
    missing_frames: MissingPolicy = "mask"
    nearest_within_frames: int = 5

    def __post_init__(self) -> None:
        _check(asdict(self))

    def as_request(self) -> SamplingConfig:
        """The request that resolves to this at any frame rate."""
        return SamplingConfig(**asdict(self))

    def at_fps(self, own: float, other: float) -> "Sampling":
        """The same chunk lengths in seconds on features of another frame rate."""
        if own == other:
            return self
        return replace(
            self,
            chunk_frames=whole_frames(self.chunk_frames / own * other),
            test_chunks=_distinct(whole_frames(size / own * other) for size in self.test_chunks),
        )


def stored_sampling(extra: Mapping[str, Any]) -> Sampling:
    """The sampling kept with a head or a refiner; the published one with files of before it was kept.

    Raises:
        ConfigError: settings that only a later version has.
    """
    stored = dict(extra.get("sampling", {}))
    unknown = sorted(set(stored) - {entry.name for entry in fields(Sampling)})
    if unknown:
        raise ConfigError(f"The sampling stored with the weights has {listed(unknown)}. Upgrade viewloom.")
    if "test_chunks" in stored:
        stored["test_chunks"] = tuple(stored["test_chunks"])
    return Sampling(**stored)


def filled(request: SamplingConfig, below: SamplingConfig) -> SamplingConfig:
    """What is set, and for the rest what ``below`` sets; a size in frames and one in seconds are one setting."""
    found = {name: value for name, value in asdict(request).items() if value is not None}
    twins = _UNITS | {frames: seconds for seconds, frames in _UNITS.items()}
    free = {n: v for n, v in asdict(below).items() if n not in found and twins.get(n) not in found}
    return SamplingConfig(**free | found)


def over_saved(request: SamplingConfig, saved: Sampling, fps: float) -> SamplingConfig:
    """A request completed by what a run was trained with; its chunk sizes for tests go with its chunk only."""
    below = saved.as_request()
    chunk = chunk_set(request, fps)
    if chunk is not None and chunk != saved.chunk_frames:
        below = replace(below, test_chunks=None)
    return filled(request, below)


def resolve_sampling(request: SamplingConfig, fps: float, segment_frames: Segments | None = None) -> Sampling:
    """Whole numbers for a data set.

    Args:
        request: what is set.
        fps: the features' frames per second.
        segment_frames: lengths of the training items' labelled segments, or None where labels may not be looked at.
    """
    chunk = chunk_set(request, fps) or default_chunk(fps, segment_frames)
    tests: Any = request.test_chunks
    if request.test_chunks_s is not None:
        tests = _distinct(whole_frames(float(size) * fps) for size in request.test_chunks_s)  # type: ignore[union-attr]
    values: dict[str, Any] = {"chunk_frames": chunk, "test_chunks": tests or default_test_chunks(chunk)}
    names = {entry.name for entry in fields(Sampling)} - set(values)
    values |= {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    return Sampling(**values)


def chunk_set(request: SamplingConfig, fps: float) -> int | None:
    """The chunk that a request sets, in frames; None where it sets none."""
    return whole_frames(request.chunk_s * fps) if request.chunk_s is not None else request.chunk_frames


def default_chunk(fps: float, segment_frames: Segments | None) -> int:
    """Frames of a chunk that nobody set: 2/3 s, or a fifth of the short segments where that is less."""
    frames = CHUNK_S * fps
    if segment_frames is not None and len(segment_frames):
        frames = min(frames, SEGMENT_SHARE * short_segment(segment_frames))
    return whole_frames(frames)


def short_segment(segment_frames: Segments) -> float:
    """Length (frames) that a tenth of the segments don't reach."""
    return float(np.percentile(segment_frames, SHORT_PERCENTILE))


def default_test_chunks(chunk_frames: int) -> tuple[int, ...]:
    """Chunk sizes (frames) averaged at evaluation where nobody set them: 10, 17 and 24 of 20."""
    return _distinct(whole_frames(factor * chunk_frames) for factor in TEST_FACTORS)


def whole_frames(frames: float) -> int:
    """The nearest whole number of frames, one at least; the smaller one of two as near."""
    return max(1, math.ceil(frames - 0.5 - 1e-9))


def choices(
    request: SamplingConfig, sampling: Sampling, fps: float, segment_frames: Segments | None, pooling_reason: str
) -> str | None:
    """What was chosen for lack of a setting, and why, in one line; None where all was set.

    Args:
        request: what was set.
        sampling: what it came to.
        fps: the features' frames per second.
        segment_frames: as `resolve_sampling` had them.
        pooling_reason: why this pooling.
    """
    notes = []
    if chunk_set(request, fps) is None:
        size, seconds = _frames(sampling.chunk_frames), sampling.chunk_frames / fps
        notes.append(f"chunk of {size} ({seconds:.2f} s at {fps:g} fps): {_chunk_reason(fps, segment_frames)}")
    if segment_frames is not None and request.test_chunks is None and request.test_chunks_s is None:
        notes.append(f"at evaluation chunks of {', '.join(map(str, sampling.test_chunks))} are averaged")
    if request.pooling is None:
        notes.append(f"pooling {sampling.pooling}: {pooling_reason}")
    return f"{'; '.join(notes)}; windows of at most {sampling.max_chunks} chunks." if notes else None


def _chunk_reason(fps: float, segment_frames: Segments | None) -> str:
    """Why `default_chunk` is what it is."""
    if segment_frames is None or not len(segment_frames):
        return "two thirds of a second"
    short = short_segment(segment_frames)
    notes = f"(10th percentile {short / fps:.1f} s)"
    if SEGMENT_SHARE * short < CHUNK_S * fps:
        return f"a fifth of the shortest segments {notes}"
    return f"two thirds of a second, less than a fifth of the shortest segments {notes}"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _distinct(sizes: Any) -> tuple[int, ...]:
    return tuple(dict.fromkeys(sizes))


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


def _check(values: Mapping[str, Any]) -> None:
    """`ConfigError` for values that can't be; None stands for not set."""
    least = {"chunk_frames": 1, "max_chunks": 1, "augment_factor": 1, "nearest_within_frames": 0}
    for name, smallest in least.items():
        if values[name] is not None and not values[name] >= smallest:
            raise ConfigError(f"sampling.{name} must be {smallest} or more, but is {values[name]}.")
    probability = values["augment_probability"]
    if probability is not None and not 0 <= probability <= 1:
        raise ConfigError(f"sampling.augment_probability must lie between 0 and 1, but is {probability}.")
    chunk_s = values.get("chunk_s")
    for name, sizes in {
        "chunk_s": None if chunk_s is None else (chunk_s,),
        "test_chunks_s": values.get("test_chunks_s"),
    }.items():
        if sizes is not None and not all(0 < size < math.inf for size in sizes):
            raise ConfigError(f"sampling.{name} must be above 0 seconds, but is {sizes}.")
    tests = values["test_chunks"]
    if tests is not None and (not tests or min(tests) < 1):
        raise ConfigError(f"sampling.test_chunks must hold sizes of 1 frame or more, but is {tests}.")
