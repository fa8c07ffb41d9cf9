"""Losses over views: means over what counts, gradients, and nothing from what doesn't."""

import pytest
import torch
import torch.nn.functional as F

from viewloom.losses.collapse import covariance_term, masked_covariance, variance_term
from viewloom.losses.distillation import feature_distillation, level_distillation
from viewloom.losses.invariance import view_invariance
from viewloom.losses.reconstruction import joint_reconstruction, view_decoding
from viewloom.losses.schedule import invariance_weight
from viewloom.losses.squared_error import squared_error

MASK = torch.tensor([[[1, 1, 1, 0], [1, 0, 1, 0]], [[1, 1, 0, 0], [0, 0, 0, 0]]]).bool()
"""Two rows, two views, four steps; the second row lacks the second view."""
EMPTY = torch.zeros_like(MASK)
Z = torch.randn(2, 2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
X = torch.randn(2, 2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
LOSSES = {
    "squared_error": lambda z, mask: squared_error(z[:, 0], X[:, 0], mask[:, 0]),
    "reconstruction": lambda z, mask: joint_reconstruction(z, X[:, 0], mask),
    "decoding": lambda z, mask: view_decoding(z, X, mask),
    "invariance": lambda z, mask: view_invariance(z, mask),
    "distillation": lambda z, mask: feature_distillation(z, X[:, 0], mask),
    "levels": lambda z, mask: level_distillation([z[:, 0], 2 * z[:, 0]], [X[:, 0], X[:, 1]], mask[:, 0]),
    "variance": lambda z, mask: variance_term(masked_covariance(z[:, 0], mask[:, 0]), 2.0),
    "covariance": lambda z, mask: covariance_term(masked_covariance(z[:, 0], mask[:, 0])),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@every_loss
def test_gradcheck(loss):
    assert torch.autograd.gradcheck(lambda z: loss(z, MASK), (Z.clone().requires_grad_(),))


@every_loss
def test_masked_steps_take_no_part(loss):
    z = Z.clone().requires_grad_()
    value = loss(z, MASK)
    value.backward()
    assert value > 0 and not z.grad[~MASK].any()
    spoilt = Z.masked_fill(~MASK[..., None], float("nan"))
    torch.testing.assert_close(loss(spoilt, MASK), value.detach())


@every_loss
def test_nothing_valid_costs_nothing(loss):
    z = Z.clone().requires_grad_()
    value = loss(z, EMPTY)
    value.backward()
    assert value.isfinite() and not z.grad.any()
    if loss is not LOSSES["variance"]:  # features that aren't there don't vary, whoever is to blame
        assert value == 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(loss, dtype):
    """Ten thousand steps: a half-precision sum would overflow, or stop growing."""
    z = torch.randn(2, 2, 5000, 3, generator=torch.Generator().manual_seed(2)).to(dtype)
    mask = torch.ones(2, 2, 5000, dtype=torch.bool)
    if loss in (LOSSES["variance"], LOSSES["covariance"], LOSSES["invariance"]):
        torch.testing.assert_close(loss(z, mask).double(), loss(z.double(), mask), rtol=2e-3, atol=1e-6)
    else:
        wide = z[:, 0].double()
        found = squared_error(z[:, 0], torch.zeros_like(z[:, 0]), mask[:, 0])
        torch.testing.assert_close(found.double(), wide.square().mean(), rtol=1e-3, atol=0)


def test_with_everything_valid_they_are_plain_means():
    everything = torch.ones_like(MASK)
    mse = F.mse_loss
    assert view_invariance(Z, everything) == pytest.approx(mse(Z[:, 0], Z[:, 1]).item())
    both = mse(Z[:, 0], X[:, 0]) + mse(Z[:, 1], X[:, 0])
    assert joint_reconstruction(Z, X[:, 0], everything) == pytest.approx(both.item())
    assert feature_distillation(Z, X[:, 0], everything) == pytest.approx(both.item())
    assert view_decoding(Z, X, everything) == pytest.approx((2 * mse(Z, X)).item())


def test_a_mean_over_processes_may_be_less_than_one_step():
    one_step = torch.zeros(1, 4, dtype=torch.bool)
    one_step[0, 0] = True
    whole = squared_error(Z[:1, 0], X[:1, 0], one_step)
    shared = squared_error(Z[:1, 0], X[:1, 0], one_step, lambda count: count / 4)
    assert shared == pytest.approx(4 * whole.item())


def test_covariance_is_the_usual_one():
    z_ND = Z[:, 0][MASK[:, 0]]
    torch.testing.assert_close(masked_covariance(Z[:, 0], MASK[:, 0]), torch.cov(z_ND.mT))


def test_variance_is_asked_of_every_feature_alone():
    z_BTD = torch.randn(1, 4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 1.0, 0.0])
    covariance = masked_covariance(z_BTD, torch.ones(1, 4000, dtype=torch.bool))
    assert variance_term(covariance, 0.9).item() == pytest.approx((0.9 - 0.01) / 3, abs=1e-3)
    assert variance_term(covariance[:2, :2], 0.9) == 0
    assert covariance_term(covariance[:2, :2]).item() < 0.05
    assert covariance_term(torch.ones(4, 4)) == 3


def test_terms_push_collapsed_features_apart():
    """Descent on invariance alone ends in one point; with the variance term, views agree and still vary."""
    mask = torch.ones(1, 2, 50, dtype=torch.bool)
    spreads = []
    for weight in (0.0, 1.0):
        z = (0.05 * torch.randn(1, 2, 50, 3, generator=torch.Generator().manual_seed(0))).requires_grad_()
        adam = torch.optim.Adam([z], lr=0.05)
        for _ in range(150):
            adam.zero_grad()
            variances = [variance_term(masked_covariance(z[:, v], mask[:, v])) for v in range(2)]
            (view_invariance(z, mask) + weight * sum(variances) + 0.01 * z.square().mean()).backward()
            adam.step()
        spreads.append((z.std().item(), (z[:, 0] - z[:, 1]).std().item()))
    assert spreads[0][0] < 0.05 < 0.8 < spreads[1][0]
    assert spreads[1][1] < 0.2


def test_schedule_is_the_report_s():
    assert [invariance_weight(e) for e in (0, 1)] == [1.0, 1.0]
    assert invariance_weight(100) == pytest.approx(200 / (100 + 100**1.18))
    assert invariance_weight(250) == pytest.approx(0.4514, abs=1e-4)
    weights = [invariance_weight(e) for e in range(1, 500)]
    assert all(later < earlier for earlier, later in zip(weights, weights[1:], strict=False))


def test_every_decoder_level_is_distilled():
    levels, wanted = [Z[:, 0], Z[:, 1], 2 * Z[:, 0]], [X[:, 0], X[:, 1], X[:, 0]]
    each = [squared_error(one, other, MASK[:, 0]) for one, other in zip(levels, wanted, strict=True)]
    torch.testing.assert_close(level_distillation(levels, wanted, MASK[:, 0]), sum(each))
    assert min(each) > 0
