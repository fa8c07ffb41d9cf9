"""Several systems on the same test items: paired tests over seeds, correction for many of them, what can be shown.

A system is here the mean of its seeds: its score is the mean of the seeds' scores, and so it is in every draw of
recordings (`viewloom.metrics.statistics` says what is drawn and why). So tests speak of other recordings under these
trained seeds; what other seeds would do is the deviation over seeds, which stands beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from viewloom.errors import ConfigError
from viewloom.metrics.resampling import (
    TIE,
    check_same_items,
    cluster_swaps,
    cluster_weights,
    interval_ends,
    mean_score,
    score_place,
    scores_of,
    seed_sums,
)
from viewloom.metrics.segmentation import Counts
from viewloom.metrics.segments import Floats
from viewloom.metrics.statistics import Difference

RESAMPLES = 5000
"""Draws; the smallest p is one in as many, which Holm's correction multiplies by the number of rows."""


@dataclass(frozen=True)
class Paired(Difference):
    """Ours less theirs, its interval, the two-sided p of no difference, and what a difference would have to be.

    Attributes:
        deviation: standard deviation of the difference over the drawn recordings (percentage points).
        smallest: difference that these recordings would show in four of five cases; see `smallest_difference`.
    """

    deviation: float
    smallest: float


def paired_difference(
    ours: Sequence[Counts],
    theirs: Sequence[Counts],
    clusters: Sequence[str],
    score: str = "f1_50",
    protocol: str = "canonical",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Paired comparison of two systems on the same items, each the mean of its seeds; p by `paired_swap_test`.

    Args:
        ours: counts of each seed of one system.
        theirs: the same of the other; the systems may have different numbers of seeds.
        clusters: the recording of each item of both.
        score: one of the five scores, or total.
        protocol: the one the items were counted under.
        level: coverage aimed at.
        resamples: draws of the interval and of the test.
        seed: same seed, same result.

    Raises:
        ConfigError, DataError: as `viewloom.metrics.statistics.mean_interval`.
    """
    place = score_place(score)
    one, other = seed_sums(ours, clusters, protocol), seed_sums(theirs, clusters, protocol)
    check_same_items(ours[0], theirs[0])
    weights = cluster_weights(one[0].shape[1], resamples, seed)
    drawn_R = mean_score([weights @ sums for sums in one], place) - mean_score(
        [weights @ sums for sums in other], place
    )
    low, high = interval_ends(drawn_R[:, None], level)
    observed = _observed(one, other, place)
    p = paired_swap_test(ours, theirs, clusters, score, protocol, resamples, seed)
    deviation = float(np.std(drawn_R))
    return Paired(observed, float(low[0]), float(high[0]), p, deviation, smallest_difference(deviation))


def paired_swap_test(
    ours: Sequence[Counts],
    theirs: Sequence[Counts],
    clusters: Sequence[str],
    score: str = "f1_50",
    protocol: str = "canonical",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """Two-sided p of two systems being alike, by swapping their results on recordings (Noreen 1989; Yeh 2000).

    A recording's results change sides with all their seeds at once, and scores, which are no means over recordings,
    are pooled anew after each swap. Systems of different numbers of seeds are first repeated to the same number,
    which changes no mean. All swaps are gone through where that is no more than ``resamples``; else as many are drawn
    and p is (1 + as extreme) / (1 + draws) (Phipson and Smyth, 2010).

    Arguments and errors as `paired_difference`.
    """
    place = score_place(score)
    one, other = seed_sums(ours, clusters, protocol), seed_sums(theirs, clusters, protocol)
    check_same_items(ours[0], theirs[0])
    seeds = int(np.lcm(len(one), len(other)))
    one, other = one * (seeds // len(one)), other * (seeds // len(other))
    count = one[0].shape[1]
    swaps_RC = cluster_swaps(count, resamples, seed)
    differences = np.zeros(len(swaps_RC))
    for mine, yours in zip(one, other, strict=True):
        moved = swaps_RC @ (yours - mine)
        after = scores_of(mine.sum(axis=1)[:, None] + moved) - scores_of(yours.sum(axis=1)[:, None] - moved)
        differences += after[:, place] / seeds
    extreme = int(np.count_nonzero(np.abs(differences) >= abs(_observed(one, other, place)) - TIE))
    every_way = len(swaps_RC) == 2**count
    return extreme / len(swaps_RC) if every_way else (1 + extreme) / (1 + len(swaps_RC))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values of several tests, adjusted so that all hold at once: Holm, Scand. J. Stat. 6, 1979.

    The smallest is multiplied by their number, the next by one less, and so on; none falls below one before it, none
    exceeds 1. Rejecting where the adjusted one is below a level keeps the chance of any false rejection below it,
    whatever the tests' dependence.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, most = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = most
    return tuple(adjusted)


def smallest_difference(deviation: float, level: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that a two-sided test would show with the power asked for.

    That is (z of 1 - level / 2 plus z of the power) deviations, by a normal distribution (Cohen, Statistical Power
    Analysis, 1988); many tests at once, corrected, need more.

    Args:
        deviation: standard deviation of the difference over drawn recordings.
        level: of the test, not corrected for others.
        power: how often it is to be shown.
    """
    if not (deviation >= 0 and 0 < level < 1 and 0 < power < 1):
        raise ConfigError(
            f"Expected a deviation of 0 or more, a level and a power between 0 and 1, but got {deviation}, {level}, "
            f"{power}."
        )
    normal = NormalDist()
    return (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) * deviation


def _observed(one: Sequence[Floats], other: Sequence[Floats], place: int) -> float:
    """Difference of the two systems over all items."""
    return float(np.subtract(*(mean_score([sums.sum(axis=1) for sums in each], place) for each in (one, other))))
