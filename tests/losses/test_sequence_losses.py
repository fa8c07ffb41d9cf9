"""Losses over pairs of sequences, against plain loops that compute a step, and a cell, at a time."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.losses.cycle import STEP_VARIANCE, cycle_back, cycle_classification, cycle_regression
from viewloom.losses.distances import squared_distances
from viewloom.losses.soft_dtw import soft_dtw, soft_dtw_divergence

LENGTHS = [(5, 3), (1, 1), (4, 6), (1, 5), (6, 1)]
"""Steps of the two sequences of each pair."""
N_P, M_P = (torch.tensor(lengths) for lengths in zip(*LENGTHS, strict=True))


def sequences(dim=3, dtype=torch.float64, scale=1.0):
    """Pairs of sequences, padded to six steps with garbage, and where they have steps."""
    generator = torch.Generator().manual_seed(0)
    u, v = (scale * torch.randn(len(LENGTHS), 6, dim, generator=generator, dtype=dtype) for _ in range(2))
    there = [torch.arange(6) < count_P[:, None] for count_P in (N_P, M_P)]
    return u.masked_fill(~there[0][..., None], 0.4), v.masked_fill(~there[1][..., None], -0.4), *there


def cut(pair, u, v):
    return u[pair, : N_P[pair]], v[pair, : M_P[pair]]


def slow_cycle(u_ND, v_MD, temperature):
    """Probability that the cycle of step n ends at step k, from the paper's equations."""
    ends = torch.zeros(len(u_ND), len(u_ND), dtype=u_ND.dtype)
    for n, u_D in enumerate(u_ND):
        alpha = F.softmax(torch.stack([-(u_D - v_D).square().mean() / temperature for v_D in v_MD]), dim=0)
        neighbour = sum(a * v_D for a, v_D in zip(alpha, v_MD, strict=True))
        ends[n] = F.softmax(torch.stack([-(neighbour - w_D).square().mean() / temperature for w_D in u_ND]), dim=0)
    return ends


def slow_soft_dtw(cost, gamma):
    """Algorithm 1, cell by cell, through which autograd finds its own way."""
    n, m = cost.shape
    table = {(i, 0): torch.tensor(1e30, dtype=cost.dtype) for i in range(1, n + 1)}
    table |= {(0, j): torch.tensor(1e30, dtype=cost.dtype) for j in range(1, m + 1)}
    table[0, 0] = torch.tensor(0.0, dtype=cost.dtype)
    for i, j in itertools.product(range(1, n + 1), range(1, m + 1)):
        ways = torch.stack([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
        table[i, j] = cost[i - 1, j - 1] - gamma * torch.logsumexp(-ways / gamma, dim=0)
    return table[n, m]


def hard_dtw(cost):
    """The cheapest of all alignments, each written out."""
    n, m = cost.shape
    if n == m == 1:
        return cost[0, 0].item()
    shorter = [cost[: n - a, : m - b] for a, b in ((1, 0), (0, 1), (1, 1)) if n > a and m > b]
    return cost[-1, -1].item() + min(map(hard_dtw, shorter))


def test_distances_are_means_over_features():
    u, v, _, _ = sequences()
    expected = (u[:, :, None] - v[:, None]).square().mean(-1)
    torch.testing.assert_close(squared_distances(u, v), expected)
    assert squared_distances(u.to(torch.bfloat16), v.to(torch.bfloat16)).dtype == torch.float32


def test_distances_are_exact_far_from_zero():
    u, v, _, _ = sequences(dtype=torch.float32)
    u, v = u[:, :1] + 1e3, v[:, :1] + 1e3
    expected = (u.double()[:, :, None] - v.double()[:, None]).square().mean(-1)
    torch.testing.assert_close(squared_distances(u, v)[1].double(), expected[1], rtol=1e-3, atol=1e-4)


def test_cycles_are_those_of_the_paper():
    u, v, u_there, v_there = sequences()
    logits = cycle_back(u, v, u_there, v_there, 0.4)
    regression, classification, steps = 0.0, 0.0, int(N_P.sum())
    for pair in range(len(LENGTHS)):
        ends = slow_cycle(*cut(pair, u, v), 0.4)
        n = len(ends)
        torch.testing.assert_close(logits[pair, :n].softmax(-1)[:, :n], ends)
        assert not logits[pair, :n].softmax(-1)[:, n:].any()
        for step, end in enumerate(ends):
            mean = sum(p * k for k, p in enumerate(end))
            spread = sum(p * (k - mean) ** 2 for k, p in enumerate(end)) + STEP_VARIANCE
            regression += (step - mean) ** 2 / spread + 0.3 * spread.sqrt().log()
            classification -= end[step].log()
    torch.testing.assert_close(cycle_regression(logits, u_there, 0.3), regression / steps)
    torch.testing.assert_close(cycle_classification(logits, u_there), classification / steps)


@pytest.mark.parametrize("loss", [cycle_regression, cycle_classification])
def test_gradients_of_cycles(loss):
    u, v, u_there, v_there = sequences()
    inputs = u.requires_grad_(), v.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: loss(cycle_back(a, b, u_there, v_there, 0.5), u_there), inputs)
    loss(cycle_back(u, v, u_there, v_there, 0.5), u_there).backward()
    assert not u.grad[~u_there].any() and not v.grad[~v_there].any()


@pytest.mark.parametrize("loss", [cycle_regression, cycle_classification])
def test_steps_in_their_order_cost_less_than_steps_mixed_up(loss):
    path = torch.linspace(0, 4, 20, dtype=torch.float64)[None, :, None] * torch.ones(2, dtype=torch.float64)
    there = torch.ones(1, 20, dtype=torch.bool)
    slow = torch.cat([path[:, :5].repeat_interleave(3, dim=1), path[:, 15:]], dim=1)
    still = torch.zeros_like(path)
    values = [loss(cycle_back(path, v, there, there, 0.01), there) for v in (path, slow, still)]
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize("loss", [cycle_regression, cycle_classification])
def test_no_step_costs_nothing(loss):
    u, v, u_there, v_there = sequences()
    u.requires_grad_()
    total = loss(cycle_back(u, v, u_there & False, v_there & False, 0.5), u_there & False)
    total.backward()
    assert total.item() == 0 and u.grad.isfinite().all() and not u.grad.any()
    empty = loss(cycle_back(u[:0], v[:0], u_there[:0], v_there[:0], 0.5), u_there[:0])
    assert empty.item() == 0


@pytest.mark.parametrize("gamma", [0.01, 0.3, 5.0])
def test_soft_dtw_and_its_gradient_are_those_of_a_loop(gamma):
    u, v, _, _ = sequences()
    cost = squared_distances(u, v).requires_grad_()
    values = soft_dtw(cost, N_P, M_P, gamma)
    weights = torch.arange(1.0, len(LENGTHS) + 1, dtype=torch.float64)
    (values * weights).sum().backward()
    for pair, (n, m) in enumerate(LENGTHS):
        plain = cost[pair, :n, :m].detach().requires_grad_()
        expected = slow_soft_dtw(plain, gamma)
        (weights[pair] * expected).backward()
        torch.testing.assert_close(values[pair], expected)
        torch.testing.assert_close(cost.grad[pair, :n, :m], plain.grad)
        assert not cost.grad[pair, n:].any() and not cost.grad[pair, :, m:].any()


def test_soft_dtw_passes_gradcheck():
    u, v, _, _ = sequences()
    inputs = u.requires_grad_(), v.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: soft_dtw(squared_distances(a, b), N_P, M_P, 0.5), inputs)
    assert torch.autograd.gradcheck(lambda a, b: soft_dtw_divergence(a, b, N_P, M_P, 0.5), inputs)


