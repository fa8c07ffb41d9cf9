"""Refiner files: what is refused, and with which message; published weights."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.methods.made import VIEWS, make_method, view_batch, x_of
from viewloom.errors import ConfigError, DataError
from viewloom.methods.refiner_file import load_refiner, save_refiner
from viewloom.registry import METHODS
from viewloom.training.published import load_published_refiner


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "refiner.safetensors"
    config = METHODS.get("two_stream").Config(layers=1, standardise="view")
    save_refiner(make_method("two_stream", config).refiner, path, {"kept": "last", "epochs": [1, 2]})
    return path


def metadata(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        found = json.loads(file.metadata()["viewloom"])
    del found["sum"]  # so that what is changed is read, as of an earlier version
    return found


def rewrite(path, **changes):
    save_file(load_file(path), path, {"viewloom": json.dumps(metadata(path) | changes)})


def test_metadata_tells_all_there_is_to_know(saved):
    told = metadata(saved)
    assert told["format"] == "viewloom-refiner" and told["version"] == 1
    assert (told["method"], told["dim"], told["out_dim"]) == ("two_stream", 7, 7)
    assert told["views"] == list(VIEWS[:3])
    assert told["config"]["standardise"] == "view" and told["config"]["layers"] == 1
    assert (
        told["statistics"] == {"standardise": "view", "steps": [147, 149, 151]}
        or sum(told["statistics"]["steps"]) == 3 * (60 + 50 + 41) - 6
    )
    assert told["extra"] == {"kept": "last", "epochs": [1, 2]}


def test_saving_does_not_touch_what_it_saves(saved, tmp_path):
    refiner = load_refiner(saved).train()
    save_refiner(refiner, tmp_path / "other.safetensors")
    assert refiner.training
    assert not load_refiner(saved).training


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format": "viewloom-head"}, ConfigError, "not a viewloom refiner, but viewloom-head"),
        ({"version": 99}, ConfigError, "later version"),
        ({"method": "magic"}, ConfigError, "no method 'magic'; there are: .*cca"),
        ({"config": {"nonsense": 1}}, ConfigError, "nonsense"),
        ({"dim": 9}, DataError, "doesn't hold the weights"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_a_reason(saved, changes, error, message):
    rewrite(saved, **changes)
    with pytest.raises(error, match=message):
        load_refiner(saved)


def test_missing_broken_and_foreign_files(saved, tmp_path):
    with pytest.raises(DataError, match="no refiner at"):
        load_refiner(tmp_path / "nowhere.safetensors")
    saved.write_bytes(saved.read_bytes()[:200])
    with pytest.raises(DataError, match="not a whole safetensors file"):
        load_refiner(saved)
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ConfigError, match="unknown file"):
        load_refiner(tmp_path / "foreign.safetensors")


def published_state(dim=32, layers=3, feed_forward=24):
    layer = nn.TransformerEncoderLayer(dim, 2, feed_forward)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).state_dict()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_weights_load_by_name(prefix, tmp_path):
    state = {f"{prefix}{name}": value for name, value in published_state().items()}
    refiner = load_published_refiner(state, "sync_kd", "time", ("v3", "e4"))
    assert (refiner.method, refiner.dim, refiner.views) == ("sync_kd", 32, ("v3", "e4"))
    assert (refiner.config.layers, refiner.config.feed_forward, refiner.config.context) == (3, 24, "time")
    assert not refiner.training
    for name, value in published_state().items():
        assert refiner.state_dict()[name].shape == value.shape
    assert torch.equal(refiner.layers[2].linear1.weight, state[f"{prefix}layers.2.linear1.weight"])
    save_refiner(refiner, tmp_path / "refiner.safetensors")
    batch = view_batch(dim=32)
    x_BTD, mask_BT = x_of(batch, 0), batch.mask_BVT[:, 0]
    again = load_refiner(tmp_path / "refiner.safetensors")
    assert torch.equal(again.encode(x_BTD, mask_BT, "v1"), refiner.encode(x_BTD, mask_BT, "v1"))


def test_weights_of_something_else_are_refused():
    state = published_state()
    with pytest.raises(DataError, match=r"layers.0.linear1.weight is missing.*conv.weight"):
        load_published_refiner({"conv.weight": torch.zeros(3)})
    with pytest.raises(DataError, match=r"layers.1.norm2.bias"):
        load_published_refiner({name: value for name, value in state.items() if name != "layers.1.norm2.bias"})
    with pytest.raises(DataError, match=r"norm.weight"):
        load_published_refiner(state | {"norm.weight": torch.zeros(32)})


def test_every_method_with_published_weights_can_be_named():
    for name in ("two_stream", "two_stream_simple", "sync_kd"):
        assert load_published_refiner(published_state(), name).method == name


@pytest.mark.parametrize("start", [1.0, 0.1])
def test_a_small_start_begins_near_the_identity(start):
    """Normalised features have a mean square of one: what is added at first has that of the start."""
    method = make_method(
        "two_stream", METHODS.get("two_stream").Config(layers=2, joint_depth=0.1, residual_start=start)
    )
    batch = view_batch(holes=False)
    x_BTD, mask_BT = x_of(batch, 0), batch.mask_BVT[:, 0]
    added_ND = (method.encode(x_BTD, mask_BT, "v3") - x_BTD)[mask_BT]
    assert added_ND.square().mean().sqrt().item() == pytest.approx(start, rel=1e-3)


@pytest.mark.parametrize(("name", "settings"), [("cca", {}), ("two_stream", {"layers": 1, "context": "time"})])
def test_a_refiner_is_called_with_features_that_have_missing_frames(name, settings):
    """Rows of NaN are missing: they come out as NaN, and what else comes out is as if they were not valid."""
    batch, config = view_batch((60, 50), views=2), METHODS.get(name).Config(**settings)
    refiner, mask_BT = make_method(name, config, batch=batch, views=2).refiner, batch.mask_BVT[:, 0]
    wanted_BTZ = refiner.encode(x_of(batch, 0), mask_BT, "v3").masked_fill(~mask_BT[..., None], torch.nan)
    holed_BTD = x_of(batch, 0).masked_fill(~mask_BT[..., None], torch.nan)
    for found in (refiner(holed_BTD, "v3"), refiner(x_of(batch, 0), "v3", mask_BT)):
        torch.testing.assert_close(found, wanted_BTZ, equal_nan=True)
    torch.testing.assert_close(refiner(holed_BTD[1], "v3"), wanted_BTZ[1], equal_nan=True)
    found_TZ = refiner(holed_BTD[1].numpy().astype(np.float64), "v3")
    assert isinstance(found_TZ, np.ndarray) and found_TZ.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(found_TZ), wanted_BTZ[1], equal_nan=True)


def test_a_frame_that_is_broken_in_part_is_refused_unless_a_mask_says_otherwise():
    batch = view_batch((60,), views=2, holes=False)
    refiner, mask_BT = make_method("none", views=2).refiner, batch.mask_BVT[:, 0].clone()
    x_BTD = x_of(batch, 0).clone()
    x_BTD[0, 3, 2] = torch.nan
    with pytest.raises(DataError, match="1 of 60 steps are NaN or infinite in part"):
        refiner(x_BTD, "v3")
    mask_BT[0, 3] = False
    assert refiner(x_BTD, "v3", mask_BT).isnan().any(dim=-1).nonzero().tolist() == [[0, 3]]


def test_features_that_are_no_sequence_are_refused():
    refiner = make_method("none", views=2).refiner
    with pytest.raises(DataError, match=r"\(T, D\) or \(B, T, D\), floating, but got \(7,\)"):
        refiner(torch.zeros(7), "v3")
    with pytest.raises(DataError, match=r"Expected a mask \(4,\)"):
        refiner(torch.zeros(4, 7), "v3", torch.ones(1, 4, dtype=torch.bool))


@pytest.mark.parametrize("context", ["frame", "time", "batch"])
def test_what_stands_at_masked_steps_is_never_used(context):
    config = METHODS.get("two_stream").Config(layers=1, context=context)
    batch, refiner = view_batch(), make_method("two_stream", config).refiner
    mask_BT, x_BTD = batch.mask_BVT[:, 0], x_of(batch, 0)
    wanted_BTZ = refiner.encode(x_BTD.masked_fill(~mask_BT[..., None], 0.0), mask_BT, "v3")
    for garbage in (7.0, torch.nan):
        found_BTZ = refiner.encode(x_BTD.masked_fill(~mask_BT[..., None], garbage), mask_BT, "v3")
        assert torch.equal(found_BTZ, wanted_BTZ)
