"""A method that starts from a linear solution keeps it where no epoch is better on held-out pairs."""

import json

import pytest
import torch

from tests.tiny import write_tiny
from viewloom.methods.refiner_file import load_refiner
from viewloom.training.pretrain import run_pretrain
from viewloom.training.settings import PretrainConfig, PretrainOptimConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16))


def pretrained(data, run, lr, select="retrieval", epochs=2, resume=False):
    from viewloom.methods.settings import ContrastConfig

    config = PretrainConfig(
        data=data,
        run=str(run),
        views="v3,e4",
        method="contrast",
        method_options=ContrastConfig(hidden=8, layers=1),
        batch_size=2,
        epochs=epochs,
        select=select,
        held_out=0.4,
        resume=resume,
        optim=PretrainOptimConfig(lr=lr),
        trainer=QUIET,
    )
    refiner = load_refiner(run_pretrain(config))
    return refiner, json.loads((run / "invariance.json").read_text())


@pytest.mark.parametrize("select", ["retrieval", "loss"])
def test_the_start_is_kept_where_learning_only_does_harm(data, tmp_path, select):
    refiner, found = pretrained(data, tmp_path / "run", lr=10.0, select=select)
    assert found["kept"] == "start (none of 2 epochs was better)" and not found["warnings"]
    assert not refiner.encoders[0].last.weight.any() and refiner.path.map_VPZ.any()


def test_what_was_learned_is_kept_where_it_is_better_or_was_asked_for(data, tmp_path):
    refiner, found = pretrained(data, tmp_path / "better", lr=1e-3, select="loss")
    assert found["kept"].startswith("best epoch") and refiner.encoders[0].last.weight.any()
    refiner, found = pretrained(data, tmp_path / "last", lr=10.0, select="last")
    assert found["kept"] == "last epoch (2 of 2)" and refiner.encoders[0].last.weight.any()


def test_a_run_that_goes_on_ends_as_one_that_was_never_stopped(data, tmp_path, monkeypatch):
    from viewloom.methods.contrast import Contrast

    whole, _ = pretrained(data, tmp_path / "whole", lr=1e-3, select="last", epochs=3)
    plain = Contrast.set_epoch

    def stop(self, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        plain(self, epoch)

    monkeypatch.setattr(Contrast, "set_epoch", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        pretrained(data, tmp_path / "parts", lr=1e-3, select="last", epochs=3)
    monkeypatch.setattr(Contrast, "set_epoch", plain)
    parts, _ = pretrained(data, tmp_path / "parts", lr=1e-3, select="last", epochs=3, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
