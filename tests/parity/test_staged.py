"""TCN, MS-TCN++ and their loss against a slow plain reference, in float64."""

import numpy as np
import pytest
import torch

from tests.parity.reference_staged import Reference, loss, softmax
from viewloom.registry import HEADS

DIM, CLASSES, LENGTHS = 3, 4, (37, 21)
OPTIONS = {"tcn": {"layers": 4}, "ms_tcn2": {"layers": 4, "refinements": 2, "refinement_layers": 3}}
every = pytest.mark.parametrize("name", OPTIONS)
either = pytest.mark.parametrize("causal", [False, True], ids=["both sides", "causal"])


def random_head(name, **options):
    """A narrow float64 head whose weights are large enough for every layer to matter."""
    torch.manual_seed(0)
    cls = HEADS.get(name)
    head = cls(DIM, CLASSES, cls.Config(width=5, **(OPTIONS[name] | options))).double().eval()
    for value in head.parameters():
        value.data.mul_(2)
    return head


def rows():
    """Features, labels and mask of a padded batch with missing frames; garbage where the mask is False."""
    generator = torch.Generator().manual_seed(1)
    x_BTD = torch.randn(len(LENGTHS), 40, DIM, generator=generator, dtype=torch.float64)
    mask_BT = torch.arange(40) < torch.tensor(LENGTHS)[:, None]
    mask_BT[0, 11:14] = False
    labels_BT = torch.randint(CLASSES, mask_BT.shape, generator=generator)
    labels_BT[0, 3:6] = -100
    return x_BTD.masked_fill(~mask_BT[..., None], 1e3), labels_BT, mask_BT


def referred(head, name, x_BTD, mask_BT):
    """For each row the stages' logits (K, T), over its own length alone."""
    state = {key: value.numpy() for key, value in head.state_dict().items()}
    compute = getattr(Reference(state, head.config.causal), name)
    each = zip(x_BTD.numpy(), mask_BT.numpy(), LENGTHS, strict=True)
    return [compute(x_TD[:length].T, mask_T[:length]) for x_TD, mask_T, length in each]


@every
@either
def test_every_stage_is_the_reference_s(name, causal):
    head, (x_BTD, _, mask_BT) = random_head(name, causal=causal), rows()
    levels = head(x_BTD, mask_BT)
    for row, stages in enumerate(referred(head, name, x_BTD, mask_BT)):
        assert len(stages) == len(levels)
        for level_BTK, stage_KT in zip(levels, reversed(stages), strict=True):
            found_TK = level_BTK[row].detach().numpy()
            np.testing.assert_allclose(found_TK[: LENGTHS[row]], stage_KT.T, rtol=1e-9, atol=1e-9)
            assert not found_TK[~mask_BT[row].numpy()].any()
            assert np.ptp(stage_KT, axis=1).min() > 1e-2, "steps are too alike for the test to say anything"


@every
def test_the_last_stage_decides(name):
    head, (x_BTD, _, mask_BT) = random_head(name), rows()
    probs_BTK = head.decode(head(x_BTD, mask_BT), mask_BT).detach().numpy()
    for row, stages in enumerate(referred(head, name, x_BTD, mask_BT)):
        np.testing.assert_allclose(probs_BTK[row, : LENGTHS[row]], softmax(stages[-1]).T, rtol=1e-9)


@every
@pytest.mark.parametrize("settings", [{}, {"smoothing": 0.7}, {"smoothing_limit": 0.5}, {"smoothing": 0.0}])
def test_loss_is_the_reference_s(name, settings):
    head, (x_BTD, labels_BT, mask_BT) = random_head(name, **settings), rows()
    found = head.loss(head(x_BTD, mask_BT), labels_BT, mask_BT)
    stages = referred(head, name, x_BTD, mask_BT)
    chosen = settings.get("smoothing", 0.15), settings.get("smoothing_limit", 4.0)
    expected = loss(stages, labels_BT.numpy(), mask_BT.numpy(), *chosen)
    np.testing.assert_allclose(found.total.item(), expected, rtol=1e-9)
    without = loss(stages, labels_BT.numpy(), mask_BT.numpy(), 0.0)
    np.testing.assert_allclose(found.parts["cross_entropy"].item(), without, rtol=1e-9)
    np.testing.assert_allclose(found.total.item(), without + chosen[0] * found.parts["smoothing"].item(), rtol=1e-9)


@every
def test_single_precision_agrees(name):
    head, (x_BTD, _, mask_BT) = random_head(name), rows()
    levels = head.float()(x_BTD.float(), mask_BT)
    for row, stages in enumerate(referred(head, name, x_BTD.float().double(), mask_BT)):
        found_TK = levels[0][row, : LENGTHS[row]].detach()
        np.testing.assert_allclose(found_TK, stages[-1].T, rtol=1e-5, atol=1e-5)
