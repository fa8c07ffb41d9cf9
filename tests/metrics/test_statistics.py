"""Intervals and tests against plain loops, known answers, and simulated truth."""

import itertools

import numpy as np
import pytest

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.resampling import cluster_swaps, cluster_weights
from viewloom.metrics.segmentation import Counts, count, score
from viewloom.metrics.statistics import differences, intervals, spread

from .made import random_pairs

ITEMS = 12
CLUSTERS = [f"recording{item // 2}" for item in range(ITEMS)]  # two items each


@pytest.fixture(scope="module")
def made():
    return random_pairs(seed=1, items=ITEMS)


def frame_counts(right, frames=100):
    """Counts of items of which only frames matter."""
    right = np.asarray(right)
    none = np.zeros(len(right), np.int64)
    return Counts(np.full(len(right), 50.0), np.stack([none] * 3, 1), none, none, right, np.full(len(right), frames))


def total_or(name, scores):
    return scores.total if name == "total" else getattr(scores, name)


@pytest.mark.parametrize("protocol", ["canonical", "mean_f1"])
def test_draws_equal_scoring_the_drawn_recordings(made, protocol):
    """Each resample, scored from scratch: the sequences of the drawn recordings, as often as they were drawn."""
    predictions, truths = made
    got = intervals(count(predictions, truths, protocol), CLUSTERS, protocol, level=0.8, resamples=40, seed=7)
    drawn = []
    for weights in cluster_weights(ITEMS // 2, resamples=40, seed=7):
        items = [item for item in range(ITEMS) for _ in range(int(weights[item // 2]))]
        drawn.append(score([predictions[i] for i in items], [truths[i] for i in items], protocol))
    whole = score(predictions, truths, protocol)
    for name, interval in got.items():
        values = [total_or(name, scores) for scores in drawn]
        assert interval.estimate == pytest.approx(total_or(name, whole))
        assert interval.low == pytest.approx(np.quantile(values, 0.1))
        assert interval.high == pytest.approx(np.quantile(values, 0.9))
    assert [*got] == ["edit", "f1_10", "f1_25", "f1_50", "mof", "total"]


def test_same_seed_same_interval_whatever_the_order_of_items(made):
    predictions, truths = made
    first = intervals(count(predictions, truths), CLUSTERS, resamples=200)
    backwards = intervals(count(predictions[::-1], truths[::-1]), CLUSTERS[::-1], resamples=200)
    for name, interval in first.items():
        assert backwards[name].as_dict() == pytest.approx(interval.as_dict())
    assert intervals(count(predictions, truths), CLUSTERS, resamples=200, seed=1) != first


def test_more_cameras_of_the_same_recordings_make_no_narrower_interval(made):
    predictions, truths = made
    items = [str(item) for item in range(ITEMS)]
    once = intervals(count(predictions, truths), items, resamples=300)
    four = count(predictions * 4, truths * 4)
    as_recordings = intervals(four, items * 4, resamples=300)
    as_items = intervals(four, [str(i) for i in range(4 * ITEMS)], resamples=300)
    for name, interval in once.items():
        assert as_recordings[name].as_dict() == pytest.approx(interval.as_dict())
        # Four times the items seem to halve it.
        assert as_items[name].high - as_items[name].low < 0.7 * (interval.high - interval.low)


def test_recordings_all_alike_leave_no_doubt():
    got = intervals(frame_counts([70] * 6), list("aabbcc"), resamples=50)["mof"]
    assert (got.estimate, got.low, got.high) == pytest.approx((70, 70, 70))


def test_intervals_cover_what_they_should_and_those_over_items_do_not():
    """300 made-up data sets of 40 recordings with three alike items each: 95 % intervals hold the truth."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 3).astype(str)
    items = np.arange(120).astype(str)
    held = {"recordings": 0, "items": 0}
    for _ in range(300):
        share = np.repeat(rng.beta(6, 4, 40), 3)  # mean .6
        counts = frame_counts(rng.binomial(100, share))
        for name, names in (("recordings", clusters), ("items", items)):
            interval = intervals(counts, names, resamples=200)["mof"]
            held[name] += interval.low <= 60 <= interval.high
    assert 0.90 <= held["recordings"] / 300 <= 0.98
    assert held["items"] / 300 < 0.82


def test_a_system_differs_from_itself_by_nothing(made):
    counts = count(*made)
    for difference in differences(counts, counts, CLUSTERS, resamples=100).values():
        assert (difference.estimate, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_better_on_every_recording_is_as_unlikely_as_heads_every_time():
    theirs = frame_counts([50, 60, 40, 55, 45, 52])
    ours = frame_counts(theirs.right + 5)
    clusters = list("abcdef")
    got = differences(ours, theirs, clusters)["mof"]
    # Of 2^6 ways to swap, none and all give a difference of 5.
    assert (got.estimate, got.low, got.high, got.p) == pytest.approx((5, 5, 5, 2 / 64))
    back = differences(theirs, ours, clusters)["mof"]
    assert (back.estimate, back.p) == pytest.approx((-5, 2 / 64))


def test_swaps_equal_scoring_the_swapped_predictions(made):
    """Every way to swap the two systems' predictions on a recording, scored from scratch."""
    predictions, truths = made
    others = random_pairs(seed=2, items=ITEMS)[0]
    others = [np.resize(other, len(truth)) for other, truth in zip(others, truths, strict=True)]
    got = differences(count(predictions, truths), count(others, truths), CLUSTERS, resamples=64)
    changes = []
    for swap in itertools.product([False, True], repeat=ITEMS // 2):
        pairs = [(o, p) if swap[i // 2] else (p, o) for i, (p, o) in enumerate(zip(predictions, others, strict=True))]
        one, other = zip(*pairs, strict=True)
        changes.append((score(one, truths), score(other, truths)))
    for name, difference in got.items():
        values = np.array([total_or(name, one) - total_or(name, other) for one, other in changes])
        assert difference.estimate == pytest.approx(values[0])
        assert difference.p == pytest.approx((np.abs(values) >= np.abs(values[0]) - 1e-9).mean())


def test_drawn_swaps_agree_with_all_swaps(made):
    predictions, truths = made
    others = [np.roll(p, 2) for p in predictions]
    arguments = count(predictions, truths), count(others, truths), [str(i) for i in range(ITEMS)]
    exact = differences(*arguments, resamples=5000)
    drawn = differences(*arguments, resamples=4000)  # fewer than 2^12
    for name, difference in exact.items():
        assert drawn[name].p == pytest.approx(difference.p, abs=0.04)


def test_p_of_systems_that_are_alike_is_spread_evenly():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(15), 2).astype(str)
    small = 0
    for _ in range(300):
        share = np.repeat(rng.beta(6, 4, 15), 2)
        ours, theirs = (frame_counts(rng.binomial(100, share)) for _ in range(2))
        small += differences(ours, theirs, clusters, resamples=199)["mof"].p <= 0.1
    assert 0.05 <= small / 300 <= 0.15


def test_swaps_are_all_ways_or_as_many_as_asked_for():
    assert cluster_swaps(3, 8, seed=0).tolist() == [
        [0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1],
    ]  # fmt: skip
    assert cluster_swaps(3, 7, seed=0).shape == (7, 3)
    assert cluster_swaps(2000, 7, seed=0).shape == (7, 2000)


def test_spread_over_seeds():
    # Mean 2; squares 1, 0, 1 over n - 1 = 2.
    got = spread([1.0, 2.0, 3.0])
    assert (got.mean, got.deviation, got.runs) == (2, 1, 3)
    assert spread([4.5]).as_dict() == {"mean": 4.5, "deviation": None, "runs": 1}
    with pytest.raises(DataError, match="no runs"):
        spread([])


def test_wrong_input_is_named():
    counts = frame_counts([50, 60])
    with pytest.raises(DataError, match="at least two recordings, but there are 1"):
        intervals(counts, ["a", "a"])
    with pytest.raises(DataError, match="2 items, but recordings of 3"):
        intervals(counts, list("abc"))
    with pytest.raises(ConfigError, match="level between 0 and 1, but got 95"):
        intervals(counts, list("ab"), level=95)
    with pytest.raises(ConfigError, match="resamples is 0"):
        intervals(counts, list("ab"), resamples=0)
    with pytest.raises(ConfigError, match="no score protocol"):
        intervals(counts, list("ab"), protocol="homemade")
    with pytest.raises(DataError, match="scored on different items"):
        differences(counts, frame_counts([50, 60], frames=90), list("ab"))
