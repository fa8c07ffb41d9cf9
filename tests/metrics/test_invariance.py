"""Invariance and collapse: known values, and verdicts by name."""

import numpy as np
import pytest

from viewloom.metrics.invariance import InvarianceState, retrieval_accuracy

RNG = np.random.default_rng(0)


def views(count=3, moments=400, dim=8, noise=0.1, offset=0.0):
    latent = RNG.normal(size=(moments, dim))
    offsets = offset * RNG.normal(size=(count, 1, dim))
    return latent + offsets + noise * RNG.normal(size=(count, moments, dim))


def effective_rank(x_ND):
    return InvarianceState.of(x_ND[None]).effective_rank


def view_share(z_VNZ):
    return InvarianceState.of(z_VNZ).view_share


def verdict_of(z_VNZ, x_VNZ):
    return InvarianceState.of(z_VNZ).verdict(InvarianceState.of(x_VNZ))


def test_effective_rank_of_plain_shapes():
    orthogonal = np.linalg.qr(RNG.normal(size=(200, 6)) - 0.0)[0]
    orthogonal -= orthogonal.mean(axis=0)
    singular = np.linalg.svd(orthogonal, compute_uv=False)
    shares = singular / singular.sum()
    assert effective_rank(orthogonal) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert effective_rank(orthogonal) == pytest.approx(6, abs=0.05)
    line = np.outer(RNG.normal(size=100), np.ones(5)) + 3
    assert effective_rank(line) == pytest.approx(1)
    assert effective_rank(np.full((50, 4), 0.1)) == 0
    assert effective_rank(np.full((3, 9), 1e3, np.float32)) == 0


def test_effective_rank_of_more_features_than_steps():
    wide = RNG.normal(size=(10, 50))
    centred = wide - wide.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)[:-1]
    shares = singular / singular.sum()
    assert effective_rank(wide) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_effective_rank_knows_neither_scale_nor_turn():
    x = RNG.normal(size=(300, 5)) * [3, 1, 1, 0.5, 0.1]
    turn = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    assert effective_rank(x) == pytest.approx(effective_rank(40 * x @ turn + 7))


def test_deviation_is_over_time_and_not_over_views():
    z = views(noise=0, offset=5)
    np.testing.assert_allclose(InvarianceState.of(z).deviation_Z, z[0].std(axis=0))


def test_share_between_views():
    same = np.repeat(RNG.normal(size=(1, 50, 4)), 3, axis=0)
    assert view_share(same) < 1e-30
    assert view_share(RNG.normal(size=(3, 20_000, 4))) == pytest.approx(2 / 3, abs=0.01)
    assert view_share(same + 100 * np.arange(3)[:, None, None]) > 0.99
    assert view_share(np.ones((2, 5, 3))) == 0


def test_retrieval_counts_moments_found():
    latent = RNG.normal(size=(1, 30, 6))
    assert retrieval_accuracy(np.repeat(latent, 3, axis=0)) == 1
    assert retrieval_accuracy(RNG.normal(size=(2, 400, 6))) < 0.03
    late = np.concatenate([latent[:, 1:], latent[:, :-1]])
    assert retrieval_accuracy(late) == 0
    # The first step of the late view, and the last of the other, have no counterpart.
    assert retrieval_accuracy(late, tolerance=1) >= 28 / 29
    far = np.concatenate([latent, latent]) + 1e8
    assert retrieval_accuracy(far) == 1


def test_retrieval_against_a_loop():
    z = RNG.normal(size=(3, 25, 4)) + 0.7 * RNG.normal(size=(1, 25, 4))
    found = [
        abs(int(np.argmin([((z[a, t] - other) ** 2).sum() for other in z[b]])) - t) <= 2
        for a in range(3)
        for b in range(3)
        for t in range(25)
        if a != b
    ]
    assert retrieval_accuracy(z, 2) == pytest.approx(np.mean(found))


def test_sound_features_have_no_verdict():
    x = views()
    for z in (x, 0.1 * x, 5 * x + 3, x @ np.linalg.qr(RNG.normal(size=(8, 8)))[0], x[..., :3]):
        assert verdict_of(z, x) is None


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda x: np.full_like(x, 2.0), "constant"),
        (lambda x: np.zeros_like(x), "constant"),
        (lambda x: 1e-3 * x, "constant"),
        (lambda x: x + 500.0, "constant"),
        (lambda x: 0 * x + np.arange(3)[:, None, None], "constant"),
        (lambda x: np.repeat(x[..., :1], 8, axis=2), "few dimensions"),
        (lambda x: np.concatenate([x[..., :2], 0.001 * x], axis=2), "few dimensions"),
        (lambda x: np.where(np.arange(400)[None, :, None] == 3, np.nan, x), "not finite"),
    ],
)
def test_collapse_is_named(spoil, name):
    x = views(dim=40) if name == "few dimensions" else views()
    verdict = verdict_of(spoil(x), x)
    assert verdict is not None and name in verdict


def test_state_equals_the_plain_sums_in_any_pieces():
    z = views(offset=2)
    state, other = InvarianceState(), InvarianceState()
    state.add(z[:, :1])
    state.add(z[:, 1:150])
    other.add(z[:, 150:])
    state.merge(other)
    np.testing.assert_allclose(state.deviation_Z, np.sqrt(z.var(axis=1).mean(axis=0)))
    singular = np.linalg.svd((z - z.mean(axis=1, keepdims=True)).reshape(-1, 8), compute_uv=False)
    shares = singular / singular.sum()
    assert state.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    within, total = (np.square(z - z.mean(axis=axes)).sum() for axes in (0, (0, 1)))
    assert state.view_share == pytest.approx(within / total)
    assert state.verdict(state) is None
