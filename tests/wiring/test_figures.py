"""Figures that a reader trusts: intervals and p of small cases, all ways written out, and the gap closed."""

from itertools import product

import numpy as np
import pytest

from tests.report.make_runs import make_items, write_run
from viewloom.metrics.resampling import cluster_weights
from viewloom.metrics.segmentation import Counts
from viewloom.metrics.statistics import differences, intervals, spread
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows


def counts_of(right, frames):
    """Counts of items of which frames alone matter."""
    none = np.zeros(len(right), np.int64)
    edit, hits = np.zeros(len(right)), np.stack([none] * 3, axis=1)
    return Counts(edit, hits, none, none, np.asarray(right), np.asarray(frames))


RIGHT, FRAMES, NAMES = [9, 30, 12], [10, 50, 40], list("abc")


@pytest.mark.parametrize("clusters", [2, 5, 40])
def test_every_resample_draws_as_many_recordings_as_there_are(clusters):
    weights = cluster_weights(clusters, 3000, seed=1)
    assert weights.shape == (3000, clusters) and (weights.sum(axis=1) == clusters).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=5 / 3000**0.5)  # each as often as any other
    assert weights.var() == pytest.approx(1 - 1 / clusters, rel=0.1)  # with replacement


def test_the_bootstrap_of_three_recordings_is_that_of_all_27_draws():
    """27 draws, each as likely: the drawn interval's ends are quantiles of their scores."""
    shares = sorted(
        100 * sum(RIGHT[i] for i in draw) / sum(FRAMES[i] for i in draw) for draw in product(range(3), repeat=3)
    )
    found = intervals(counts_of(RIGHT, FRAMES), NAMES, level=0.6, resamples=20_000)["mof"]
    # .2 and .8 of 27: the sixth and the 22nd.
    assert (found.low, found.high) == pytest.approx((shares[5], shares[21]))
    assert found.estimate == pytest.approx(51)


def test_p_of_three_recordings_is_the_share_of_all_eight_swaps():
    other = [5, 31, 6]
    apart = lambda one, two: 100 * (sum(one) - sum(two)) / sum(FRAMES)  # noqa: E731
    pairs = list(zip(RIGHT, other, strict=True))
    swapped = [
        apart(*zip(*(p[::-1] if s else p for p, s in zip(pairs, swap, strict=True)), strict=True))
        for swap in product((0, 1), repeat=3)
    ]
    wanted = np.mean([abs(value) >= abs(apart(RIGHT, other)) - 1e-9 for value in swapped])
    found = differences(counts_of(RIGHT, FRAMES), counts_of(other, FRAMES), NAMES)["mof"]
    assert 0.25 < found.p < 1 and found.p == pytest.approx(wanted)


@pytest.mark.parametrize("resamples", [19, 99])
def test_p_is_never_zero(resamples):
    """Better on each of 40 recordings: no drawn swap is as extreme, and p is 1 / (draws + 1)."""
    frames = [100] * 40
    found = differences(
        counts_of([90] * 40, frames), counts_of([10] * 40, frames), list(map(str, range(40))), resamples=resamples
    )
    assert found["mof"].p == pytest.approx(1 / (resamples + 1))


def test_deviation_over_seeds_is_the_sample_s():
    assert spread([1.0, 2.0, 4.0]).deviation == pytest.approx(np.std([1, 2, 4], ddof=1))


def test_a_naive_run_with_labels_of_the_view_is_no_ground_for_a_gap(tmp_path):
    """On v3 the naive run has what the oracle has; on e4 it hasn't."""
    items = make_items(3, [f"a{i}" for i in range(24)])
    write_run(tmp_path / "naive", "naive", {"v3": 0.5, "e4": 0.2}, ["v3"], items)
    write_run(tmp_path / "both", "oracle", {"v3": 0.95, "e4": 0.95}, ["v3", "e4"], items, seed=1)
    write_run(tmp_path / "cca", "cca", {"v3": 0.6, "e4": 0.6}, ["v3"], items, seed=2)
    gaps = {(row.run.name, row.view.name): row.gap for row in score_rows(load_runs([tmp_path]))}
    assert gaps["cca", "v3"] is None and gaps["oracle", "v3"] is None
    assert 0 < gaps["cca", "e4"] < 100 and gaps["naive", "e4"] == pytest.approx(0)


def test_an_oracle_without_labels_of_the_view_is_none(tmp_path):
    items = make_items(3, [f"a{i}" for i in range(24)])
    write_run(tmp_path / "naive", "naive", {"e4": 0.2}, ["v3"], items)
    write_run(tmp_path / "other", "oracle of v4", {"e4": 0.9}, ["v4"], items, seed=1)
    assert all(row.gap is None for row in score_rows(load_runs([tmp_path])))
