"""Linear probes, progress and CKA, against the same written out plainly."""

import numpy as np
import pytest

from viewloom.metrics.cka import CKA
from viewloom.metrics.linear_probe import (
    Sums,
    accuracy,
    balanced_accuracy,
    fit_probe,
    r_squared,
    solve,
)
from viewloom.metrics.progress import item_progress, segment_progress
from viewloom.metrics.segments import IGNORE
from viewloom.metrics.view_probe import view_probe

RNG = np.random.default_rng(0)


def test_a_probe_is_ridge_regression_on_standardised_features():
    x = RNG.normal(size=(60, 7)) * np.arange(1, 8) + 3
    y = RNG.normal(size=(60, 2))
    for penalty in (1e-3, 0.5):
        [probe] = solve(Sums.of(x, y), [penalty])
        s = (x - x.mean(axis=0)) / x.std(axis=0)
        w = np.linalg.solve(s.T @ s / 60 + penalty * np.eye(7), s.T @ (y - y.mean(axis=0)) / 60)
        np.testing.assert_allclose(probe(x), s @ w + y.mean(axis=0), atol=1e-9)


def test_sums_add_up():
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))
    one, other = solve(Sums.of(x, y), [0.1])[0], solve(Sums.of(x[:20], y[:20]) + Sums.of(x[20:], y[20:]), [0.1])[0]
    np.testing.assert_allclose(one.weights_DK, other.weights_DK)


def test_constant_features_tell_nothing_and_spoil_nothing():
    x, y = RNG.normal(size=(80, 3)), RNG.normal(size=(80, 1))
    groups = np.arange(80) // 10
    padded = np.concatenate([x, np.full((80, 2), 1e6), np.zeros((80, 1))], axis=1)
    np.testing.assert_allclose(fit_probe(padded, y, groups)(padded), fit_probe(x, y, groups)(x), atol=1e-6)


def test_the_penalty_is_chosen_on_other_recordings():
    """Features that name the recording explain a recording's own mean, and nothing of another."""
    recordings = np.repeat(np.arange(40), 5)
    y = np.repeat(RNG.normal(size=(40, 1)), 5, axis=0)
    x = np.repeat(RNG.normal(size=(40, 60)), 5, axis=0) + 0.1 * RNG.normal(size=(200, 60))
    chosen = fit_probe(x, y, recordings)
    [strongest] = solve(Sums.of(x, y), [10.0])
    np.testing.assert_allclose(chosen(x), strongest(x), atol=1e-6)
    easy = fit_probe(np.repeat(y, 3, axis=1) + 1e-3 * RNG.normal(size=(200, 3)), y, recordings)
    assert np.abs(easy.weights_DK).sum() > 0.99


def test_probe_far_from_the_origin():
    x, y, groups = RNG.normal(size=(90, 4)), RNG.normal(size=(90, 2)), np.arange(90) // 9
    np.testing.assert_allclose(fit_probe(x + 1e5, y, groups)(x + 1e5), fit_probe(x, y, groups)(x), atol=1e-5)


def test_scores_of_probes():
    true, predicted = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 1])
    assert accuracy(predicted, true) == pytest.approx(4 / 6)
    assert balanced_accuracy(predicted, true) == pytest.approx((3 / 4 + 1 / 2) / 2)
    y = RNG.normal(size=30)
    assert r_squared(y, y) == 1
    assert r_squared(np.full(30, y.mean()), y) == pytest.approx(0)
    assert r_squared(-y, y) < 0
    assert np.isnan(r_squared(y, np.ones(30)))


def test_a_view_is_told_by_an_offset_and_not_without():
    z, recordings = RNG.normal(size=(3, 200, 5)), np.repeat(np.arange(10), 20)
    assert view_probe(z, [recordings] * 3) == pytest.approx(1 / 3, abs=0.08)
    shifted = z + 8 * np.arange(3)[:, None, None] * np.eye(5)[0]
    assert view_probe(shifted[:2], [recordings] * 2) > 0.99
    same = np.repeat(z[:1], 2, axis=0)
    assert view_probe(same, [recordings] * 2) == 0.5


def test_a_view_is_told_on_recordings_not_seen():
    """What tells the views of one recording apart, and is another thing in each, is no help in others."""
    recordings = np.repeat(np.arange(20), 15)
    marks = RNG.normal(size=(2, 20, 60))[:, recordings]
    assert view_probe(marks + 0.1 * RNG.normal(size=marks.shape), [recordings] * 2) == pytest.approx(0.5, abs=0.2)
    one = np.zeros(60, int)
    assert view_probe(RNG.normal(size=(2, 60, 3)) + 9 * np.arange(2)[:, None, None], [one] * 2) > 0.95


def test_progress():
    labels = np.array([4, 4, IGNORE, 4, 1, 1, 1, 1])
    expected = [1 / 4, 3 / 4, np.nan, 1 / 2, 1 / 8, 3 / 8, 5 / 8, 7 / 8]
    np.testing.assert_allclose(segment_progress(labels), expected)
    np.testing.assert_allclose(item_progress(4), [1 / 8, 3 / 8, 5 / 8, 7 / 8])


def cka(x, y, pieces=1):
    state = CKA()
    for x_ND, y_NE in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        state.add(x_ND, y_NE)
    return state.value


def plain_cka(x, y):
    """Kernel matrices, and the U-statistic of Song et al., equation 5."""

    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        ones = np.ones(n)
        whole = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + whole - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize("pieces", [1, 2, 9])
def test_cka_is_that_of_kernel_matrices_in_any_pieces(pieces):
    x = RNG.normal(size=(70, 6))
    y = x @ RNG.normal(size=(6, 9)) + RNG.normal(size=(70, 9))
    assert cka(x, y, pieces) == pytest.approx(plain_cka(x, y))
    assert cka(x + 1e4, y - 1e3, pieces) == pytest.approx(plain_cka(x, y), rel=1e-6)


def test_cka_knows_neither_turn_nor_scale_and_is_symmetric():
    x, y = RNG.normal(size=(2, 80, 6))
    y = x + 0.5 * y
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    assert cka(7 * x @ turn, y) == pytest.approx(cka(x, y))
    assert cka(y, x) == pytest.approx(cka(x, y))
    assert cka(x, 3 * x @ turn) == pytest.approx(1)
    assert cka(x * [9, 1, 1, 1, 1, 1], x) < 0.99, "other linear maps do change it"


def test_cka_is_unbiased():
    """With more features than moments the biased estimate is near 1 for unrelated views."""
    found = [cka(*RNG.normal(size=(2, 40, 120))) for _ in range(40)]
    assert abs(np.mean(found)) < 0.02


def test_cka_of_too_little():
    assert np.isnan(cka(*RNG.normal(size=(2, 3, 5))))
    assert np.isnan(cka(np.ones((10, 2)), RNG.normal(size=(10, 2))))
