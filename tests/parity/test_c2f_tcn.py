"""C2F-TCN and its loss against a slow plain reference, in float64."""

import numpy as np
import pytest
import torch

from tests.parity.reference_c2f_tcn import Reference, loss, probabilities
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.settings import MIN_STEPS

DIM, CLASSES = 3, 5
LENGTHS = (430, 405, 7)
"""Valid steps of the rows: two of their own length, one shorter than the shortest canvas."""


def random_head(**options):
    """A narrow float64 head with every weight and running statistic drawn at random."""
    torch.manual_seed(0)
    head = C2FTCN(DIM, CLASSES, C2FTCN.Config(width=6, **options)).double()
    for name, value in head.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 2.0)
        elif "running_mean" in name or name.endswith((".1.bias", ".4.bias")):
            value.normal_(0, 0.5)
        elif name.endswith((".1.weight", ".4.weight")):
            value.uniform_(0.5, 1.5)
        elif name.endswith("weight"):
            value.mul_(4)  # enough for the input to be felt at every level
    return head


def rows(lengths=LENGTHS, steps=450, hole=True):
    """Features, mask and labels of a padded batch; one missing frame in the first row."""
    generator = torch.Generator().manual_seed(1)
    x_BTD = torch.randn(len(lengths), steps, DIM, generator=generator, dtype=torch.float64)
    mask_BT = torch.arange(steps) < torch.tensor(lengths)[:, None]
    if hole:
        mask_BT[0, 100:103] = False
    labels_BT = torch.randint(CLASSES, mask_BT.shape, generator=generator)
    labels_BT[0, 10:20] = -100
    return x_BTD, mask_BT, labels_BT


def reference_outputs(head, x_BTD, mask_BT, lengths=LENGTHS):
    """The reference on each row at its own canvas, before the head has run."""
    window = head.config.canvas == "window"
    reference = Reference({k: v.numpy() for k, v in head.state_dict().items()}, head.training)
    sequences, valid = [], []
    for x, mask, length in zip(x_BTD.numpy(), mask_BT.numpy(), lengths, strict=True):
        canvas = head.config.window_steps if window else max(length, MIN_STEPS)
        x = np.where(mask[:, None], x, 0.0)[:canvas]
        fill = canvas - len(x)
        sequences.append(np.pad(x, ((0, fill), (0, 0))).T)
        valid.append(list(np.pad(mask[:canvas], (0, fill)) | window))
    return reference(sequences, valid), reference


def padded(values, steps):
    """(K, canvas) to (steps, K), cut or zero-filled."""
    fill = max(0, steps - values.shape[1])
    return np.pad(values[:, :steps], ((0, 0), (0, fill))).T


CASES = [
    pytest.param({"canvas": "length"}, id="length"),
    pytest.param({"canvas": "window", "window_steps": 437}, id="window-shorter-than-batch"),
    pytest.param({"canvas": "window", "window_steps": 460}, id="window-longer-than-batch"),
]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("options", CASES)
def test_every_level_equals_the_reference(options, training):
    head = random_head(**options).train(training)
    x_BTD, mask_BT, _ = rows()
    expected, reference = reference_outputs(head, x_BTD, mask_BT)
    levels = head(x_BTD, mask_BT)
    assert len(levels) == 6
    assert min(level[0].std(dim=0).mean() for level in levels) > 0.1
    for level, wanted in zip(levels, expected, strict=True):
        for row, values in enumerate(wanted):
            np.testing.assert_allclose(level[row].detach(), padded(values, mask_BT.shape[1]), atol=1e-8, rtol=0)
    for name, value in head.state_dict().items():
        np.testing.assert_allclose(value, reference.state[name], atol=1e-10, err_msg=name)


def test_published_length_is_computed_at_the_published_canvas():
    head = random_head(canvas="window").eval()
    x_BTD, mask_BT, _ = rows((50,), 50, hole=False)
    expected, _ = reference_outputs(head, x_BTD, mask_BT, (50,))
    for level, wanted in zip(head(x_BTD, mask_BT), expected, strict=True):
        np.testing.assert_allclose(level[0].detach(), wanted[0][:, :50].T, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("options", "pairs", "floor"),
    [
        ({"canvas": "length"}, None, 0.0),
        ({"canvas": "window", "window_steps": 437}, None, 0.0),
        (
            {"canvas": "window", "window_steps": 460, "smoothing_mean": "all", "probability_floor": 1e-2},
            3 * 459,
            1e-2,
        ),
    ],
    ids=["length", "window", "released"],
)
def test_loss_and_decision_equal_the_reference(options, pairs, floor):
    weights = (1.0, 2.0, 0.5, 1.0, 0.0, 3.0)
    head = random_head(level_weights=weights, **options).eval()
    x_BTD, mask_BT, labels_BT = rows()
    # Restless enough that some changes are truncated, and no probability is rounded to zero in the reference.
    levels = [level.sigmoid() + 4 * torch.randn_like(level) for level in head(x_BTD, mask_BT)]
    plain = [[level[row].detach().numpy().T for level in levels] for row in range(len(mask_BT))]
    probs = [probabilities(row, weights) for row in plain]
    expected = loss(probs, labels_BT.numpy(), mask_BT.numpy(), pairs=pairs, floor=floor)
    output = head.loss(levels, labels_BT, mask_BT)
    assert output.total.item() == pytest.approx(expected, abs=1e-8)
    parts = output.parts["cross_entropy"] + head.config.smoothing * output.parts["smoothing"]
    assert output.total.item() == pytest.approx(parts.item(), abs=1e-12)
    assert output.parts["smoothing"] > 0.1
    decided = head.decode(levels, mask_BT)
    for row, wanted in enumerate(probs):
        np.testing.assert_allclose(decided[row].detach(), wanted.T, atol=1e-10)
