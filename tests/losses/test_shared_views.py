"""Losses over sequences and labelled segments of several views, against plain loops."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from viewloom.losses.shared_views import segment_loss, segment_means, sequence_loss

LABELS = torch.tensor([[-100, 2, 2, 0, 0, 2], [1, 1, 0, -100, -100, -100]])
MASK = torch.ones(2, 2, 6, dtype=torch.bool)
MASK[0, 1, 1:3] = False  # the second view lacks a whole segment
MASK[0, 0, 3] = False
MASK[1, :, 3:] = False


def features():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 6, 4, generator=generator, dtype=torch.float64).masked_fill(~MASK[..., None], 50.0)


def slow_means(z):
    """Mean, label and view of each run of one label, step by step."""
    found = []
    for row in range(2):
        runs = [list(run) for _, run in itertools.groupby(range(6), key=lambda t: LABELS[row, t].item())]
        for view, run in itertools.product(range(2), runs):
            steps = [z[row, view, t] for t in run if MASK[row, view, t]]
            if steps and LABELS[row, run[0]] >= 0:
                found.append((torch.stack(steps).mean(0), LABELS[row, run[0]].item(), view))
    return found


def slow_segment_loss(found, temperature):
    each = []
    for i, (a, label, view) in enumerate(found):
        scores = [torch.exp(F.cosine_similarity(a, b, dim=0) / temperature) for b, _, _ in found]
        others = sum(s for s, (_, other, _) in zip(scores, found, strict=True) if other != label)
        positives = [j for j, (_, l2, v2) in enumerate(found) if l2 == label and v2 != view and j != i]
        if positives:
            each.append(-sum(torch.log(scores[j] / (scores[j] + others)) for j in positives) / len(positives))
    return sum(each) / len(each)


def test_segments_are_runs_of_a_label_in_a_view():
    z, found = features(), slow_means(features())
    means, labels, views = segment_means(z, MASK, LABELS)
    key = lambda triple: (triple[1], triple[2], triple[0][0].item())  # noqa: E731
    got = sorted(zip(means, labels.tolist(), views.tolist(), strict=True), key=key)
    expected = sorted(found, key=key)
    assert len(got) == len(expected) == 9
    for (mean, label, view), (other, other_label, other_view) in zip(got, expected, strict=True):
        torch.testing.assert_close(mean, other)
        assert (label, view) == (other_label, other_view)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_segment_loss_is_that_of_a_loop(temperature):
    z = features()
    torch.testing.assert_close(
        segment_loss(*segment_means(z, MASK, LABELS), temperature), slow_segment_loss(slow_means(z), temperature)
    )


def test_sequence_loss_is_that_of_a_loop_and_moves_the_predicted_side_alone():
    z, predicted = features().requires_grad_(), features().flip(-1).requires_grad_()
    expected = 0.0
    for a, b in ((0, 1), (1, 0)):
        both = [(row, t) for row in range(2) for t in range(6) if MASK[row, a, t] and MASK[row, b, t]]
        apart = [1 - F.cosine_similarity(predicted[row, a, t], z[row, b, t], dim=0) for row, t in both]
        expected = expected + sum(apart) / len(apart) / 2
    loss = sequence_loss(predicted, z, MASK)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert z.grad is None and predicted.grad[MASK.all(dim=1, keepdim=True).expand(MASK.shape)].any()
    assert not predicted.grad[~MASK].any()


def test_gradients():
    z = features().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: segment_loss(*segment_means(x, MASK, LABELS), 0.5), z)
    fixed = features().flip(-1)
    assert torch.autograd.gradcheck(lambda x: sequence_loss(x, fixed, MASK), z)


def test_nothing_to_compare_costs_nothing():
    z = features().requires_grad_()
    one_view = MASK.clone()
    one_view[:, 1] = False
    total = segment_loss(*segment_means(z, one_view, LABELS)) + sequence_loss(z, z, one_view)
    total = total + segment_loss(*segment_means(z, MASK, torch.full_like(LABELS, -100)))
    total.backward()
    assert total.item() == 0 and not z.grad.any()
