"""Feature statistics: over valid steps, pooled or of each view."""

import numpy as np
import pytest
import torch

from tests.methods.made import VIEWS, make_method, put, stacked, view_batch, x_of
from viewloom.errors import ConfigError
from viewloom.nn.standardise import Standardiser
from viewloom.registry import METHODS

Config = METHODS.get("none").Config


def test_each_view_has_mean_zero_and_deviation_one():
    batch = view_batch((60, 50, 41))
    method = make_method("none", Config(standardise="view"), batch=batch)
    for view, name in enumerate(VIEWS[:3]):
        mask_BT = batch.mask_BVT[:, view]
        z_NZ = method.encode(x_of(batch, view), mask_BT, name)[mask_BT]
        torch.testing.assert_close(z_NZ.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
        torch.testing.assert_close(z_NZ.std(0, correction=0), torch.ones(7))


def test_pooled_statistics_are_those_of_all_steps_together():
    batch = view_batch((60, 50, 41), lacking=[(2, 1)])
    x_ND = stacked(batch)[batch.mask_BVT].numpy()
    method = make_method("none", Config(standardise="pooled"), batch=batch)
    standardiser = method.refiner.standardiser
    np.testing.assert_allclose(standardiser.mean_GD[0], x_ND.mean(0), rtol=1e-5)
    np.testing.assert_allclose(standardiser.deviation_GD[0], x_ND.std(0), rtol=1e-5)
    assert standardiser.info() == {"standardise": "pooled", "steps": [len(x_ND)]}
    assert method.refiner.accepts("e9")


def test_each_feature_has_its_own_scale_however_small():
    """Sensors come in units that differ by any factor: none is dwarfed by the others."""
    batch = view_batch((60, 50))
    factor_D = 10 ** torch.linspace(-5, 5, 7, dtype=torch.float64)
    put(batch, (stacked(batch).double() * factor_D).float())
    method = make_method("none", Config(standardise="view"), batch=batch)
    mask_BT = batch.mask_BVT[:, 0]
    z_NZ = method.encode(x_of(batch, 0), mask_BT, "v3")[mask_BT]
    torch.testing.assert_close(z_NZ.std(0, correction=0), torch.ones(7), atol=1e-3, rtol=0)


def test_features_that_stand_still_are_not_blown_up():
    batch = view_batch((60, 50))
    for x_BTD in batch.features.values():
        x_BTD[..., 2] = 4.0
    for x_BTD in batch.features.values():
        x_BTD[..., 3] = 0.0
    method = make_method("none", Config(standardise="view"), batch=batch)
    deviations_GD = method.refiner.standardiser.deviation_GD
    assert torch.equal(deviations_GD[:, 2], torch.full((3,), 4.0))  # its own magnitude
    torch.testing.assert_close(deviations_GD[:, 3], deviations_GD[:, [0, 1, 4, 5, 6]].mean(1))


def test_nothing_that_moves_at_all():
    for value, scale in ((3.0, 3.0), (0.0, 1.0)):
        batch = view_batch((60,))
        put(batch, torch.full_like(stacked(batch), value))
        method = make_method("none", Config(standardise="pooled"), batch=batch)
        assert torch.equal(method.refiner.standardiser.deviation_GD, torch.full((1, 7), scale))


def test_a_view_without_any_step_is_named():
    with pytest.raises(ConfigError, match="No valid step was seen of v4"):
        make_method("none", Config(standardise="view"), batch=view_batch((9,), lacking=[(0, 1)]))


def test_without_statistics_there_is_no_state():
    assert not Standardiser(4, ("a", "b"), "none").state_dict()
    assert set(Standardiser(4, ("a", "b"), "view").state_dict()) == {"mean_GD", "deviation_GD", "steps_G"}


def test_no_pretraining_is_the_identity():
    batch, method = view_batch(), make_method("none")
    assert method.fit == "nothing" and not method.needs_pass
    x_BTD, mask_BT = x_of(batch, 0), batch.mask_BVT[:, 0]
    assert torch.equal(method.encode(x_BTD, mask_BT, "v3")[mask_BT], x_BTD[mask_BT])
    assert METHODS.get("none")(4, ("v3",), Config(standardise="pooled")).fit == "closed_form"
    with pytest.raises(TypeError, match="no loss"):
        method(batch)
