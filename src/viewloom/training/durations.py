"""How long segments of each action last in training: found from labels, kept with a head, made bounds of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import ConfigError
from viewloom.metrics.segments import Floats, Ints, Segments
from viewloom.training.bounded import bounded_labels
from viewloom.training.decoding_settings import DurationsConfig

KEY = "durations"
"""Where a head's file keeps them, among what else it holds."""
FLOOR = 1e-8
"""Least probability of a class, so that one step of a head that is sure and wrong can't rule a segmentation out."""


def training_durations(dataset: MultiViewDataset, items: Sequence[Item]) -> dict[str, Any]:
    """Frames of the segments of each action in items, and their rate, as JSON has them.

    Runs of frames of one action are a segment, whatever rows of a label file they come from; one that a gap without
    labels cuts in two is two.

    Returns:
        {"fps": frames a second, "frames": for each class the lengths of its segments, ascending}
    """
    assert dataset.labels is not None
    frames: list[list[int]] = [[] for _ in dataset.labels.actions]
    for item in items:
        labels_T = dataset.labels.annotations[item.name].frame_labels(item.start, item.end)
        found = Segments.of_frames(labels_T).labelled
        for label, duration in zip(found.labels.tolist(), found.durations.tolist(), strict=True):
            frames[label].append(duration)
    return {"fps": dataset.source.fps, "frames": [sorted(durations) for durations in frames]}


@dataclass(frozen=True, eq=False)
class Bounds:
    """Least and largest duration (s) of the segments of each class, (K,); from 0 where there is no bound, to inf."""

    shortest_K: Floats
    longest_K: Floats

    def of_steps(self, step_s: float, steps: int) -> tuple[Ints, Ints]:
        """The same in steps, rounded so that no bound grows tighter: 1 at least, ``steps`` at most."""
        tiny = 1e-6  # 0.3 s are three steps of 0.1 s
        shortest_K = np.clip(np.floor(self.shortest_K / step_s + tiny), 1, max(steps, 1))
        longest_K = np.clip(np.ceil(self.longest_K / step_s - tiny), shortest_K, max(steps, 1))
        return shortest_K.astype(np.int64), longest_K.astype(np.int64)


def bounds_of(extra: Mapping[str, Any], config: DurationsConfig, where: str) -> Bounds:
    """Bounds by what was stored with a head.

    One action's longest segment is a bound only where there are enough. An action without a segment in training has the
    shortest of all together: nothing says that it lasts otherwise, and without one it would fill what others may not.

    Args:
        extra: what was stored.
        config: quantiles.
        where: its run folder, for messages.

    Raises:
        ConfigError: nothing was stored, as for published heads and those trained by earlier versions.
    """
    frames = extra.get(KEY, {}).get("frames", [])
    every = [duration for durations in frames for duration in durations]
    if not every:
        raise ConfigError(
            f"{where} doesn't know how long actions last: it was converted, or trained by an earlier version. Train it "
            "again, or leave --decoding durations out."
        )
    each = [durations or every for durations in frames]
    fps = float(extra[KEY]["fps"])
    shortest = [_quantile(durations, config.shortest, "lower", 0.0) for durations in each]
    shares = [config.longest if len(durations) >= config.enough else None for durations in frames]
    longest = [_quantile(*pair, "higher", np.inf) for pair in zip(each, shares, strict=True)]
    return Bounds(np.array(shortest) / fps, np.array(longest) / fps)


def _quantile(durations: Sequence[int], share: float | None, method: Any, unbounded: float) -> float:
    """A duration that there is, next to the quantile."""
    return unbounded if share is None else float(np.quantile(durations, share, method=method))


def within(bounds: Bounds, probs_TK: NDArray[np.float32], fps: float, step_frames: int) -> Ints:
    """Class of each frame, (T,): the most probable segmentation within bounds, in steps of some frames.

    Args:
        bounds: of the segments.
        probs_TK: class probabilities of each frame.
        fps: frames a second.
        step_frames: frames that have one class; bounds hold to within one such step.
    """
    frames = len(probs_TK)
    if not frames:
        return np.zeros(0, np.int64)
    logp_TK = np.log(np.maximum(probs_TK, FLOOR))
    logp_SK = np.add.reduceat(logp_TK, np.arange(0, frames, step_frames), axis=0)
    labels_S = bounded_labels(logp_SK, *bounds.of_steps(step_frames / fps, len(logp_SK)))
    return np.repeat(labels_S, step_frames)[:frames]
