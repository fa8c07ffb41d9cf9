"""Losses that learn over views, against plain loops; what their minimum is; nothing from what isn't there."""

from itertools import combinations, permutations

import pytest
import torch

from viewloom.losses.barlow import TINY as VARIANCE_TINY
from viewloom.losses.barlow import barlow_terms
from viewloom.losses.collapse import covariance_term, masked_covariance, masked_covariances, variance_term
from viewloom.losses.eckart_young import eckart_young
from viewloom.losses.info_nce import TINY, info_nce, near_in_time, unit
from viewloom.losses.vicreg import vicreg_terms

DOUBLE = {"dtype": torch.float64}
Z = torch.randn(3, 3, 6, 4, generator=torch.Generator().manual_seed(0), **DOUBLE)
"""Three rows, three views, six steps, four features."""
MASK = torch.rand(3, 3, 6, generator=torch.Generator().manual_seed(1)) < 0.8
MASK[1, 0] = False
RECORDING = torch.tensor([0.0, 0, 0, 1, 1, 2])
TIME_S = torch.tensor([0.0, 1.0, 2.5, 0.0, 1.0, 1.0], **DOUBLE)
NEAR = near_in_time(RECORDING, TIME_S, 1.0)
LOSSES = {
    "info_nce": lambda z, mask: info_nce(z[0, 0], z[0, 1], NEAR, 0.5),
    "eckart_young": eckart_young,
    "vicreg": lambda z, mask: torch.stack(vicreg_terms(z, mask)).sum(),
    "barlow": lambda z, mask: torch.stack(barlow_terms(z, mask)).sum(),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
every_masked = pytest.mark.parametrize("loss", list(LOSSES.values())[1:], ids=list(LOSSES)[1:])


def steps_of(z_BVTZ, mask_BVT, *views):
    """Features (N, Z) of each of some views at the steps that all of them have, collected by loops."""
    kept = [
        (row, step)
        for row in range(len(z_BVTZ))
        for step in range(z_BVTZ.shape[2])
        if all(mask_BVT[row, view, step] for view in views)
    ]
    return [torch.stack([z_BVTZ[row, view, step] for row, step in kept]) for view in views]


def plain_covariance(x_NZ, y_NZ):
    x_mean, y_mean = x_NZ.mean(0), y_NZ.mean(0)
    pairs = zip(x_NZ, y_NZ, strict=True)
    return sum(torch.outer(x_Z - x_mean, y_Z - y_mean) for x_Z, y_Z in pairs) / (len(x_NZ) - 1)


@every_loss
def test_gradcheck(loss):
    assert torch.autograd.gradcheck(lambda z: loss(z, MASK), (Z.clone().requires_grad_(),))


@every_masked
def test_what_is_masked_is_never_used(loss):
    z = Z.clone().requires_grad_()
    value = loss(z, MASK)
    value.backward()
    assert value > 0 and not z.grad[~MASK].any()
    torch.testing.assert_close(loss(Z.masked_fill(~MASK[..., None], torch.nan), MASK), value.detach())


@every_masked
def test_views_that_never_meet_cost_nothing(loss):
    alone = torch.zeros_like(MASK)
    alone[0, 0], alone[1, 1], alone[2, 2] = True, True, True
    z = Z.clone().requires_grad_()
    together = alone & (alone.sum(1, keepdim=True) >= 2)
    value = loss(z, alone if loss is not LOSSES["vicreg"] else together)
    value.backward()
    assert value.isfinite() and not z.grad.any()
    if loss is not LOSSES["vicreg"]:  # what isn't there doesn't vary
        assert value == 0


def test_info_nce_is_the_plain_double_loop():
    a_NZ, b_NZ, t = Z[0, 0], Z[0, 1], 0.3
    losses = []
    for first, second in ((a_NZ, b_NZ), (b_NZ, a_NZ)):
        for i in range(6):
            cosines = [
                float(first[i] @ second[j] / ((first[i] @ first[i] + TINY) * (second[j] @ second[j] + TINY)).sqrt())
                for j in range(6)
            ]
            allowed = [
                j for j in range(6) if j == i or RECORDING[i] != RECORDING[j] or abs(TIME_S[i] - TIME_S[j]) > 1.0
            ]
            exps = {j: torch.tensor(cosines[j] / t, **DOUBLE).exp() for j in allowed}
            losses.append(-(exps[i] / sum(exps.values())).log())
    torch.testing.assert_close(info_nce(a_NZ, b_NZ, NEAR, t), torch.stack(losses).mean())


def test_steps_near_in_time_are_no_negatives_of_each_other():
    assert NEAR.tolist() == [
        [True, True, False, False, False, False],
        [True, True, False, False, False, False],
        [False, False, True, False, False, False],
        [False, False, False, True, True, False],
        [False, False, False, True, True, False],
        [False, False, False, False, False, True],
    ]
    z = Z[0, 0].clone().requires_grad_()
    info_nce(z, Z[0, 1], torch.ones(6, 6, dtype=torch.bool), 0.1).backward()  # nothing but positives
    assert not z.grad.any()


def test_features_that_are_nothing_have_a_finite_gradient():
    z = torch.zeros(2, 3, requires_grad=True)
    unit(z).sum().backward()
    assert z.grad.isfinite().all() and z.grad.max() <= TINY**-0.5 * 1.001
    assert info_nce(Z[0, 0, :0], Z[0, 1, :0], NEAR[:0, :0], 0.1) == 0


def test_eckart_young_is_its_equation():
    shared, within = 0.0, 0.0
    for a, b in permutations(range(3), 2):
        x_NZ, y_NZ = steps_of(Z, MASK, a, b)
        shared = shared + plain_covariance(x_NZ, y_NZ) / 2  # V - 1
        within = within + plain_covariance(x_NZ, x_NZ) / 2  # the mean over the views it meets
    expected = 1 + (-2 * shared.trace() + (within**2).sum()) / 4
    torch.testing.assert_close(eckart_young(Z, MASK), expected)


def test_the_minimum_of_eckart_young_are_canonical_components():
    """The loss of linear maps can't fall below 1 - mean of squared correlations, which CCA's maps reach."""
    generator = torch.Generator().manual_seed(2)
    latent = torch.randn(500, 3, generator=generator, **DOUBLE)
    views = [
        latent @ torch.randn(3, 3, generator=generator, **DOUBLE)
        + 0.7 * torch.randn(500, 3, generator=generator, **DOUBLE)
        for _ in range(2)
    ]
    x, y = (view - view.mean(0) for view in views)
    roots = [torch.linalg.cholesky(torch.linalg.inv(v.mT @ v / 499)) for v in (x, y)]
    left, correlations, right = torch.linalg.svd(roots[0].mT @ (x.mT @ y / 499) @ roots[1])
    scale = (correlations / 2).sqrt()  # V = Var + Var is then as large as the correlation
    best = torch.stack([x @ roots[0] @ left * scale, y @ roots[1] @ right.mT * scale])
    mask = torch.ones(1, 2, 500, dtype=torch.bool)
    found = eckart_young(best[None], mask)
    torch.testing.assert_close(found, 1 - correlations.square().mean())
    for size in (1e-2, 1e-1):
        for _ in range(5):
            turn = torch.eye(3, **DOUBLE) + size * torch.randn(3, 3, generator=generator, **DOUBLE)
            other = torch.stack([best[0] @ turn, best[1]])
            assert eckart_young(other[None], mask) > found


def test_views_that_share_all_or_nothing_are_the_ends_of_eckart_young():
    mask = torch.ones(1, 3, 400, dtype=torch.bool)
    one = torch.linalg.qr(torch.randn(400, 4, generator=torch.Generator().manual_seed(3), **DOUBLE))[0]
    one = one - one.mean(0)
    one = torch.linalg.qr(one)[0] * (399 / 3) ** 0.5  # variance 1/V each, so that V = 1
    torch.testing.assert_close(eckart_young(one.expand(1, 3, 400, 4), mask), torch.tensor(0.0, **DOUBLE))
    torch.testing.assert_close(eckart_young(0 * one.expand(1, 3, 400, 4), mask), torch.tensor(1.0, **DOUBLE))


def test_vicreg_is_its_three_terms():
    together = MASK & (MASK.sum(1, keepdim=True) >= 2)
    invariance, variance, covariance = vicreg_terms(Z, together)
    pairs = [steps_of(Z, together, a, b) for a, b in combinations(range(3), 2)]
    torch.testing.assert_close(invariance, torch.stack([(x - y).square().mean() for x, y in pairs]).mean())
    own = [masked_covariance(Z[:, view], together[:, view]) for view in range(3)]
    torch.testing.assert_close(variance, torch.stack([variance_term(c) for c in own]).mean())
    torch.testing.assert_close(covariance, torch.stack([covariance_term(c) for c in own]).mean())


def test_barlow_is_its_correlations():
    same, other = [], []
    for a, b in combinations(range(3), 2):
        x_NZ, y_NZ = steps_of(Z, MASK, a, b)
        x_Z, y_Z = ((plain_covariance(v, v).diagonal() + VARIANCE_TINY).sqrt() for v in (x_NZ, y_NZ))
        correlation_ZZ = plain_covariance(x_NZ, y_NZ) / torch.outer(x_Z, y_Z)
        same.append(sum((1 - correlation_ZZ[i, i]) ** 2 for i in range(4)) / 4)
        other.append(sum(correlation_ZZ[i, j] ** 2 for i, j in permutations(range(4), 2)) / 4)
    for found, expected in zip(barlow_terms(Z, MASK), (same, other), strict=True):
        torch.testing.assert_close(found, torch.stack(expected).mean())


def test_a_pair_that_never_meets_has_no_part_in_barlow():
    apart = MASK.clone()
    apart[:, 2] = False
    for found, expected in zip(barlow_terms(Z, apart), barlow_terms(Z[:, :2], MASK[:, :2]), strict=True):
        torch.testing.assert_close(found, expected)


def test_covariances_together_are_those_of_each():
    x, y, mask = Z[:, 0], Z[:, 1, :, :3], MASK[:, 0]
    found = masked_covariances([x, y], mask)
    torch.testing.assert_close(found[0, 0], masked_covariance(x, mask))
    torch.testing.assert_close(found[1, 1], masked_covariance(y, mask))
    torch.testing.assert_close(found[0, 1], plain_covariance(x[mask], y[mask]))
