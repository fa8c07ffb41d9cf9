"""ASFormer and its loss against a slow plain reference, in float64 and in single precision."""

import numpy as np
import pytest
import torch

from tests.heads.published_names import asformer_shapes
from tests.parity.reference_asformer import Reference, loss
from viewloom.heads.asformer import ASFormer

DIM, CLASSES = 3, 5
LENGTHS = (37, 21, 1)
"""Valid steps of the rows: last blocks that are full, in part, and nearly empty."""
CASES = [
    pytest.param({"masks": "exact"}, id="exact"),
    pytest.param({"masks": "released"}, id="released"),
    pytest.param({"causal": True}, id="causal"),
]


def random_head(**options):
    """A float64 head whose weights let every stage feel its input, and attention choose."""
    head = ASFormer(DIM, CLASSES, ASFormer.Config(layers=5, decoders=3, width=6, **options)).double().eval()
    head.load_state_dict(drawn({name: value.shape for name, value in head.named_parameters()}), strict=False)
    return head


def drawn(shapes):
    """Weights of these names and shapes."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        scale = (
            0.3
            if len(shape) == 1
            else (1.5 if "query" in name or "key" in name else 0.8) / (shape[1] * shape[2]) ** 0.5
        )
        # For what is left of it in the last decoder.
        scale *= 20 if name.startswith("decoders.2.") and name.endswith("att_layer.conv_out.weight") else 1
        weights[name] = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return weights


def rows(hole=True):
    """Features, mask and labels of a padded batch; missing steps in the first row."""
    generator = torch.Generator().manual_seed(1)
    x_BTD = torch.randn(len(LENGTHS), 41, DIM, generator=generator, dtype=torch.float64)
    mask_BT = torch.arange(41) < torch.tensor(LENGTHS)[:, None]
    if hole:
        mask_BT[0, 12:15] = False
    labels_BT = torch.randint(CLASSES, mask_BT.shape, generator=generator)
    labels_BT[0, 5:9] = -100
    return x_BTD, mask_BT, labels_BT


def reference_outputs(head, x_BTD, mask_BT):
    """Per stage, per row (K, T) logits, each row computed alone."""
    state = {name: value.detach().numpy() for name, value in head.named_parameters()}
    reference = Reference(state, head.config.masks, head.config.causal)
    per_row = [
        reference(x[:length].T, mask[:length])
        for x, mask, length in zip(x_BTD.numpy(), mask_BT.numpy(), LENGTHS, strict=True)
    ]
    return list(zip(*per_row, strict=True))


@pytest.mark.parametrize("options", CASES)
def test_every_stage_equals_the_reference(options):
    head = random_head(**options)
    x_BTD, mask_BT, _ = rows()
    levels, expected = head(x_BTD, mask_BT), reference_outputs(head, x_BTD, mask_BT)
    assert len(levels) == len(expected) == 4
    for level, wanted in zip(levels[::-1], expected, strict=True):
        assert level[0].std(dim=0).mean() > 0.1
        for row, values in enumerate(wanted):
            np.testing.assert_allclose(level[row, : values.shape[1]].detach(), values.T, atol=1e-8, rtol=1e-8)
            assert not level[row, values.shape[1] :].any()


@pytest.mark.parametrize("options", CASES)
def test_loss_equals_the_reference(options):
    head = random_head(**options)
    x_BTD, mask_BT, labels_BT = rows()
    expected = loss(reference_outputs(head, x_BTD, mask_BT), labels_BT.numpy(), mask_BT.numpy())
    levels = head(x_BTD, mask_BT)
    output = head.loss(levels, labels_BT, mask_BT)
    assert output.total.item() == pytest.approx(expected, rel=1e-8)
    parts = output.parts["cross_entropy"] + 0.15 * output.parts["smoothing"]
    assert output.total.item() == pytest.approx(parts.item(), rel=1e-8)
    assert output.parts["smoothing"] > 0.1
    torch.testing.assert_close(head.decode(levels, mask_BT), levels[0].softmax(dim=-1))


def test_a_published_checkpoint_computes_what_the_released_network_did():
    """All ten layers and three decoders by their published names, in single precision, to 1e-5."""
    weights = drawn(asformer_shapes(DIM, CLASSES, width=8))
    config = ASFormer.Config(width=8, masks="released", standardise=False)
    head = ASFormer(DIM, CLASSES, config).eval()
    assert dict(head.named_parameters()).keys() == weights.keys()
    head.load_state_dict(weights)
    generator = torch.Generator().manual_seed(2)
    x_1TD = torch.randn(1, 70, DIM, generator=generator)
    wanted = Reference({name: value.numpy() for name, value in weights.items()}, "released")(
        x_1TD[0].double().numpy().T, np.ones(70, dtype=bool)
    )
    for level, values in zip(head(x_1TD, torch.ones(1, 70, dtype=torch.bool))[::-1], wanted, strict=True):
        assert level.std(dim=1).mean() > 0.01
        np.testing.assert_allclose(level[0].detach(), values.T, atol=1e-5, rtol=1e-5)


def test_the_masks_differ_where_a_window_has_steps_that_are_not_valid():
    exact, released = random_head(), random_head(masks="released")
    x_BTD, mask_BT, _ = rows()
    differences = [(a - b).abs().max() for a, b in zip(exact(x_BTD, mask_BT), released(x_BTD, mask_BT), strict=True)]
    assert min(differences) > 1e-3
