"""How sure a score is: intervals over recordings, paired comparison of two systems, the gap closed, spread over seeds.

What is drawn again is the *cluster*, a recording: its items (label files) and the cameras that saw it are repeated
measurements of one thing, and intervals that take them for independent are too narrow. Every score is a ratio of
sums over items (`Counts.ratios`), so a draw costs one weighted sum and scores are pooled anew in each, never
averaged over recordings.

Assumptions. Recordings are independent draws from what one wants to speak of (if one person appears in several,
pass the person as cluster). Intervals are percentile intervals of the cluster bootstrap (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, ch. 13; Field and Welsh, J. R. Stat. Soc. B 69, 2007): with fewer than about 20
clusters they come out too narrow. They speak of other recordings under the *same* trained system; what another
seed would do is `spread`'s to tell. Scores are treated one by one: with many comparisons some p are small by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from viewloom.errors import DataError
from viewloom.metrics.resampling import (
    ALL,
    TIE,
    check_level,
    check_same_items,
    cluster_sums,
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

FAR = np.inf  # where a draw without a gap lies


@dataclass(frozen=True)
class Interval:
    """A score over all items, and the interval around it; percent."""

    estimate: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Names to values."""
        return asdict(self)


@dataclass(frozen=True)
class Difference(Interval):
    """Ours less theirs, its interval in percentage points, and the two-sided p of no difference."""

    p: float


@dataclass(frozen=True)
class Spread:
    """Mean and sample deviation (n - 1) of one score over runs that differ in their seed; no deviation of one run."""

    mean: float
    deviation: float | None
    runs: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Names to values."""
        return asdict(self)


def spread(values: Sequence[float]) -> Spread:
    """Mean and deviation over seeds; `DataError` where there is no value."""
    if not len(values):
        raise DataError("There are no runs to take a mean of; pass the score of at least one seed.")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, len(values))


def intervals(
    counts: Counts,
    clusters: Sequence[str],
    protocol: str = "canonical",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Bootstrap intervals of the five scores and their total.

    Args:
        counts: of N items, from `viewloom.metrics.segmentation.count`.
        clusters: the recording of each item; the order of items doesn't matter.
        protocol: the one the items were counted under.
        level: coverage aimed at.
        resamples: draws R; R times the number of recordings floats are held at once.
        seed: same seed, same interval.

    Raises:
        ConfigError: a level or number of draws that makes no sense.
        DataError: fewer than two recordings, or another number of items than of names.
    """
    sums = cluster_sums(counts, clusters, protocol)
    weights = cluster_weights(sums.shape[1], resamples, seed)
    low, high = interval_ends(scores_of(weights @ sums), level)
    columns = np.stack([scores_of(sums.sum(axis=1)), low, high], axis=1)
    return {name: Interval(*row) for name, row in zip(ALL, columns.tolist(), strict=True)}


