"""What is a boundary in labels and in a teacher's probabilities, and the loss of what finds them."""

import pytest
import torch

from viewloom.losses.boundaries import balance, boundary_cross_entropy, label_boundaries, soft_boundaries

IGNORE = -100


def test_a_boundary_is_a_step_whose_label_is_not_its_predecessor_s():
    labels_BT = torch.tensor([[2, 2, 1, IGNORE, 1, 1, 0, 0]])
    mask_BT = torch.tensor([[True] * 7 + [False]])
    changes_BT, known_BT = label_boundaries(labels_BT, mask_BT)
    assert known_BT[0].nonzero()[:, 0].tolist() == [1, 2, 5, 6]
    assert (changes_BT & known_BT)[0].nonzero()[:, 0].tolist() == [2, 6]


def test_certain_probabilities_have_the_boundaries_of_labels():
    generator = torch.Generator().manual_seed(0)
    labels_BT = torch.randint(4, (3, 50), generator=generator)
    mask_BT = torch.rand(3, 50, generator=generator) > 0.1
    changes_BT, known_BT = label_boundaries(labels_BT, mask_BT)
    soft_BT, both_BT = soft_boundaries(torch.nn.functional.one_hot(labels_BT, 4).double(), mask_BT)
    assert torch.equal(known_BT, both_BT)
    assert torch.equal(changes_BT[known_BT].double(), soft_BT[known_BT])


def test_an_unsure_teacher_tells_of_no_boundary_and_a_slow_change_of_one():
    unsure_BTK = torch.tensor([0.5, 0.3, 0.2]).expand(1, 20, 3)
    assert not soft_boundaries(unsure_BTK, torch.ones(1, 20, dtype=torch.bool))[0].any()
    share_T = torch.linspace(0, 1, 15)
    slow_BTK = torch.stack([1 - share_T, share_T], dim=-1)[None]
    found_BT, _ = soft_boundaries(slow_BTK, torch.ones(1, 15, dtype=torch.bool))
    assert found_BT.sum().item() == pytest.approx(1.0) and found_BT.max() < 0.1


def test_soft_boundaries_are_the_rarest_way_to_differ():
    """One less the sum of what two distributions share."""
    probs_BTK = torch.randn(2, 30, 5, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    found_BT, _ = soft_boundaries(probs_BTK, torch.ones(2, 30, dtype=torch.bool))
    shared_BT = torch.minimum(probs_BTK[:, 1:], probs_BTK[:, :-1]).sum(dim=-1)
    torch.testing.assert_close(found_BT[:, 1:], 1 - shared_BT)


def test_both_kinds_weigh_the_same():
    targets_BT = (torch.arange(40) % 8 == 0).float()[None]
    positive = balance(torch.tensor(40.0), targets_BT.sum())
    assert positive == 7
    same_BT, counted_BT = torch.zeros(1, 40, requires_grad=True), torch.ones(1, 40, dtype=torch.bool)
    boundary_cross_entropy([same_BT], targets_BT, counted_BT, positive).backward()
    assert same_BT.grad.sum().abs() < 1e-6  # half of a blind guess pulls one way, half the other


@pytest.mark.parametrize("boundaries", [0.0, 12.0])
def test_one_kind_alone_weighs_one(boundaries):
    assert balance(torch.tensor(12.0), torch.tensor(boundaries)) == 1
    assert balance(torch.tensor(0.0), torch.tensor(0.0)) == 1


def test_what_does_not_count_changes_nothing():
    logits_BT = torch.randn(1, 9, generator=torch.Generator().manual_seed(3), requires_grad=True)
    counted_BT = torch.arange(9)[None] < 6
    targets_BT = torch.full((1, 9), torch.nan).masked_fill(counted_BT, 0.3)
    loss = boundary_cross_entropy([logits_BT, logits_BT], targets_BT, counted_BT, torch.tensor(2.0))
    loss.backward()
    assert loss.isfinite() and not logits_BT.grad[0, 6:].any() and logits_BT.grad[0, :6].all()
