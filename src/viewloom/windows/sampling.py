"""How spans become windows and frames become steps: what users ask for, and what it comes to on a data set.

`SamplingConfig` is the request, where None stands for "not set"; `Sampling` is what all code of windows uses, in
whole frames. Sizes in seconds follow the data set's frame rate, so that one setting suits 5 and 60 fps.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.settings import SamplingConfig, filled
from viewloom.errors import ConfigError, listed
from viewloom.features.settings import MissingPolicy, Pooling

Segments = NDArray[np.int64]
"""Lengths (frames) of labelled segments."""

CHUNK_S = 2 / 3
"""Length of a chunk where nothing asks for a shorter one: the published 20 frames at 30 fps."""
SEGMENT_SHARE = 1 / 5
"""A chunk takes at most this share of a short segment, so that five steps or more show it."""
SHORT_PERCENTILE = 10
"""Percentile of the segments' lengths that counts as short."""
TEST_FACTORS = (0.5, 0.85, 1.2)
"""Chunk sizes at evaluation as multiples of the chunk: the published 10, 17 and 24 frames of 20."""


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
        self.as_request()  # ranges stand there

    @property
    def fixed_chunks(self) -> frozenset[int]:
        """Chunk sizes that come back in every run; windows of one drawn for an epoch aren't worth keeping."""
        return frozenset((self.chunk_frames, *self.test_chunks))

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
    percentile = f"(10th percentile {short / fps:.1f} s)"
    if SEGMENT_SHARE * short < CHUNK_S * fps:
        return f"a fifth of the shortest segments {percentile}"
    return f"two thirds of a second, less than a fifth of the shortest segments {percentile}"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _distinct(sizes: Any) -> tuple[int, ...]:
    return tuple(dict.fromkeys(sizes))
