"""The trainer of all runs: losses that are not finite, sparse validation, checkpoints that are whole."""

import csv
import tempfile
from dataclasses import replace

import pytest
import torch

from tests.continued import begun_with
from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.methods.settings import TwoStreamConfig
from viewloom.training.csv_logger import ResumedCSV
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig
from viewloom.training.trainer import AtomicCheckpointIO, BestCheckpoint, LastCheckpoint

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
        epochs=20,
        method_options=TwoStreamConfig(layers=1, joint_depth=0.1),
        optim=PretrainOptimConfig(name="sgd", lr=1000.0),
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

    def cut_short(checkpoint, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", cut_short)
    with pytest.raises(OSError, match="disk full"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [other.name for other in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_touches_no_folder_but_its_own(tmp_path, monkeypatch):
    """Lightning writes into the system's folder for temporary files first, where a killed run would leave it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True) == {"epoch": 1}


def test_a_resumed_run_knows_its_last_score_and_keeps_the_logger_s_rows(data, tmp_path):
    """Killed after its second epoch, in the middle of its third: in the end all is as if it had not been."""
    trainer = replace(QUIET, logger="csv")
    settings = {"data": data, "views": "v3", "head": "linear", "batch_size": 2, "trainer": trainer}
    run_train(TrainConfig(run=str(tmp_path / "whole"), epochs=3, **settings))
    killed = tmp_path / "killed"
    run_train(TrainConfig(run=str(killed), epochs=2, **settings))
    begun_with(killed, epochs=3)
    rows = (killed / "csv" / "metrics.csv").read_text()
    (killed / "csv" / "metrics.csv").write_text(rows + rows.splitlines()[-1].replace("1,", "2,", 1) + "\n")
    (killed / "head.safetensors").unlink()
    run_train(TrainConfig(run=str(killed), epochs=3, resume=True, **settings))
    assert (killed / "csv" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "csv" / "metrics.csv").read_bytes()
    assert len(rows.splitlines()) == 3, "a header and two epochs"
    one, other = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
        for name in ("whole", "killed")
    )
    (key,) = (key for key in one if "ModelCheckpoint" in key)
    assert one[key]["current_score"] == other[key]["current_score"] is not None
    run_train(TrainConfig(run=str(killed), epochs=3, resume=True, **settings))
    assert (killed / "csv" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "csv" / "metrics.csv").read_bytes()


def test_the_last_score_is_taken_up_from_a_checkpoint(tmp_path):
    one, other = (BestCheckpoint(tmp_path, "best", monitor="val/x") for _ in range(2))
    one.current_score = torch.tensor(3.5)
    other.load_state_dict(one.state_dict())
    assert other.current_score == 3.5


def test_rows_of_an_epoch_are_there_before_its_checkpoint(data, tmp_path, monkeypatch):
    """Killed as soon as a checkpoint is written: what a resumed run goes on from is there, and it is what is logged."""
    settings = {"data": data, "views": "v3", "head": "linear", "batch_size": 2, "epochs": 3}
    settings["trainer"] = replace(QUIET, logger="csv")
    run_train(TrainConfig(run=str(tmp_path / "whole"), **settings))
    save, killed = LastCheckpoint.on_train_epoch_end, tmp_path / "killed"

    def killed_after_the_second(self, trainer, module):
        save(self, trainer, module)
        if trainer.current_epoch == 1:
            raise SystemExit

    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", killed_after_the_second)
    monkeypatch.setattr(ResumedCSV, "finalize", lambda self, status: None)
    with pytest.raises(SystemExit):
        run_train(TrainConfig(run=str(killed), **settings))
    monkeypatch.undo()
    rows = (tmp_path / "whole" / "csv" / "metrics.csv").read_text().splitlines()
    assert (killed / "csv" / "metrics.csv").read_text().splitlines() == rows[:3]
    run_train(TrainConfig(run=str(killed), resume=True, **settings))
    assert (killed / "csv" / "metrics.csv").read_text().splitlines() == rows
