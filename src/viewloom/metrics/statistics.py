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

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segmentation import NAMES, Counts, percent
from viewloom.metrics.segments import Floats

ALL = (*NAMES, "total")
FAR = np.inf  # where a draw without a gap lies
TIE = 1e-9  # percentage points; sums of other order differ in the last digits


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
    sums = _sums(counts, clusters, protocol)
    weights = cluster_weights(sums.shape[1], resamples, seed)
    low, high = _ends(_scores(weights @ sums), level)
    columns = np.stack([_scores(sums.sum(axis=1)), low, high], axis=1)
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
    place, sums = _place(score), _seed_sums(seeds, clusters, protocol)
    weights = cluster_weights(sums[0].shape[1], resamples, seed)
    low, high = _ends(_mean_score([weights @ one for one in sums], place)[:, None], level)
    estimate = _mean_score([one.sum(axis=1) for one in sums], place)
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
    _check_same_items(ours, theirs)
    one, other = _sums(ours, clusters, protocol), _sums(theirs, clusters, protocol)
    weights = cluster_weights(one.shape[1], resamples, seed)
    low, high = _ends(_scores(weights @ one) - _scores(weights @ other), level)
    observed = _scores(one.sum(axis=1)) - _scores(other.sum(axis=1))
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
    place = _place(score)
    _check_level(level)
    roles = {"ours": ours, "naive": naive, "the oracle": oracle}
    absent = [name for name, seeds in roles.items() if not seeds]
    if absent:
        raise DataError(f"There is no run of {absent[0]}, so no gap to speak of. Pass the counts of one seed at least.")
    sums = {name: [_sums(counts, clusters, protocol) for counts in seeds] for name, seeds in roles.items()}
    for counts in (*ours, *naive, *oracle):
        _check_same_items(counts, ours[0])
    weights = cluster_weights(sums["ours"][0].shape[1], resamples, seed)
    drawn = {name: _mean_score([weights @ one for one in each], place) for name, each in sums.items()}
    whole = {name: _mean_score([one.sum(axis=1) for one in each], place) for name, each in sums.items()}
    return _gap_interval(drawn, whole, level)


def _mean_score(sums: Sequence[Floats], place: int) -> Floats:
    """Mean over seeds of one score, (...,), of numerators and denominators (2, ..., 5) of each."""
    return np.asarray(np.mean([_scores(one)[..., place] for one in sums], axis=0))


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
    low, high = (_ends(np.where(none_R, far, shares_R)[:, None], level)[end][0] for end, far in enumerate((-FAR, FAR)))
    estimate = 100.0 * (whole["ours"] - whole["naive"]) / (whole["the oracle"] - whole["naive"])
    return Interval(float(estimate), float(low), float(high))


def _place(score: str) -> int:
    """Which of `ALL` a score is."""
    if score not in ALL:
        raise ConfigError(f"There is no score {score!r}; there are: {', '.join(ALL)}.")
    return ALL.index(score)


def _seed_sums(seeds: Sequence[Counts], clusters: Sequence[str], protocol: str) -> list[Floats]:
    """Numerators and denominators over recordings, (2, C, 5), of each seed; `DataError` where items differ."""
    if not seeds:
        raise DataError("There are no runs to take a mean of; pass the counts of one seed at least.")
    for counts in seeds:
        _check_same_items(counts, seeds[0])
    return [_sums(counts, clusters, protocol) for counts in seeds]


def _check_same_items(ours: Counts, theirs: Counts) -> None:
    """`DataError` for two systems that were scored on other items."""
    if len(ours.frames) != len(theirs.frames) or (ours.frames != theirs.frames).any():
        raise DataError(
            f"The two systems were scored on different items ({len(ours.frames)} and {len(theirs.frames)}, or of "
            "other lengths). Pass the results of both on the same items, in one order."
        )


def _swap_test(one: Floats, other: Floats, observed: Floats, swaps: Floats) -> Floats:
    """Share of the swaps, (6,), under which the scores differ by as much as was observed, or more."""
    moved = swaps @ (other - one)
    swapped = _scores(one.sum(axis=1)[:, None] + moved) - _scores(other.sum(axis=1)[:, None] - moved)
    extreme = np.count_nonzero(np.abs(swapped) >= observed - TIE, axis=0)
    every_way = len(swaps) == 2 ** one.shape[1]  # the way it was is among them
    share: Floats = extreme / len(swaps) if every_way else (1 + extreme) / (1 + len(swaps))
    return share


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


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ConfigError(f"Expected at least one draw, but resamples is {resamples}. 2000 or more are usual.")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"Expected a level between 0 and 1, but got {level}; .95 is usual.")


def _sums(counts: Counts, clusters: Sequence[str], protocol: str) -> Floats:
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


def _scores(sums: Floats) -> Floats:
    """The five scores and their total, (..., 6), of numerators and denominators (2, ..., 5)."""
    five = percent(sums[0], sums[1])
    return np.concatenate([five, five.sum(axis=-1, keepdims=True)], axis=-1)


def _ends(drawn: Floats, level: float) -> tuple[Floats, Floats]:
    """Lower and upper end of percentile intervals of the columns of (R, 6)."""
    _check_level(level)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