def mean_interval(
    seeds: Sequence[Counts],
    clusters: Sequence[str],
    score: str = "f1_50",
    protocol: str = "canonical",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of one score's mean over the seeds of a system: the same recordings are drawn for all.

    Args:
        seeds: counts of each seed, all on the same items.
        clusters: the recording of each item.
        score: one of the five scores, or total.
        protocol: the one the items were counted under.
        level: coverage aimed at.
        resamples: draws.
        seed: same seed, same interval.

    Raises:
        ConfigError: a level, number of draws or score that there isn't.
        DataError: no seed, fewer than two recordings, or other items.
    """
    place, sums = score_place(score), seed_sums(seeds, clusters, protocol)
    weights = cluster_weights(sums[0].shape[1], resamples, seed)
    low, high = interval_ends(mean_score([weights @ one for one in sums], place)[:, None], level)
    estimate = mean_score([one.sum(axis=1) for one in sums], place)
    return Interval(float(estimate), float(low[0]), float(high[0]))


def differences(
    ours: Counts,
    theirs: Counts,
    clusters: Sequence[str],
    protocol: str = "canonical",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Paired comparison of two systems on the same items: ours less theirs, for the five scores and their total.

    The interval draws recordings, with both systems' results on them. The p is of a randomisation test (Noreen,
    Computer-Intensive Methods for Testing Hypotheses, 1989; Yeh, COLING 2000): were the systems alike, their
    results on a recording could be swapped. All swaps are gone through where that is no more than ``resamples``,
    else as many are drawn and p is (1 + as extreme) / (1 + draws) (Phipson and Smyth, 2010), never 0.

    Arguments and errors as `intervals`; ``clusters`` names the recording of each item of both.
    """
    check_same_items(ours, theirs)
    one, other = cluster_sums(ours, clusters, protocol), cluster_sums(theirs, clusters, protocol)
    weights = cluster_weights(one.shape[1], resamples, seed)
    low, high = interval_ends(scores_of(weights @ one) - scores_of(weights @ other), level)
    observed = scores_of(one.sum(axis=1)) - scores_of(other.sum(axis=1))
    p = _swap_test(one, other, np.abs(observed), cluster_swaps(one.shape[1], resamples, seed))
    columns = np.stack([observed, low, high, p], axis=1)
    return {name: Difference(*row) for name, row in zip(ALL, columns.tolist(), strict=True)}


def gap_closed(
    ours: Sequence[Counts],
    naive: Sequence[Counts],
    oracle: Sequence[Counts],
    clusters: Sequence[str],
    score: str = "f1_50",
    protocol: str = "canonical",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Share of the way from naive to the oracle, (ours - naive) / (oracle - naive), percent, with its interval.

    Each draw takes the same recordings for all three, and pools the scores anew. A draw in which the oracle is no
    better than naive has no gap: it counts as the farthest one could be, at both ends. With more such draws than lie
    outside of the interval at one end, there is no interval (a ratio whose denominator may be zero has no bounds:
    Fieller, J. R. Stat. Soc. B 16, 1954).

    Args:
        ours: counts of each seed of a system, all on the same items; seeds count by the mean of their scores.
        naive: the same of the system that closes nothing.
        oracle: the same of the system that closes all.
        clusters: the recording of each item.
        score: one of the five scores, or total.
        protocol: the one the items were counted under.
        level: coverage aimed at.
        resamples: draws.
        seed: same seed, same interval.

    Raises:
        ConfigError: a level, number of draws or score that there isn't.
        DataError: fewer than two recordings, other items, a system without a run, or an oracle that isn't clearly
            better than naive.
    """
    place = score_place(score)
    check_level(level)
    roles = {"ours": ours, "naive": naive, "the oracle": oracle}
    absent = [name for name, seeds in roles.items() if not seeds]
    if absent:
        raise DataError(f"There is no run of {absent[0]}, so no gap to speak of. Pass the counts of one seed at least.")
    sums = {name: [cluster_sums(counts, clusters, protocol) for counts in seeds] for name, seeds in roles.items()}
    for counts in (*ours, *naive, *oracle):
        check_same_items(counts, ours[0])
    weights = cluster_weights(sums["ours"][0].shape[1], resamples, seed)
    drawn = {name: mean_score([weights @ one for one in each], place) for name, each in sums.items()}
    whole = {name: mean_score([one.sum(axis=1) for one in each], place) for name, each in sums.items()}
    return _gap_interval(drawn, whole, level)


def _gap_interval(drawn: Mapping[str, Floats], whole: Mapping[str, Floats], level: float) -> Interval:
    """The gap closed over all items, and the ends over draws, of scores by role."""
    if not whole["the oracle"] - whole["naive"] > TIE:
        raise DataError("The oracle is not better than naive, so there is no gap to close. Compare the scores instead.")
    ways_R = drawn["the oracle"] - drawn["naive"]
    none_R = ways_R <= TIE
    shares_R = 100.0 * (drawn["ours"] - drawn["naive"]) / np.where(none_R, 1.0, ways_R)
    if np.count_nonzero(none_R) > int((1 - level) / 2 * (len(none_R) - 1)):  # more than lie beyond one end
        raise DataError(
            f"The oracle is not clearly better than naive: in {none_R.mean():.0%} of the recordings drawn anew it "
            "is no better, so the gap closed has no bounds. Score more recordings, or compare the scores."
        )
    low, high = (
        interval_ends(np.where(none_R, far, shares_R)[:, None], level)[end][0] for end, far in enumerate((-FAR, FAR))
    )
    estimate = 100.0 * (whole["ours"] - whole["naive"]) / (whole["the oracle"] - whole["naive"])
    return Interval(float(estimate), float(low), float(high))


def _swap_test(one: Floats, other: Floats, observed: Floats, swaps: Floats) -> Floats:
    """Share of the swaps, (6,), under which the scores differ by as much as was observed, or more."""
    moved = swaps @ (other - one)
    swapped = scores_of(one.sum(axis=1)[:, None] + moved) - scores_of(other.sum(axis=1)[:, None] - moved)
    extreme = np.count_nonzero(np.abs(swapped) >= observed - TIE, axis=0)
    every_way = len(swaps) == 2 ** one.shape[1]  # the way it was is among them
    share: Floats = extreme / len(swaps) if every_way else (1 + extreme) / (1 + len(swaps))
    return share
