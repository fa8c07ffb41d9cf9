"""The linear probe against its own formula."""

import torch

from viewloom.heads.linear import LinearHead
from viewloom.metrics.segments import IGNORE


def test_logits_and_loss_are_those_of_a_linear_classifier():
    torch.manual_seed(0)
    head = LinearHead(3, 4)
    x_BTD, labels_BT = torch.randn(2, 5, 3), torch.randint(4, (2, 5))
    mask_BT = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0]], dtype=torch.bool)
    labels_BT[0, 2] = IGNORE
    levels = head(x_BTD, mask_BT)
    logits = x_BTD @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(levels[0], logits * mask_BT[..., None])
    kept = mask_BT & (labels_BT != IGNORE)
    expected = torch.nn.functional.cross_entropy(logits[kept], labels_BT[kept])
    loss = head.loss(levels, labels_BT, mask_BT)
    torch.testing.assert_close(loss.total, expected)
    torch.testing.assert_close(loss.parts["cross_entropy"], expected)


def test_bias_is_optional():
    assert LinearHead(3, 4, LinearHead.Config(bias=False)).linear.bias is None


def test_decisions_are_probabilities_of_the_logits():
    torch.manual_seed(0)
    head, mask_BT = LinearHead(3, 4), torch.ones(2, 5, dtype=torch.bool)
    levels = head(torch.randn(2, 5, 3), mask_BT)
    weights_BTK = levels[0].exp()
    torch.testing.assert_close(head.decode(levels, mask_BT), weights_BTK / weights_BTK.sum(dim=-1, keepdim=True))
