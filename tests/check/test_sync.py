"""Planted offsets between views that share motion, and nothing else, are found; others are not believed."""

import numpy as np
import pytest
from scipy.signal import lfilter

from viewloom.check.sync import LEAST_SIGMAS, NO_OFFSET, change_curve, correlations, offset_of_curves

FRAMES = 3000
SPARE = 60


def estimate_offset(one_TD, other_TD, most_frames):
    return offset_of_curves(change_curve(one_TD), change_curve(other_TD), most_frames)


def motion(rng, frames):
    """Smooth 6-D motion whose speed comes and goes within about a second."""
    decay = np.exp(-1 / 30)
    speed = np.exp(lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.normal(size=frames)))
    pushes = lfilter([1], [1, -0.9], rng.normal(size=(frames, 6)), axis=0)
    return np.cumsum(0.03 * speed[:, None] * pushes, axis=0)


def two_views(seed=0, noise=0.1, own=0.3, dim=64, decay=0.9):
    """Non-linear views of one motion, each with motion and correlated noise of its own; (frames + 2 spare, dim)."""
    rng = np.random.default_rng(seed)
    frames = FRAMES + 2 * SPARE
    shared = motion(rng, frames)
    views = []
    for _ in range(2):
        latent = np.concatenate([shared, own * motion(rng, frames)], axis=1)
        seen = np.maximum(np.tanh(0.5 * latent @ rng.normal(size=(12, dim))) + 0.3 * rng.normal(size=dim), 0)
        own_noise = lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.normal(size=(frames, dim)), axis=0)
        views.append((seen + noise * own_noise).astype(np.float32))
    return views


def late_by(x_TD, offset):
    """A stretch of FRAMES frames in which everything happens ``offset`` frames later."""
    return x_TD[SPARE - offset : SPARE - offset + FRAMES]


@pytest.mark.parametrize("planted", [-47, -5, -2, 0, 3, 30])
@pytest.mark.parametrize("seed", range(2))
def test_planted_offsets_are_found(planted, seed):
    one, other = two_views(seed)
    found = estimate_offset(late_by(one, 0), late_by(other, planted), 60)
    assert abs(found.exact_frames - planted) <= 2
    assert found.reliable
    back = estimate_offset(late_by(other, planted), late_by(one, 0), 60)
    assert back.frames == -found.frames


def test_the_median_over_recordings_is_right_to_half_a_frame():
    pairs = [two_views(seed, noise=0.2) for seed in range(9)]
    found = [estimate_offset(late_by(one, 0), late_by(other, 3), 60) for one, other in pairs]
    told = [offset.exact_frames for offset in found if offset.reliable]
    assert len(told) >= 6
    assert abs(np.median(told) - 3) <= 0.5


@pytest.mark.parametrize("planted", [-5, 12])
def test_without_motion_of_their_own_the_frame_is_exact(planted):
    one, other = two_views(5, noise=0.01, own=0.0)
    found = estimate_offset(late_by(one, 0), late_by(other, planted), 40)
    assert found.frames == planted
    assert abs(found.exact_frames - planted) < 0.5


def test_half_a_frame_is_seen():
    one, other = two_views(1, noise=0.01, own=0.0)
    between = (0.5 * (other[:-1] + other[1:])).astype(np.float32)  # frame t shows what t + 1/2 showed
    found = estimate_offset(late_by(one, 0), late_by(between, 0), 40)
    assert found.exact_frames == pytest.approx(-0.5, abs=0.25)


def test_unrelated_views_are_not_believed():
    found = [estimate_offset(late_by(two_views(s)[0], 0), late_by(two_views(s + 99)[1], 0), 60) for s in range(12)]
    assert sum(offset.reliable for offset in found) == 0


def test_an_offset_outside_the_range_is_not_believed():
    one, other = two_views()
    assert not estimate_offset(late_by(one, 0), late_by(other, 40), 20).reliable


def test_motion_that_repeats_is_not_believed():
    rng = np.random.default_rng(0)
    curve = np.tile(rng.normal(size=40), 75)
    assert offset_of_curves(curve, curve, 60).sigmas > LEAST_SIGMAS
    assert offset_of_curves(curve, curve, 60).confidence == pytest.approx(1, abs=0.05)
    assert not offset_of_curves(curve, curve, 60).reliable
    assert offset_of_curves(curve, curve, 30).reliable  # within one period nothing rivals it


def test_missing_frames_do_not_move_it():
    one, other = (late_by(view, lag).copy() for view, lag in zip(two_views(2), (0, 4), strict=True))
    rng = np.random.default_rng(0)
    for view in (one, other):
        for start in rng.integers(0, FRAMES, 15):
            view[start : start + 20] = np.nan
    one[:50] = np.nan
    found = estimate_offset(one, other, 60)
    assert found.reliable
    assert abs(found.exact_frames - 4) <= 1


def test_still_short_and_absent_views_tell_nothing():
    other = late_by(two_views()[1], 0)
    assert estimate_offset(np.ones_like(other), other, 60) == NO_OFFSET
    assert estimate_offset(np.full_like(other, np.nan), other, 60) == NO_OFFSET
    assert estimate_offset(other[:20], other[:20], 60) == NO_OFFSET
    assert estimate_offset(other[:0], other[:0], 60) == NO_OFFSET


def test_curves_are_standardised_and_zero_where_nothing_is_known():
    x_TD = late_by(two_views()[0], 0).copy()
    x_TD[1000:1010] = np.nan
    curve = change_curve(x_TD)
    assert len(curve) == FRAMES
    assert not curve[991:1019].any() and not curve[:9].any() and not curve[-9:].any()
    known = curve[curve != 0]
    assert known.std() == pytest.approx(1, abs=0.01)
    assert known.mean() == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(change_curve(3 * x_TD), curve, atol=1e-3)


def test_correlations_equal_the_slow_way():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 200))
    values, sigma = correlations(one, other, 15)
    for place, lag in enumerate(range(-15, 16)):
        pairs = [(one[t], other[t + lag]) for t in range(200) if 0 <= t + lag < 200]
        assert values[place] == pytest.approx(sum(a * b for a, b in pairs) / len(pairs))
    assert sigma == pytest.approx(1 / np.sqrt(200), rel=0.4)
    assert offset_of_curves(one, np.roll(one, 7), 15).frames == 7
