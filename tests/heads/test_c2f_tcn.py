"""What is particular to C2F-TCN: its published names and sizes, its canvas, its settings."""

import json
import os
from pathlib import Path

import pytest
import torch

from tests.heads.published_names import c2f_tcn_shapes
from viewloom.errors import ConfigError
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.heads.settings import MIN_STEPS

PUBLISHED = C2FTCN.Config(standardise=False)
"""Published heads take features as they are."""


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def prefix_mask(lengths, steps):
    return torch.arange(steps) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize(("dim", "classes"), [(2048, 202), (16, 7)])
def test_names_and_shapes_are_the_published_ones(dim, classes):
    with torch.device("meta"):
        head = C2FTCN(dim, classes, PUBLISHED)
    assert shapes(head) == c2f_tcn_shapes(dim, classes)


def test_published_size_has_6888765_parameters():
    with torch.device("meta"):
        head = C2FTCN(2048, 202, PUBLISHED)
    assert sum(parameter.numel() for parameter in head.parameters()) == 6_888_765


@pytest.mark.parametrize("network", ["c2f_tcn", "refiner"])
def test_names_are_those_of_real_checkpoints(assembly101, network):
    from tests.heads.published_names import refiner_shapes

    path = Path(os.path.normpath(assembly101 / ".." / "legacy" / "state_dict_keys.json"))
    if not path.is_file():
        pytest.skip(f"{path.name} with the published names isn't beside the annotations")
    found = {name: tuple(shape) for name, shape in json.loads(path.read_text())[network].items()}
    expected = c2f_tcn_shapes(2048, 202) if network == "c2f_tcn" else refiner_shapes(2048, 6, 2048)
    assert found == expected


def test_length_canvas_is_the_rows_own_length():
    canvas = C2FTCN(2, 2).canvas_of(prefix_mask([500, 384, 3], 900))
    assert (canvas.lengths_B.tolist(), canvas.steps) == ([500, MIN_STEPS, MIN_STEPS], 500)
    assert C2FTCN(2, 2).canvas_of(prefix_mask([400, 400], 450)).valid_BT is None


def test_window_canvas_is_the_window_whatever_the_batch():
    head = C2FTCN(2, 2, C2FTCN.Config(canvas="window"))
    for steps in (30, 1200, 1500):
        canvas = head.canvas_of(prefix_mask([30, 5], steps))
        assert (canvas.lengths_B.tolist(), canvas.steps, canvas.valid_BT) == ([1200, 1200], 1200, None)


def test_row_longer_than_the_window_is_refused():
    head = C2FTCN(2, 2, C2FTCN.Config(canvas="window", width=2))
    with pytest.raises(ConfigError, match=r"row of 1201 steps .* window_steps 1200.*canvas to length"):
        head(torch.zeros(2, 1300, 2), prefix_mask([7, 1201], 1300))


def test_the_two_canvases_differ_and_agree_at_the_window_length():
    torch.manual_seed(0)
    own = C2FTCN(3, 4, C2FTCN.Config(width=6)).eval()
    window = C2FTCN(3, 4, C2FTCN.Config(width=6, canvas="window", window_steps=420)).eval()
    window.load_state_dict(own.state_dict())
    x_BTD = torch.randn(1, 420, 3)
    whole, part = prefix_mask([420], 420), prefix_mask([390], 420)
    for one, other in zip(own(x_BTD, whole), window(x_BTD, whole), strict=True):
        torch.testing.assert_close(one, other)
    differences = [
        (one - other)[:, :390].abs().max() for one, other in zip(own(x_BTD, part), window(x_BTD, part), strict=True)
    ]
    assert max(differences) > 1e-4


@pytest.mark.parametrize("missing", [slice(0, 390), slice(5, 395), slice(100, 300)])
def test_long_stretches_without_features_keep_training_finite(missing):
    """Statistics of a few steps must not blow up what stands where there are none."""
    torch.manual_seed(0)
    head = C2FTCN(4, 3, C2FTCN.Config(width=8))
    mask_BT = torch.ones(1, 400, dtype=torch.bool)
    mask_BT[:, missing] = False
    levels = head(torch.randn(1, 400, 4), mask_BT)
    assert max(level.abs().max() for level in levels) < 100
    head.loss(levels, torch.ones(1, 400, dtype=torch.int64), mask_BT).total.backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


def test_a_missing_step_is_predicted_from_its_neighbours():
    torch.manual_seed(0)
    head = C2FTCN(4, 3, C2FTCN.Config(width=8))
    x_BTD, mask_BT = torch.randn(1, 400, 4), torch.ones(1, 400, dtype=torch.bool)
    for norm in (module for module in head.modules() if isinstance(module, torch.nn.BatchNorm1d)):
        norm.momentum = 1.0
    head(x_BTD, mask_BT)  # so that running statistics are those of the input
    head.eval()
    mask_BT[0, 200] = False
    probs_BTK = head.decode(head(x_BTD, mask_BT), mask_BT)
    x_BTD[0, 200] += 100.0
    assert torch.equal(head.decode(head(x_BTD, mask_BT), mask_BT), probs_BTK)
    x_BTD[0, 190:210] += 3.0
    moved_BTK = head.decode(head(x_BTD, mask_BT), mask_BT)
    assert (probs_BTK - moved_BTK)[0, 200].abs().max() > 0.01


def test_weight_of_a_level_decides_its_say():
    only_coarsest = C2FTCN.Config(width=4, level_weights=(0, 0, 0, 0, 0, 2))
    head = C2FTCN(3, 4, only_coarsest).eval()
    mask_BT = prefix_mask([40], 40)
    levels = head(torch.randn(1, 40, 3), mask_BT)
    torch.testing.assert_close(head.decode(levels, mask_BT), levels[-1].softmax(-1))
    assert torch.equal(head.weights, torch.tensor([0.0, 0, 0, 0, 0, 2]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"canvas": "batch"}, "canvas is 'batch'; it can be length or window"),
        ({"canvas": "window", "window_steps": 383}, "window_steps is 383: it has to be from 384"),
        ({"width": 0}, "width is 0"),
        ({"level_weights": (1.0,) * 5}, "takes six"),
        ({"level_weights": (0.0,) * 6}, "not all zero"),
        ({"level_weights": (1.0, 1, 1, 1, 1, -1)}, "level_weights is .*, -1: it has to be 0 or more"),
        ({"smoothing": -0.1}, "smoothing is -0.1"),
        ({"smoothing_mean": "none"}, "smoothing_mean is 'none'; it can be valid or all"),
        ({"smoothing_mean": "all"}, "set canvas to window"),
        ({"probability_floor": -1e-10}, "probability_floor is -1e-10"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=f"^(Head c2f_tcn: .*)?{message}"):
        C2FTCN.Config(**settings)
