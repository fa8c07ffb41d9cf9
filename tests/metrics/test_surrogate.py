"""Stand-ins for labels: what carries over from view to view, what doesn't, and slow references."""

import numpy as np
import pytest

from viewloom.metrics.linear_probe import balanced_accuracy
from viewloom.metrics.surrogate import (
    NEIGHBOURS,
    Told,
    cluster_ids,
    smoothed,
    stretches_of,
    surrogate_transfer,
    told_by_neighbours,
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
    seen = source + 0.5 * RNG.normal(size=source.shape)  # without noise one feature tells everything
    whole, half = (measured(z, z, one, learn, held)[0] for z in (seen, seen[:, :1]))
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


def test_neighbours_vote_with_equal_weight_for_every_class(monkeypatch):
    z_NZ, ids_N, z_MZ = RNG.normal(size=(200, 4)), RNG.integers(0, 3, 200) ** 2, RNG.normal(size=(30, 4))
    ids_N[:120] = 0  # most steps are of one class
    weight = {k: 1 / (ids_N == k).sum() for k in set(ids_N.tolist())}
    slow = []
    for z_Z in z_MZ:
        nearest = np.argsort(np.square(z_NZ - z_Z).sum(axis=1))[:NEIGHBOURS]
        votes = [sum(weight[k] for n in nearest if ids_N[n] == k) if k in weight else 0.0 for k in range(5)]
        slow.append(int(np.argmax(votes)))
    found = told_by_neighbours(z_NZ, ids_N, z_MZ, 5)
    assert found.tolist() == slow and len(set(slow)) > 1
    assert (told_by_neighbours(z_NZ + 1e6, ids_N, z_MZ + 1e6, 5) == found).all()
    monkeypatch.setattr("viewloom.metrics.neighbours.BLOCK", 7 * 200)
    assert (told_by_neighbours(z_NZ, ids_N, z_MZ, 5) == found).all()
    monkeypatch.setattr("viewloom.metrics.surrogate.MOST_STEPS", 100)
    assert (told_by_neighbours(z_NZ, ids_N, z_MZ, 5) == told_by_neighbours(z_NZ[::2], ids_N[::2], z_MZ, 5)).all()
    assert told_by_neighbours(z_NZ[:3], ids_N[:3], z_MZ, 5).tolist() == [0] * 30  # fewer steps than neighbours


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
