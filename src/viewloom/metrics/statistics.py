"""How sure a score is: intervals and paired differences, with recordings as what was sampled.

One recording scored in several views, or in several label files, is one sample all the same: whole recordings are
drawn with replacement (cluster bootstrap; Field and Welsh 2007), and pooled scores computed anew from the drawn
recordings' counts. Percentile intervals; they are honest from about twenty recordings on, and too narrow below.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.segmentation import Counts

Floats = NDArray[np.float64]
SCORES = ("edit", "f1_10", "f1_25", "f1_50", "mof")


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold the given share of resampled values; all in percent."""

    value: float
    low: float
    high: float


def score_table(counts: Counts, weights_RN: Floats) -> Floats:
    """The five scores, (R, 5), when sequence n is counted ``weights_RN[r, n]`` times; 100 where there is nothing."""
    edit = weights_RN @ counts.edit / np.maximum(weights_RN.sum(axis=1), 1e-12)
    hits = weights_RN @ counts.hits
    whole = weights_RN @ (counts.predicted + counts.true)
    frames = weights_RN @ counts.frames
    f1 = np.where(whole[:, None] > 0, 200.0 * hits / np.maximum(whole, 1e-12)[:, None], 100.0)
    mof = np.where(frames > 0, 100.0 * (weights_RN @ counts.right) / np.maximum(frames, 1e-12), 100.0)
    return np.column_stack([edit, f1, mof])


def bootstrap_weights(clusters: Sequence[str], resamples: int, seed: int = 0) -> Floats:
    """How often each sequence is drawn, (R, N), when whole clusters are drawn with replacement."""
    names, member_N = np.unique(np.asarray(clusters), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws_RC = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return draws_RC[:, member_N].astype(np.float64)


def intervals(
    counts: Counts, clusters: Sequence[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, Interval]:
    """An interval for each score.

    Args:
        counts: of N sequences (`viewloom.metrics.segmentation.count`).
        clusters: the recording of each sequence.
        level: share of resampled values between the bounds.
        resamples: number of them.
        seed: of the draws.
    """
    value = score_table(counts, np.ones((1, len(clusters))))[0]
    drawn = score_table(counts, bootstrap_weights(clusters, resamples, seed))
    return _intervals(value, drawn, level)


def paired_difference(
    one: Counts, other: Counts, clusters: Sequence[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, Interval]:
    """Interval of ``one`` minus ``other`` for each score, both scored on the same sequences in the same order."""
    weights = bootstrap_weights(clusters, resamples, seed)
    ones = np.ones((1, len(clusters)))
    value = (score_table(one, ones) - score_table(other, ones))[0]
    return _intervals(value, score_table(one, weights) - score_table(other, weights), level)


def _intervals(value: Floats, drawn: Floats, level: float) -> dict[str, Interval]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: Interval(*map(float, row)) for name, *row in zip(SCORES, value, low, high, strict=True)}


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n - 1) over seeds; no deviation of a single value."""
    array = np.asarray(values, np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None
