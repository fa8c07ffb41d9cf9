"""What is particular to MS-TCN++: its published names, sizes and costs."""

import json
import os
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.heads.published_names import ms_tcn2_shapes
from viewloom.errors import ConfigError
from viewloom.heads.ms_tcn2 import MSTCN2
from viewloom.recipes.counting import parameters

PUBLISHED = MSTCN2.Config(standardise=False)
"""Published heads take features as they are."""


def on_meta(dim=2048, classes=202, config=PUBLISHED):
    with torch.device("meta"):
        return MSTCN2(dim, classes, config)


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.mark.parametrize(("dim", "classes"), [(2048, 202), (16, 7)])
def test_names_and_shapes_are_the_published_ones(dim, classes):
    assert shapes(on_meta(dim, classes)) == ms_tcn2_shapes(dim, classes)


def test_names_are_those_of_a_real_checkpoint(assembly101):
    path = Path(os.path.normpath(assembly101 / ".." / "legacy" / "state_dict_keys.json"))
    if not path.is_file():
        pytest.skip(f"{path.name} with the published names isn't beside the annotations")
    found = {name: tuple(shape) for name, shape in json.loads(path.read_text())["ms_tcn2"].items()}
    assert found == ms_tcn2_shapes(2048, 202)


@pytest.mark.parametrize("causal", [False, True])
def test_published_size_has_1080552_parameters(causal):
    """Statistics of the input are none."""
    head = on_meta(config=MSTCN2.Config(causal=causal))
    assert parameters(head) == 1_080_552


@pytest.mark.parametrize("causal", [False, True])
def test_1200_steps_take_2_6_gflop(causal):
    head = on_meta(config=MSTCN2.Config(causal=causal)).eval()
    x_BTD = torch.empty(1, 1200, 2048, device="meta")
    with FlopCounterMode(display=False) as counter:
        head(x_BTD, torch.ones(1, 1200, dtype=torch.bool, device="meta"))
    assert counter.get_total_flops() == pytest.approx(2.6e9, rel=0.05)


def test_refinements_can_be_left_out():
    mask_BT = torch.ones(1, 9, dtype=torch.bool)
    assert len(MSTCN2(4, 3, MSTCN2.Config(width=4, refinements=0))(torch.randn(1, 9, 4), mask_BT)) == 1
    assert len(MSTCN2(4, 3, MSTCN2.Config(width=4))(torch.randn(1, 9, 4), mask_BT)) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refinements": -1}, "refinements is -1"),
        ({"refinement_layers": 0}, "refinement_layers is 0"),
        ({"refinement_layers": 20}, "refinement_layers is 20"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        MSTCN2.Config(**settings)
