"""Calibration error, Brier score and likelihood against plain loops, and what they must hold to."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.calibration import (
    BINS,
    bin_sums,
    brier,
    calibration_error,
    equal_mass_error,
    error_interval,
    log_loss,
)

pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def split(found):
    return np.array([c for c, _ in found]), np.array([r for _, r in found])


def plain_error(found, bins):
    """Guo et al., eq. 3, as it stands there: one bin after the other."""
    edges, error = np.linspace(0, 1, bins + 1), 0.0
    for m in range(bins):
        inside = [(c, r) for c, r in found if edges[m] < c <= edges[m + 1] or (m == 0 and c == 0)]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            confidence = sum(c for c, _ in inside) / len(inside)
            error += len(inside) / len(found) * abs(accuracy - confidence)
    return 100 * error


@given(found=pairs, bins=st.integers(1, 20))
def test_the_calibration_error_is_the_papers(found, bins):
    sums = bin_sums(*split(found), bins)
    assert sums.shape == (3, bins)
    assert sums[0].sum() == len(found)
    assert float(calibration_error(sums)) == pytest.approx(plain_error(found, bins), abs=1e-9)


def test_a_border_belongs_to_the_bin_below_it():
    for place in range(1, 16):
        confidence = np.linspace(0, 1, BINS + 1)[place]
        assert bin_sums(np.array([confidence]), np.array([True]))[0].argmax() == place - 1
    assert bin_sums(np.array([0.0, 1 + 1e-7]), np.array([True, True]))[0].tolist() == [1, *[0] * 13, 1]


@given(found=pairs, seed=st.integers(0, 99))
def test_sums_of_parts_add_up_and_order_changes_nothing(found, seed):
    confidences_N, right_N = split(found)
    order = np.random.default_rng(seed).permutation(len(found))
    cut = len(found) // 2
    parts = bin_sums(confidences_N[:cut], right_N[:cut]) + bin_sums(confidences_N[cut:], right_N[cut:])
    np.testing.assert_allclose(parts, bin_sums(confidences_N[order], right_N[order]), atol=1e-9)
    one, other = equal_mass_error(confidences_N, right_N), equal_mass_error(confidences_N[order], right_N[order])
    assert one == pytest.approx(other, abs=1e-9)


def test_equal_masses_against_a_plain_reference_without_ties():
    rng = np.random.default_rng(0)
    confidences_N = rng.random(150)
    right_N = rng.random(150) < confidences_N**2
    order = np.argsort(confidences_N)
    error = sum(
        abs(right_N[of].mean() - confidences_N[of].mean()) * len(of) / 150 for of in np.array_split(order, BINS)
    )
    assert equal_mass_error(confidences_N, right_N) == pytest.approx(100 * error)
    assert equal_mass_error(np.full(7, 0.5), np.arange(7) < 3) == pytest.approx(100 * (0.5 - 3 / 7))
    assert equal_mass_error(np.empty(0), np.empty(0)) == 0


def test_brier_and_likelihood_against_plain_loops():
    rng = np.random.default_rng(1)
    probs_NK, labels_N = rng.dirichlet(np.ones(4), 30).astype(np.float32), rng.integers(0, 4, 30)
    probs_NK[0], labels_N[0] = [1, 0, 0, 0], 3
    rows = list(zip(probs_NK, labels_N, strict=True))
    squares = sum((float(p) - (k == y)) ** 2 for row, y in rows for k, p in enumerate(row))
    assert brier(probs_NK, labels_N) == pytest.approx(squares)
    floor = float(np.finfo(np.float32).tiny)
    logs = sum(-math.log(max(float(row[y]), floor)) for row, y in rows)
    assert log_loss(probs_NK, labels_N) == pytest.approx(logs)


def test_the_interval_draws_recordings_not_items():
    rng = np.random.default_rng(2)
    items = [bin_sums(rng.random(80), rng.random(80) < 0.5) for _ in range(6)]
    sole = error_interval(items[:3], ["a", "b", "c"], resamples=500)
    doubled = error_interval([*items[:3], *items[:3]], ["a", "b", "c"] * 2, resamples=500)
    assert doubled == pytest.approx(sole)
    joined = error_interval([items[0] + items[1], items[2], items[3]], ["a", "b", "c"], resamples=500)
    assert error_interval(items[:4], ["a", "a", "b", "c"], resamples=500) == pytest.approx(joined)
    low, high = error_interval(items, list("abcdef"))
    assert 0 < low < high < 100
    assert error_interval(items, ["a"] * 6) is None
    with pytest.raises(ConfigError, match="level"):
        error_interval(items, list("abcdef"), level=1.0)


def test_what_cannot_be_binned_is_refused():
    with pytest.raises(ConfigError, match="one bin"):
        bin_sums(np.ones(2), np.ones(2), 0)
    with pytest.raises(DataError, match="2 confidences, but 3"):
        bin_sums(np.ones(2), np.ones(3))
    with pytest.raises(DataError, match="not 0 and 1"):
        bin_sums(np.array([0.5, 1.2]), np.ones(2))
