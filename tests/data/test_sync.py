"""Planted offsets between views that share motion, and nothing else, are found."""

import numpy as np
import pytest

from viewloom.data.sync import change_curve, estimate_offset


def two_views(frames=3000, seed=0, noise=0.3):
    """Two non-linear views of one latent motion with bursts, each with noise of its own."""
    rng = np.random.default_rng(seed)
    speed = np.exp(np.convolve(rng.normal(size=frames + 200), np.ones(9) / 3, "same"))
    latent = np.cumsum(rng.normal(size=(frames + 200, 6)) * speed[:, None] * 0.05, axis=0)
    maps = [rng.normal(size=(6, 32)) for _ in range(2)]
    return [
        np.maximum(np.tanh(latent @ m) + noise * rng.normal(size=(frames + 200, 32)) * 0.1, 0).astype(np.float32)
        for m in maps
    ]


@pytest.mark.parametrize("planted", [-25, -3, 0, 1, 12])
@pytest.mark.parametrize("seed", range(3))
def test_planted_offsets_are_found(planted, seed):
    one, other = two_views(seed=seed)
    found = estimate_offset(one[100:3100], other[100 - planted : 3100 - planted], 60)
    assert found.frames == planted
    assert found.reliable


def test_unrelated_views_are_not_believed():
    reliable = [
        estimate_offset(two_views(seed=s)[0][:3000], two_views(seed=s + 50)[1][:3000], 60).reliable
        for s in range(10)
    ]
    assert sum(reliable) <= 1


def test_missing_frames_and_still_cameras_do_not_break_it():
    one, other = two_views()
    one[500:520] = np.nan
    assert estimate_offset(one[:3000], other[:3000], 60).frames == 0
    still = np.ones((3000, 4), np.float32)
    assert not estimate_offset(still, other[:3000], 60).reliable
    assert not change_curve(np.full((100, 3), np.nan, np.float32)).any()
