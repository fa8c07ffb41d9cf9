"""Loss functions of a head, against plain loops and on hard input."""

import math

import pytest
import torch

from viewloom.losses.segmentation import (
    mean_log_probabilities,
    mean_probabilities,
    smoothing,
    step_cross_entropy,
)

B, T, K = 2, 6, 4


def random_levels(scale=1.0, count=3):
    generator = torch.Generator().manual_seed(0)
    return [scale * torch.randn(B, T, K, generator=generator, dtype=torch.float64) for _ in range(count)]


def random_logp():
    return random_levels(3.0)[0].log_softmax(-1)


WEIGHTS = torch.tensor([1.0, 0.0, 2.5], dtype=torch.float64)
PAIRS = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
LABELS = torch.tensor([[0, 3, -100, 1, 2, -100], [-100, -100, 2, 2, 0, 1]])


def test_mean_of_the_levels():
    levels = random_levels()
    expected = sum(w / 3.5 * level.softmax(-1) for w, level in zip((1.0, 0.0, 2.5), levels, strict=True))
    torch.testing.assert_close(mean_probabilities(levels, WEIGHTS), expected)
    torch.testing.assert_close(mean_log_probabilities(levels, WEIGHTS), expected.log())
    floored = mean_log_probabilities(levels, 7 * WEIGHTS, floor=0.01)
    torch.testing.assert_close(floored, (expected + 0.01).log())


def test_one_level_is_its_softmax():
    levels = random_levels(count=1)
    one = torch.ones(1)
    torch.testing.assert_close(mean_probabilities(levels, one), levels[0].softmax(-1))
    torch.testing.assert_close(mean_log_probabilities(levels, one), levels[0].log_softmax(-1))


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
def test_vanishing_probabilities_keep_value_and_gradient(weights):
    levels = [torch.zeros(1, 1, 2) for _ in range(3)]
    for level in levels:
        level[..., 1] = -500.0
        level.requires_grad_()
    logp = mean_log_probabilities(levels, torch.tensor(weights))
    assert logp[0, 0, 1].item() == pytest.approx(-500.0, rel=1e-5)
    loss = step_cross_entropy(logp, torch.ones(1, 1, dtype=torch.int64))
    loss.backward()
    for level, weight in zip(levels, weights, strict=True):
        share = weight / sum(weights)
        torch.testing.assert_close(level.grad[0, 0], torch.tensor([share, -share]))


def test_cross_entropy_is_the_mean_over_labelled_steps():
    logp = random_logp()
    terms = [-logp[b, t, LABELS[b, t]] for b in range(B) for t in range(T) if LABELS[b, t] >= 0]
    torch.testing.assert_close(step_cross_entropy(logp, LABELS), sum(terms) / len(terms))
    torch.testing.assert_close(step_cross_entropy(logp, LABELS, torch.tensor(4)), sum(terms) / 4)


def test_smoothing_is_the_truncated_mean_square_of_changes():
    logp = random_logp()
    terms = [
        min((logp[b, t + 1, k] - logp[b, t, k]) ** 2, 4.0)
        for b in range(B)
        for t in range(T - 1)
        if PAIRS[b, t]
        for k in range(K)
    ]
    assert max(terms) == 4.0 > min(terms)
    torch.testing.assert_close(smoothing(logp, PAIRS, max_square=4.0), sum(terms) / (4 * K))
    torch.testing.assert_close(smoothing(logp, PAIRS, torch.tensor(10), 4.0), sum(terms) / (10 * K))


def test_smoothing_pulls_a_step_towards_its_predecessor_only():
    logp = torch.tensor([[[0.0], [1.0], [1.0]]], requires_grad=True)
    smoothing(logp, torch.ones(1, 2, dtype=torch.bool)).backward()
    assert logp.grad[0, :, 0].tolist() == [0.0, 1.0, 0.0]


def test_truncated_changes_have_no_gradient():
    logp = torch.tensor([[[0.0], [5.0], [6.0]]], requires_grad=True)
    value = smoothing(logp, torch.ones(1, 2, dtype=torch.bool))
    value.backward()
    assert value.item() == (16.0 + 1.0) / 2
    assert logp.grad[0, :, 0].tolist() == [0.0, 0.0, 1.0]


def test_nothing_to_average_is_zero_with_zero_gradient():
    logp = random_logp().requires_grad_()
    total = step_cross_entropy(logp, torch.full_like(LABELS, -100)) + smoothing(logp, PAIRS & False)
    total.backward()
    assert total.item() == 0 and not logp.grad.any()
    single = random_logp()[:, :1]
    assert smoothing(single, PAIRS[:, :0]).item() == 0


def test_gradients():
    levels = [level.requires_grad_() for level in random_levels()]
    check = torch.autograd.gradcheck
    assert check(lambda *many: mean_log_probabilities(many, WEIGHTS), levels)
    assert check(lambda *many: mean_log_probabilities(many, WEIGHTS, 0.1), levels)
    assert check(lambda *many: mean_probabilities(many, WEIGHTS), levels)
    logp = random_logp().requires_grad_()
    assert check(lambda x: step_cross_entropy(x, LABELS), logp)


def test_gradient_of_smoothing_takes_the_earlier_step_as_given():
    """`gradcheck` can't see a stopped gradient, so the earlier steps are handed in apart."""
    logp = random_logp()
    moved = logp.clone().requires_grad_()
    smoothing(moved, PAIRS, max_square=4.0).backward()

    def plain(later):
        squares = (later[:, 1:] - logp[:, :-1]).square().clamp(max=4.0)
        return (squares * PAIRS[..., None]).sum() / (4 * K)

    given = logp.clone().requires_grad_()
    assert torch.autograd.gradcheck(plain, given)
    plain(given).backward()
    torch.testing.assert_close(moved.grad, given.grad)


def test_uniform_logits_cost_the_logarithm_of_the_number_of_classes():
    logp = mean_log_probabilities([torch.zeros(1, 3, 7)] * 6, torch.ones(6))
    assert step_cross_entropy(logp, torch.tensor([[0, 6, 3]])).item() == pytest.approx(math.log(7))
