"""Published checkpoints: every wrapping loads, and what doesn't fit is told in one message."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.heads.published_names import c2f_tcn_shapes, random_weights, refiner_shapes
from viewloom.errors import DataError
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.training.published import (
    head_size,
    load_published_head,
    load_weights,
    read_weights,
)

DIM, CLASSES = 5, 3


@pytest.fixture(scope="module")
def head_weights():
    return random_weights(c2f_tcn_shapes(DIM, CLASSES))


WRAPPINGS = {
    "bare": lambda weights: weights,
    "model_state_dict": lambda weights: {"model_state_dict": weights, "epoch": 3, "best": 0.5},
    "state_dict": lambda weights: {"state_dict": weights, "optimizer": {"lr": 0.1}},
    "nested": lambda weights: {"model_state_dict": {"state_dict": weights}},
    "parallel": lambda weights: {f"module.{name}": value for name, value in weights.items()},
    "wrapped parallel": lambda weights: {"state_dict": {f"module.module.{n}": v for n, v in weights.items()}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".model"])
def test_every_wrapping_is_read(head_weights, tmp_path, wrapping, suffix):
    path = tmp_path / f"epoch-best{suffix}"
    torch.save(WRAPPINGS[wrapping](head_weights), path)
    weights = read_weights(path)
    assert weights.keys() == head_weights.keys()
    assert all(torch.equal(weights[name], value) for name, value in head_weights.items())


def test_safetensors_are_read(head_weights, tmp_path):
    path = tmp_path / "head.safetensors"
    save_file(WRAPPINGS["parallel"](head_weights), path)
    assert read_weights(path).keys() == head_weights.keys()


def test_head_takes_its_sizes_from_the_checkpoint_and_computes_as_published(head_weights, tmp_path):
    path = tmp_path / "head.pth"
    torch.save({"model_state_dict": head_weights}, path)
    head = load_published_head(path)
    assert (head.dim, head.classes, head.training) == (DIM, CLASSES, False)
    assert head.config == C2FTCN.Config(canvas="window", window_steps=1200, standardise=False)
    assert all(torch.equal(value, head_weights[name]) for name, value in head.state_dict().items())
    other = load_published_head(path, C2FTCN.Config(smoothing=0.5))
    assert other.config.canvas == "length"


def test_refiner_weights_load_into_encoder_layers(tmp_path):
    path = tmp_path / "checkpoint_250.pth"
    weights = random_weights(refiner_shapes(8, 3, 16))
    torch.save(WRAPPINGS["parallel"](weights), path)
    read = read_weights(path)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, enable_nested_tensor=False)
    load_weights(encoder, read, path)
    assert torch.equal(encoder.layers[2].linear1.weight, weights["layers.2.linear1.weight"])


def test_everything_that_does_not_fit_is_told_at_once(head_weights):
    weights = dict(head_weights)
    del weights["tpp.conv.bias"], weights["weights"]
    weights["extra.weight"] = torch.zeros(1)
    weights["outcc.conv.weight"] = torch.zeros(CLASSES + 1, 128, 1)
    head = C2FTCN(DIM, CLASSES, C2FTCN.Config(standardise=False))
    before = {name: value.clone() for name, value in head.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load_weights(head, weights, "some.pth")
    message = str(caught.value)
    assert "some.pth doesn't fit C2FTCN: 2 missing (weights, tpp.conv.bias)" in message
    assert "1 unexpected (extra.weight)" in message
    assert "1 of another shape (outcc.conv.weight is (4, 128, 1), not (3, 128, 1))" in message
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_weights_of_another_network_are_named():
    refiner = random_weights(refiner_shapes(4, 1, 4))
    match = r"a\.pth isn't a c2f_tcn head: it has no inc\.conv\.conv\.0\.weight .*Pass a checkpoint of a c2f_tcn head"
    with pytest.raises(DataError, match=match):
        head_size(refiner, "a.pth", "c2f_tcn")


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, how):
    path, sprung = tmp_path / "trap.pth", tmp_path / "sprung"
    content = {"state_dict": {"w": torch.zeros(1)}, "trap": Trap(sprung)}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DataError, match=r"trap\.pth .*could run code.*state_dict\(\)"):
        read_weights(path)
    assert not sprung.exists()


def bad_files(folder, weights):
    """Name to (file, part of the message)."""
    whole = folder / "whole.pth"
    torch.save(weights, whole)
    content = whole.read_bytes()
    (folder / "truncated.pth").write_bytes(content[: len(content) // 2])
    (folder / "empty.pth").write_bytes(b"")
    (folder / "text.pth").write_text("not a checkpoint")
    (folder / "broken.safetensors").write_bytes(content[:100])
    (folder / "folder.pth").mkdir()
    torch.save([torch.zeros(2)], folder / "list.pth")
    torch.save({"epoch": 3, "lr": 0.1}, folder / "plain.pth")
    torch.save({}, folder / "nothing.pth")
    torch.save(weights | {"tpp.conv.bias": torch.tensor([torch.nan])}, folder / "nan.pth")
    return {
        "absent.pth": "is not there. Pass the file of a checkpoint",
        "folder.pth": "is a folder. Pass the file of a checkpoint",
        "truncated.pth": "Get ",
        "empty.pth": "Get ",
        "text.pth": "Get it again",
        "broken.safetensors": "not a whole safetensors file",
        "list.pth": "holds no state dict (names to tensors), but: list",
        "plain.pth": "holds no state dict (names to tensors), but: epoch, lr",
        "nothing.pth": "holds no state dict (names to tensors), but: none",
        "nan.pth": "aren't finite in tpp.conv.bias",
    }


def test_files_that_cannot_be_used_each_give_one_clear_message(head_weights, tmp_path):
    for name, part in bad_files(tmp_path, head_weights).items():
        with pytest.raises(DataError) as caught:
            read_weights(tmp_path / name)
        message = str(caught.value)
        assert part in message and name in message and "\n" not in message, message
