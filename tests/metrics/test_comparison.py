"""Paired tests over seeds, Holm's correction and the smallest difference: slow references, simulated size and power."""

import itertools
from statistics import fmean

import numpy as np
import pytest

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.comparison import holm, paired_difference, paired_swap_test, smallest_difference
from viewloom.metrics.resampling import cluster_weights
from viewloom.metrics.segmentation import Counts, count, score
from viewloom.metrics.statistics import differences, intervals, mean_interval

from .made import random_pairs

ITEMS = 10
CLUSTERS = [f"recording{item // 2}" for item in range(ITEMS)]


def systems(seeds, items=ITEMS):
    """Predictions of several seeds on the same items, and the truths."""
    _, truths = random_pairs(0, items)
    rng = np.random.default_rng(9)
    found = []
    for _ in range(seeds):
        shifted = [np.roll(t, int(rng.integers(-9, 10))) for t in truths]
        wrong = [np.repeat(rng.random(len(t) // 7 + 1) < 0.3, 7)[: len(t)] for t in truths]
        found.append([np.where(w, (s + 1) % 6, s) for w, s in zip(wrong, shifted, strict=True)])
    return found, truths


def frame_counts(right, frames=100):
    """Counts of which frames alone matter."""
    none = np.zeros(len(right), np.int64)
    return Counts(
        np.full(len(right), 50.0), np.stack([none] * 3, 1), none, none, np.asarray(right), np.full(len(right), frames)
    )


def slow_p(ours, theirs, truths, clusters):
    """Every way to swap recordings, scored from scratch: the mean over seeds of each side."""
    names = sorted(set(clusters))

    def difference(swapped):
        sides = []
        for mine, yours in ((ours, theirs), (theirs, ours)):
            seeds = []
            for a, b in zip(mine * len(yours), yours * len(mine), strict=True):  # repeated to one number
                picked = [b[i] if clusters[i] in swapped else a[i] for i in range(len(truths))]
                seeds.append(score(picked, truths).f1_50)
            sides.append(fmean(seeds))
        return sides[0] - sides[1]

    observed = abs(difference(()))
    ways = [w for n in range(len(names) + 1) for w in itertools.combinations(names, n)]
    return np.mean([abs(difference(way)) >= observed - 1e-9 for way in ways])


@pytest.mark.parametrize("others", [2, 1])
def test_the_swap_test_equals_scoring_every_swap(others):
    predictions, truths = systems(2 + others)
    ours, theirs = predictions[:2], predictions[2:]
    got = paired_swap_test([count(p, truths) for p in ours], [count(p, truths) for p in theirs], CLUSTERS)
    assert got == pytest.approx(slow_p(ours, theirs, truths, CLUSTERS))


def test_one_seed_a_side_is_the_plain_comparison():
    predictions, truths = systems(2)
    ours, theirs = (count(p, truths) for p in predictions)
    plain = differences(ours, theirs, CLUSTERS, resamples=300, seed=4)["f1_50"]
    got = paired_difference([ours], [theirs], CLUSTERS, resamples=300, seed=4)
    assert (got.estimate, got.low, got.high, got.p) == pytest.approx((plain.estimate, plain.low, plain.high, plain.p))


def test_interval_and_deviation_are_of_the_mean_over_seeds_in_every_draw():
    predictions, truths = systems(3)
    drawn = {side: [] for side in ("ours", "gap")}
    for weights in cluster_weights(ITEMS // 2, 40, seed=3):
        items = [item for item in range(ITEMS) for _ in range(int(weights[item // 2]))]
        seeds = [score([p[i] for i in items], [truths[i] for i in items]).f1_50 for p in predictions]
        drawn["ours"].append(fmean(seeds[:2]))
        drawn["gap"].append(fmean(seeds[:2]) - seeds[2])
    counted = [count(p, truths) for p in predictions]
    own = mean_interval(counted[:2], CLUSTERS, resamples=40, seed=3)
    assert (own.low, own.high) == pytest.approx(tuple(np.quantile(drawn["ours"], [0.025, 0.975])))
    gap = paired_difference(counted[:2], counted[2:], CLUSTERS, resamples=40, seed=3)
    assert (gap.low, gap.high) == pytest.approx(tuple(np.quantile(drawn["gap"], [0.025, 0.975])))
    assert gap.deviation == pytest.approx(np.std(drawn["gap"]))
    one = mean_interval(counted[:1], CLUSTERS, resamples=200, seed=3)
    assert one == intervals(counted[0], CLUSTERS, resamples=200, seed=3)["f1_50"]


def made_up(rng, recordings, ahead, spread=8.0):
    """Two systems of two seeds: a level for each recording, and how far the first is ahead of the second."""
    level = rng.normal(60, 12, recordings)
    own = level + ahead + rng.normal(0, spread, recordings)
    other = level + rng.normal(0, spread, recordings)
    sides = [[np.clip(side + rng.normal(0, 2, recordings), 0, 100).round() for _ in range(2)] for side in (own, other)]
    return [[frame_counts(right.astype(np.int64)) for right in side] for side in sides]


def test_size_and_power_of_the_swap_test_by_simulation():
    """Where nothing differs, 5 % of the tests say it does; a difference of the smallest size is shown in 80 %."""
    rng, recordings = np.random.default_rng(2), 24
    names = [str(i) for i in range(recordings)]
    false = [paired_swap_test(*made_up(rng, recordings, 0), names, "mof", resamples=199) <= 0.05 for _ in range(500)]
    assert 0.025 < np.mean(false) < 0.08
    sizes = [paired_difference(*made_up(rng, recordings, 0), names, "mof", resamples=199).smallest for _ in range(60)]
    ahead = float(np.mean(sizes))
    shown = [
        paired_swap_test(*made_up(rng, recordings, ahead), names, "mof", resamples=199) <= 0.05 for _ in range(300)
    ]
    assert 0.7 < np.mean(shown) < 0.9
    assert (
        np.mean([paired_swap_test(*made_up(rng, recordings, 3 * ahead), names, "mof", resamples=199) for _ in "12345"])
        < 0.01
    )


def test_holm_equals_the_step_down_by_hand_and_controls_any_false_rejection():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == () and holm([0.2]) == (0.2,) and holm([0.6, 0.7]) == (1.0, 1.0)
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 2
        rejected, left = set(), sorted(range(6), key=lambda i: p[i])
        for rank, place in enumerate(left):  # Holm as he wrote it: stop at the first that doesn't pass
            if p[place] > 0.05 / (6 - rank):
                break
            rejected.add(place)
        assert {i for i, value in enumerate(holm(list(p))) if value <= 0.05} == rejected
    wrong = [min(holm(list(rng.random(8)))) <= 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(wrong) < 0.065


def test_the_smallest_difference_is_that_of_the_normal_test():
    assert smallest_difference(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    assert smallest_difference(2.0, 0.01, 0.5) == pytest.approx(2 * 2.575829, abs=1e-5)
    for wrong in ((-1.0,), (1.0, 0.0), (1.0, 0.05, 1.0), (float("nan"),)):
        with pytest.raises(ConfigError, match="deviation of 0 or more"):
            smallest_difference(*wrong)


def test_systems_on_other_items_and_empty_ones_are_refused():
    few, many = frame_counts([1, 2]), frame_counts([1, 2], frames=90)
    with pytest.raises(DataError, match="different items"):
        paired_difference([few], [many], ["a", "b"])
    with pytest.raises(DataError, match="no run"):
        mean_interval([], ["a", "b"])
    with pytest.raises(ConfigError, match="no score"):
        mean_interval([few], ["a", "b"], "f1")
