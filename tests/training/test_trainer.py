"""The trainer of all runs: losses that are not finite, sparse validation, checkpoints that are whole."""

import csv
from dataclasses import replace

import pytest
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.methods.settings import TwoStreamConfig
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig
from viewloom.training.trainer import AtomicCheckpointIO

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def test_a_loss_that_is_not_finite_stops_the_run_before_the_step(data, tmp_path):
    config = PretrainConfig(
        data=data,
        run=str(tmp_path / "run"),
        views="v3,e4",
        method="two_stream",
        epochs=3,
        method_options=TwoStreamConfig(layers=1, joint_depth=0.1),
        optim=PretrainOptimConfig(name="sgd", lr=1e30),
        trainer=QUIET,
    )
    with pytest.raises(ConfigError, match="not finite in epoch"):
        run_pretrain(config)


def test_epochs_without_validation_have_blanks_and_no_old_values(data, tmp_path):
    trainer = replace(QUIET, validate_every_epochs=2)
    settings = {"data": data, "views": "v3", "head": "linear", "epochs": 4, "batch_size": 2}
    run_train(TrainConfig(run=str(tmp_path / "sparse"), trainer=trainer, **settings))
    run_train(TrainConfig(run=str(tmp_path / "all"), trainer=QUIET, **settings))
    sparse, whole = (list(csv.DictReader((tmp_path / n / "metrics.csv").open())) for n in ("sparse", "all"))
    assert [row["val/total"] for row in sparse] == ["", whole[1]["val/total"], "", whole[3]["val/total"]]
    assert [row["train/loss"] for row in sparse] == [row["train/loss"] for row in whole]


def test_a_checkpoint_that_was_cut_short_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    def cut_short(self, checkpoint, path, storage_options=None):
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(TorchCheckpointIO, "save_checkpoint", cut_short)
    with pytest.raises(OSError, match="disk full"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [other.name for other in tmp_path.iterdir()] == ["last.ckpt"]
