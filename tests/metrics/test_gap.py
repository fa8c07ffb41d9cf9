"""The gap closed: against a slow loop, known answers, and simulated truth."""

import numpy as np
import pytest

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.resampling import cluster_weights
from viewloom.metrics.segmentation import Counts, count, score
from viewloom.metrics.statistics import gap_closed

from .made import random_pairs
from .test_statistics import frame_counts, total_or

CLUSTERS = [f"recording{item // 2}" for item in range(12)]


@pytest.fixture(scope="module")
def systems():
    """Truths, and the predictions of two seeds of each system: ever fewer frames of the truth are replaced."""
    truths = random_pairs(seed=1, items=12)[1]
    rng = np.random.default_rng(4)

    def seeds(wrong):
        for _ in range(2):
            drawn = [np.repeat(rng.random(len(t) // 9 + 1) < wrong, 9)[: len(t)] for t in truths]
            yield [np.where(w, (t + 1) % 6, t) for w, t in zip(drawn, truths, strict=True)]

    return truths, {name: list(seeds(wrong)) for name, wrong in (("naive", 0.7), ("ours", 0.3), ("oracle", 0.1))}


@pytest.mark.parametrize("protocol", ["canonical", "mean_f1"])
@pytest.mark.parametrize("name", ["f1_50", "mof", "edit", "total"])
def test_draws_equal_scoring_the_drawn_recordings_of_every_seed(systems, protocol, name):
    truths, predicted = systems
    counted = {who: [count(p, truths, protocol) for p in seeds] for who, seeds in predicted.items()}
    got = gap_closed(
        counted["ours"], counted["naive"], counted["oracle"], CLUSTERS, name, protocol, 0.8, resamples=40, seed=7
    )

    def mean(who, items):
        scored = [score([p[i] for i in items], [truths[i] for i in items], protocol) for p in predicted[who]]
        return np.mean([total_or(name, one) for one in scored])

    def gap(items):
        low, high = mean("naive", items), mean("oracle", items)
        return 100 * (mean("ours", items) - low) / (high - low)

    draws = cluster_weights(6, resamples=40, seed=7)
    values = [gap([item for item in range(12) for _ in range(int(weights[item // 2]))]) for weights in draws]
    assert got.estimate == pytest.approx(gap(range(12)))
    assert got.low == pytest.approx(np.quantile(values, 0.1))
    assert got.high == pytest.approx(np.quantile(values, 0.9))
    assert got.low < got.estimate < got.high


def test_intervals_cover_the_true_gap():
    """300 made-up tests of 40 recordings with two items each; ours closes 60 % of the way from .3 to .8."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 2).astype(str)
    held = 0
    for _ in range(300):
        hard = np.repeat(rng.normal(0, 0.1, 40), 2)  # a hard recording is hard for all three

        def system(mean, hard=hard):
            own = np.repeat(rng.normal(0, 0.08, 40), 2)
            return [frame_counts(rng.binomial(200, np.clip(mean + hard + own, 0, 1)), 200) for _ in range(2)]

        got = gap_closed(system(0.6), system(0.3), system(0.8), clusters, "mof", resamples=300)
        held += got.low <= 60 <= got.high
    assert 0.90 <= held / 300 <= 0.98


def test_naive_and_oracle_themselves_leave_no_doubt(systems):
    truths, predicted = systems
    naive, oracle = ([count(p, truths) for p in predicted[who]] for who in ("naive", "oracle"))
    for ours, share in ((naive, 0), (oracle, 100)):
        got = gap_closed(ours, naive, oracle, CLUSTERS, resamples=50)
        assert (got.estimate, got.low, got.high) == pytest.approx((share,) * 3)


def test_order_of_items_and_number_of_cameras_change_nothing(systems):
    truths, predicted = systems
    roles = [[count(p, truths) for p in predicted[who]] for who in ("ours", "naive", "oracle")]
    first = gap_closed(*roles, CLUSTERS, resamples=200)
    turned = [[count(p[::-1], truths[::-1]) for p in predicted[who]] for who in ("ours", "naive", "oracle")]
    assert gap_closed(*turned, CLUSTERS[::-1], resamples=200).as_dict() == pytest.approx(first.as_dict())
    twice = [[count(p * 2, truths * 2) for p in predicted[who]] for who in ("ours", "naive", "oracle")]
    assert gap_closed(*twice, CLUSTERS * 2, resamples=200).as_dict() == pytest.approx(first.as_dict())


def test_without_a_clear_gap_there_is_no_interval():
    naive, clear = frame_counts([30, 40, 20, 30, 35, 25]), frame_counts([80, 90, 70, 85, 75, 80])
    doubtful = frame_counts([10, 90, 15, 80, 20, 30])  # better on the whole, but not on most recordings
    clusters = list("abcdef")
    assert gap_closed([clear], [naive], [clear], clusters, "mof").estimate == pytest.approx(100)
    with pytest.raises(DataError, match=r"oracle is not clearly better.*recordings drawn"):
        gap_closed([clear], [naive], [doubtful], clusters, "mof")
    with pytest.raises(DataError, match="not better than naive"):
        gap_closed([clear], [clear], [naive], clusters, "mof")


def test_a_few_draws_without_a_gap_widen_the_interval_and_no_more():
    """Draws without a gap count as the farthest on either side."""
    naive = frame_counts(np.random.default_rng(1).integers(20, 60, 8))
    weights = cluster_weights(8, 2000, 0)
    change = np.array([9, -3, 9, -2, 9, -1, 5, 3])
    oracle = frame_counts(naive.right + change)
    without = int((weights @ change <= 0).sum())
    assert 0 < without < 0.025 * 2000
    ours = frame_counts(naive.right + change // 2)
    got = gap_closed([ours], [naive], [oracle], [str(i) for i in range(8)], "mof")
    whole = weights @ change
    gaps = 100 * (weights @ (change // 2)) / np.where(whole > 0, whole, 1)
    low, high = (np.where(whole > 0, gaps, far) for far in (-1e9, 1e9))
    assert got.low == pytest.approx(np.quantile(low, 0.025)) and got.high == pytest.approx(np.quantile(high, 0.975))


def test_wrong_input_is_named():
    counts = frame_counts([50, 60])
    better = frame_counts([70, 80])
    with pytest.raises(DataError, match="at least two recordings, but there are 1"):
        gap_closed([counts], [counts], [better], ["a", "a"])
    with pytest.raises(DataError, match="different items"):
        gap_closed([counts], [frame_counts([50, 60], frames=90)], [better], list("ab"))
    with pytest.raises(DataError, match="no run of naive"):
        gap_closed([counts], [], [better], list("ab"))
    with pytest.raises(ConfigError, match="no score 'f1'"):
        gap_closed([counts], [counts], [better], list("ab"), "f1")
    with pytest.raises(ConfigError, match="level between 0 and 1"):
        gap_closed([counts], [counts], [better], list("ab"), "mof", level=95)


def test_no_items_are_not_scored():
    nothing = Counts(*(np.zeros((0, 3) if i == 1 else 0) for i in range(6)))
    with pytest.raises(DataError, match="at least two recordings"):
        gap_closed([nothing], [nothing], [nothing], [])
