"""LTContext against a slow plain reference, in float64."""

import numpy as np
import pytest

from tests.parity.reference_ltcontext import LTContextReference
from tests.parity.test_asformer import CLASSES, DIM, LENGTHS, drawn, rows
from viewloom.heads.ltcontext import LTContext


def random_head(**options):
    """A float64 head whose weights let every stage feel its input, and attention choose."""
    config = LTContext.Config(layers=4, stages=3, width=8, **options)
    head = LTContext(DIM, CLASSES, config).double().eval()
    head.load_state_dict(drawn({name: value.shape for name, value in head.named_parameters()}), strict=False)
    return head


@pytest.mark.parametrize("options", [{"window": 8, "stride": 5}, {"window": 5, "stride": 1}, {"window": 64}])
def test_every_stage_equals_the_reference(options):
    head = random_head(**options)
    x_BTD, mask_BT, _ = rows()
    state = {name: value.detach().numpy() for name, value in head.named_parameters()}
    reference = LTContextReference(state, head.config.window, head.config.stride)
    levels = head(x_BTD, mask_BT)
    assert len(levels) == 3 and min(level[0].std(dim=0).mean() for level in levels) > 0.1
    for row, length in enumerate(LENGTHS):
        wanted = reference(x_BTD[row, :length].T.numpy(), mask_BT[row, :length].numpy())
        for level, values in zip(levels[::-1], wanted, strict=True):
            np.testing.assert_allclose(level[row, :length].detach(), values.T, atol=1e-8, rtol=1e-8)
            assert not level[row, length:].any()
