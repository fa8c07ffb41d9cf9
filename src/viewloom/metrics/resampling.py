"""What intervals and tests are made of: sums over recordings, scores of such sums, recordings drawn and swapped."""

from collections.abc import Sequence

import numpy as np

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segmentation import NAMES, Counts, percent
from viewloom.metrics.segments import Floats

ALL = (*NAMES, "total")
TIE = 1e-9  # percentage points; sums of other order differ in the last digits


def score_place(score: str) -> int:
    """Which of `ALL` a score is."""
    if score not in ALL:
        raise ConfigError(f"There is no score {score!r}; there are: {', '.join(ALL)}.")
    return ALL.index(score)


def cluster_sums(counts: Counts, clusters: Sequence[str], protocol: str) -> Floats:
    """Numerators and denominators of the scores, summed over each recording's items: (2, C, 5)."""
    if len(clusters) != len(counts.frames):
        raise DataError(f"There are {len(counts.frames)} items, but recordings of {len(clusters)}; name one of each.")
    names, codes = np.unique(np.asarray(clusters, str), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"An interval needs at least two recordings, but there are {len(names)}. Score more, or give no interval."
        )
    sums = np.zeros((2, len(names), len(NAMES)))
    for total, per_item in zip(sums, counts.ratios(protocol), strict=True):
        np.add.at(total, codes, per_item)
    return sums


def seed_sums(seeds: Sequence[Counts], clusters: Sequence[str], protocol: str) -> list[Floats]:
    """Numerators and denominators over recordings, (2, C, 5), of each seed; `DataError` where items differ."""
    if not seeds:
        raise DataError("There are no runs to take a mean of; pass the counts of one seed at least.")
    for counts in seeds:
        check_same_items(counts, seeds[0])
    return [cluster_sums(counts, clusters, protocol) for counts in seeds]


def check_same_items(ours: Counts, theirs: Counts) -> None:
    """`DataError` for two systems that were scored on other items."""
    if len(ours.frames) != len(theirs.frames) or (ours.frames != theirs.frames).any():
        raise DataError(
            f"The two systems were scored on different items ({len(ours.frames)} and {len(theirs.frames)}, or of "
            "other lengths). Pass the results of both on the same items, in one order."
        )


def scores_of(sums: Floats) -> Floats:
    """The five scores and their total, (..., 6), of numerators and denominators (2, ..., 5)."""
    five = percent(sums[0], sums[1])
    return np.concatenate([five, five.sum(axis=-1, keepdims=True)], axis=-1)


def mean_score(sums: Sequence[Floats], place: int) -> Floats:
    """Mean over seeds of one score, (...,), of numerators and denominators (2, ..., 5) of each."""
    return np.asarray(np.mean([scores_of(one)[..., place] for one in sums], axis=0))


def cluster_weights(clusters: int, resamples: int, seed: int) -> Floats:
    """How often each recording is drawn in each resample, (R, C); rows sum to C."""
    _check_resamples(resamples)
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)


def cluster_swaps(clusters: int, resamples: int, seed: int) -> Floats:
    """Which recordings' results are swapped, (R, C) of 0 and 1: all ways if there are no more than asked for."""
    _check_resamples(resamples)
    if 2**clusters <= resamples:
        return (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(np.float64)
    return np.random.default_rng(seed).integers(0, 2, (resamples, clusters)).astype(np.float64)


def interval_ends(drawn: Floats, level: float) -> tuple[Floats, Floats]:
    """Lower and upper end of percentile intervals of the columns of (R, 6)."""
    check_level(level)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ConfigError(f"Expected at least one draw, but resamples is {resamples}. 2000 or more are usual.")


def check_level(level: float) -> None:
    """`ConfigError` for a level of coverage that can't be."""
    if not 0 < level < 1:
        raise ConfigError(f"Expected a level between 0 and 1, but got {level}; .95 is usual.")
