"""Stand-ins for labels: what carries over from view to view, what doesn't, and slow references."""

import numpy as np
import pytest

from viewloom.metrics.linear_probe import balanced_accuracy
from viewloom.metrics.surrogate import (
    RIDGE,
    Told,
    cluster_ids,
    linear_classifier,
    smoothed,
    stretches_of,
    surrogate_transfer,
)

RNG = np.random.default_rng(0)


def scene(steps=600, latent=6, dim=10, noise=0.3):
    """What happens, one of eight things at a time, and two views of it through maps of their own; two halves."""
    things_KL = 2 * RNG.normal(size=(8, latent))
    source_TL = np.repeat(things_KL[RNG.permutation(steps // 10) % 8], 10, axis=0)
    views = [source_TL @ RNG.normal(size=(latent, dim)) + noise * RNG.normal(size=(steps, dim)) for _ in range(2)]
    half = steps // 2
    return source_TL, views, slice(0, half), slice(half, steps)


def measured(z_own, z_other, x_own, learn, held):
    told = surrogate_transfer(x_own[learn], x_own[held], z_own[learn], z_own[held], z_other[held])
    return told.transfer, told.own


def test_what_views_share_carries_over_and_what_they_do_not_share_does_not():
    source, (one, other), learn, held = scene()
    shared, _ = measured(source, source, one, learn, held)
    plain, own = measured(one, other, one, learn, held)
    constant, of_constant = measured(np.ones((600, 3)), np.ones((600, 3)), one, learn, held)
    assert shared > 0.4 and own > 0.4  # fifteen clusters of eight things: some can't be told apart by anyone
    assert plain < 0.5 * shared
    assert constant < 0.2 and of_constant < 0.2


def test_a_refiner_that_loses_half_of_what_is_seen_scores_less():
    source, (one, _), learn, held = scene()
    whole, half = (measured(z, z, one, learn, held)[0] for z in (source, source[:, :1]))
    assert half < 0.8 * whole


def test_scale_and_rotation_of_refined_features_do_not_matter():
    source, (one, _), learn, held = scene()
    turned = 7.0 * source @ np.linalg.qr(RNG.normal(size=(6, 6)))[0] + 3.0
    assert measured(turned, turned, one, learn, held) == pytest.approx(measured(source, source, one, learn, held))


def test_smoothing_is_a_mean_of_neighbours():
    x_TD, mask_T = RNG.normal(size=(12, 3)), np.ones(12, bool)
    mask_T[[0, 5, 6]] = False
    x_TD[[0, 5, 6]] = np.nan
    slow = [x_TD[max(0, t - 2) : t + 3][mask_T[max(0, t - 2) : t + 3]].mean(axis=0) for t in range(12)]
    np.testing.assert_allclose(smoothed(x_TD, mask_T, 4), np.where(mask_T[:, None], slow, 0))
    for steps in (0, 1):
        np.testing.assert_allclose(smoothed(x_TD, mask_T, steps), np.where(mask_T[:, None], x_TD, 0))


def test_clusters_of_held_out_steps_are_the_nearest_ones():
    centres = 20 * np.eye(4)
    learn = centres[np.arange(200) % 4] + RNG.normal(size=(200, 4))
    held = centres[np.arange(40) % 4] + RNG.normal(size=(40, 4))
    ids_N, ids_M = cluster_ids(learn, held)
    for one in range(4):  # 200 steps have ten clusters at most: each holds steps of one centre alone
        assert not set(ids_N[np.arange(200) % 4 == one]) & set(ids_N[np.arange(200) % 4 != one])
        assert set(ids_M[np.arange(40) % 4 == one]) <= set(ids_N[np.arange(200) % 4 == one])
    same = cluster_ids(learn, held)
    assert (same[0] == ids_N).all() and (same[1] == ids_M).all()


def test_the_classifier_is_weighted_ridge_regression():
    z_NZ, ids_N = RNG.normal(size=(50, 4)), np.r_[np.zeros(40, int), np.ones(10, int)]
    weight_ZK, offset_K = linear_classifier(z_NZ, ids_N, 2)
    # The same by a slow solver: rows times the root of their weights, and rows for the penalty.
    weights = np.where(ids_N == 0, 1 / 40, 1 / 10) / 2
    mean_Z = (weights[:, None] * z_NZ).sum(axis=0)
    variance = (weights[:, None] * (z_NZ - mean_Z) ** 2).sum(axis=0).mean()
    left = np.r_[np.sqrt(weights)[:, None] * (z_NZ - mean_Z), np.sqrt(RIDGE * variance) * np.eye(4)]
    right = np.r_[np.sqrt(weights)[:, None] * (np.eye(2)[ids_N] - 0.5), np.zeros((4, 2))]
    slow_ZK = np.linalg.lstsq(left, right, rcond=None)[0]
    np.testing.assert_allclose(weight_ZK, slow_ZK, atol=1e-10)
    np.testing.assert_allclose(offset_K, 0.5 - mean_Z @ slow_ZK, atol=1e-10)


def test_leaving_a_stretch_out_is_scoring_the_rest():
    truth_M, other_M = RNG.integers(0, 5, 43), RNG.integers(0, 5, 43)
    truth_M[:4], truth_M[4:] = 5, truth_M[4:]  # a cluster that one stretch alone shows
    told, block_M = Told(truth_M, other_M, truth_M), stretches_of(43, 10)
    assert told.own == 1.0 and np.bincount(block_M).min() == 4 and (np.diff(block_M) >= 0).all()
    slow = [balanced_accuracy(other_M[block_M != each], truth_M[block_M != each]) for each in range(10)]
    np.testing.assert_allclose(told.without_each(10), slow)
    assert stretches_of(3, 10).tolist() == [0, 3, 6]
    alone = np.zeros(4, np.int64)
    assert told.chance == pytest.approx(1 / 6) and Told(alone, alone, alone).chance == 1.0