def test_soft_dtw_becomes_dtw():
    u, v, _, _ = sequences()
    cost = squared_distances(u, v)
    hard = [hard_dtw(cost[pair, :n, :m]) for pair, (n, m) in enumerate(LENGTHS)]
    assert soft_dtw(cost, N_P, M_P, 1e-4).tolist() == pytest.approx(hard, abs=2e-3)
    single = soft_dtw(cost.float(), N_P, M_P, 1e-3)
    assert single.tolist() == pytest.approx(hard, rel=1e-2, abs=1e-2)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(1, 7), m=st.integers(1, 7), gamma=st.floats(0.01, 3), seed=st.integers(0, 99))
def test_divergence_is_symmetric_not_negative_and_zero_between_equals(n, m, gamma, seed):
    generator = torch.Generator().manual_seed(seed)
    u, v = (torch.randn(1, count, 2, generator=generator, dtype=torch.float64) for count in (n, m))
    counts = torch.tensor([n]), torch.tensor([m])
    value = soft_dtw_divergence(u, v, *counts, gamma)
    torch.testing.assert_close(value, soft_dtw_divergence(v, u, *counts[::-1], gamma))
    assert value > -1e-9
    assert abs(soft_dtw_divergence(u, u, counts[0], counts[0], gamma)) < 1e-9


def test_a_sequence_played_slowly_is_near_and_backwards_is_far():
    path = torch.linspace(0, 4, 12, dtype=torch.float64)[None, :, None]
    slow, count = path.repeat_interleave(2, dim=1), torch.tensor([12])
    slowly = soft_dtw_divergence(path, slow, count, 2 * count, 0.05)
    backwards = soft_dtw_divergence(path, path.flip(1), count, count, 0.05)
    assert slowly < 0.5 < 5 < backwards


def test_long_sequences_stay_finite():
    u = torch.randn(2, 300, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    count = torch.tensor([300, 300])
    value = soft_dtw(squared_distances(u, 10 * u.detach()), count, count, 0.01)
    value.sum().backward()
    assert value.isfinite().all() and u.grad.isfinite().all() and math.isfinite(u.grad.abs().max())
