"""The boundary head against a slow plain reference, in float64."""

import numpy as np
import pytest
import torch

from tests.parity.reference_boundary import boundaries, boundary_stages, loss, refined
from viewloom.registry import HEADS

DIM, CLASSES, LENGTHS = 3, 4, (37, 21)
IGNORE = -100


def random_head(**options):
    """A narrow float64 head around a linear one, whose weights are large enough for every layer to matter."""
    torch.manual_seed(0)
    cls = HEADS.get("boundary")
    settings = {"inner": "linear", "width": 5, "layers": 3, "stages": 3} | options
    head = cls(DIM, CLASSES, cls.Config(**settings)).double().eval()
    for value in head.parameters():
        value.data.mul_(2)
    return head


def rows():
    """Features, labels and mask of a padded batch with missing frames; garbage where the mask is False."""
    generator = torch.Generator().manual_seed(1)
    x_BTD = torch.randn(len(LENGTHS), 40, DIM, generator=generator, dtype=torch.float64)
    mask_BT = torch.arange(40) < torch.tensor(LENGTHS)[:, None]
    mask_BT[0, 11:14] = False
    labels_BT = torch.randint(CLASSES, (len(LENGTHS), 10), generator=generator).repeat_interleave(4, dim=1)
    labels_BT[0, 3:6] = IGNORE
    return x_BTD.masked_fill(~mask_BT[..., None], 1e3), labels_BT, mask_BT


def taught_rows():
    """Labels of every second stretch of five steps, and probabilities of most other steps."""
    x_BTD, labels_BT, mask_BT = rows()
    generator = torch.Generator().manual_seed(5)
    soft_BTK = torch.randn(*labels_BT.shape, CLASSES, generator=generator, dtype=torch.float64).softmax(dim=-1)
    place_T = torch.arange(40)
    labels_BT = labels_BT.masked_fill(place_T // 5 % 2 == 1, IGNORE)
    return x_BTD, labels_BT, soft_BTK * ((labels_BT == IGNORE) & (place_T % 7 > 0))[..., None], mask_BT


def referred(head, x_BTD, mask_BT):
    """For each row the boundary stages' logits (T,), over its own length alone."""
    state = {name: value.numpy() for name, value in head.state_dict().items()}
    each = zip(x_BTD.numpy(), mask_BT.numpy(), LENGTHS, strict=True)
    return [boundary_stages(state, x_TD[:length].T, mask_T[:length]) for x_TD, mask_T, length in each]


def test_every_boundary_stage_is_the_reference_s():
    head, (x_BTD, _, mask_BT) = random_head(), rows()
    levels = head(x_BTD, mask_BT)
    assert len(levels) == 4
    for row, stages in enumerate(referred(head, x_BTD, mask_BT)):
        for level_BTK, stage_T in zip(levels[1:], reversed(stages), strict=True):
            for label in range(CLASSES):
                found_T = level_BTK[row, : LENGTHS[row], label].detach().numpy()
                np.testing.assert_allclose(found_T, stage_T, rtol=1e-9, atol=1e-9)
            assert np.ptp(stage_T) > 1e-2, "steps are too alike for the test to say anything"


@pytest.mark.parametrize("settings", [{}, {"positive_weight": 3.0}, {"loss_weight": 0.7}, {"loss_weight": 0.0}])
def test_loss_is_the_reference_s(settings):
    head, (x_BTD, labels_BT, mask_BT) = random_head(**settings), rows()
    levels, nobody = head(x_BTD, mask_BT), np.zeros((2, 40, CLASSES))
    found = head.loss(levels, labels_BT, mask_BT)
    positive, share = settings.get("positive_weight"), settings.get("loss_weight", 0.1)
    own = [[np.pad(stage_T, (0, 40 - len(stage_T))) for stage_T in stages] for stages in referred(head, x_BTD, mask_BT)]
    expected = loss(own, labels_BT.numpy(), nobody, mask_BT.numpy(), positive=positive, share=share)
    inner = head.inner.loss(levels[:1], labels_BT, mask_BT).total.item()
    np.testing.assert_allclose(found.total.item(), inner + expected, rtol=1e-9)
    np.testing.assert_allclose(found.parts["boundary"].item(), expected, rtol=1e-9)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_loss_with_a_teacher_is_the_reference_s(weight):
    head, (x_BTD, labels_BT, soft_BTK, mask_BT) = random_head(), taught_rows()
    levels = head(x_BTD, mask_BT)
    found = head.loss_with_taught(levels, labels_BT, soft_BTK, mask_BT, weight)
    own = [[np.pad(stage_T, (0, 40 - len(stage_T))) for stage_T in stages] for stages in referred(head, x_BTD, mask_BT)]
    expected = loss(own, labels_BT.numpy(), soft_BTK.numpy(), mask_BT.numpy(), weight)
    inner = head.inner.loss_with_taught(levels[:1], labels_BT, soft_BTK, mask_BT, weight).total.item()
    np.testing.assert_allclose(found.total.item(), inner + expected, rtol=1e-9)


@pytest.mark.parametrize("vote", ["mean", "majority"])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_refinement_is_the_reference_s(vote, threshold):
    head, (x_BTD, _, mask_BT) = random_head(vote=vote, threshold=threshold), rows()
    for stage in head.stages:
        stage.conv_out.bias.data.fill_(0.3)
    levels, count = head(x_BTD, mask_BT), 0
    probs_BTK = head.decode(levels, mask_BT).detach().numpy()
    plain_BTK = head.inner.decode(levels[:1], mask_BT).detach().numpy()
    for row, length in enumerate(LENGTHS):
        logits_T, mask_T = levels[1][row, :length, 0].detach().numpy(), mask_BT[row, :length].numpy()
        expected_TK = refined(plain_BTK[row, :length], logits_T, mask_T, threshold, vote)
        valid_T = mask_T if vote == "majority" else np.ones_like(mask_T)
        np.testing.assert_allclose(probs_BTK[row, :length][valid_T], expected_TK[valid_T], rtol=1e-9)
        count += len(boundaries(logits_T, mask_T, threshold))
    assert count > 2, "no boundaries, and nothing to compare"
