"""How the learning rate falls: as torch's own schedules and the released code have it, resumed or not."""

import csv
import math
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Callback
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, ReduceLROnPlateau, SequentialLR

from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.training import segment
from viewloom.training.schedules import LowerOnPlateau, cosine_share, lr_schedule
from viewloom.training.segment import run_train
from viewloom.training.settings import OptimConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
PLATEAU = OptimConfig(lr=3.0, lr_schedule="plateau", lr_patience_epochs=1, lr_factor=0.5, weight_decay=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(schedule, own, epochs):
    found = []
    for _ in range(epochs):
        found.append(own.param_groups[0]["lr"])
        own.step()
        schedule.step()
    return found


def test_a_cosine_is_the_released_one_of_ltcontext():
    """A constant rate for 15 epochs, then a cosine that would end at epoch 180, of which 150 are trained."""
    optim = OptimConfig(lr=2.5e-4, lr_schedule="cosine", lr_hold_epochs=15, lr_cosine_epochs=180, lr_least=5e-5)
    ours, theirs = optimizer(2.5e-4), optimizer(2.5e-4)
    cosine = CosineAnnealingLR(theirs, T_max=165, eta_min=5e-5)
    released = SequentialLR(theirs, [LinearLR(theirs, start_factor=1.0), cosine], milestones=[15])
    made = lr_schedule(ours, optim, 150)["lr_scheduler"]["scheduler"]
    found = rates(made, ours, 150)
    assert found == pytest.approx(rates(released, theirs, 150), rel=1e-6)
    assert found[14] == 2.5e-4 > found[16] and found[-1] > 5e-5


def test_a_cosine_ends_with_the_run_and_stays_at_its_least():
    optim = OptimConfig(lr=1.0, lr_schedule="cosine", lr_least=0.1)
    assert cosine_share(0, optim, 10) == 1 and cosine_share(5, optim, 10) == pytest.approx(0.55)
    assert cosine_share(10, optim, 10) == pytest.approx(0.1) == cosine_share(99, optim, 10)


def config(data, run, **changes):
    defaults = {"views": "v3", "head": "linear", "epochs": 12, "batch_size": 2, "trainer": QUIET, "optim": PLATEAU}
    return TrainConfig(data=data, run=str(run), **(defaults | changes))


class Rates(Callback):
    """Notes the learning rate that each epoch trained with; stops a run where it is told to."""

    def __init__(self, stop=None):
        self.found, self.stop = {}, stop

    def on_train_epoch_start(self, trainer, pl_module):
        self.found[trainer.current_epoch] = trainer.optimizers[0].param_groups[0]["lr"]
        if trainer.current_epoch == self.stop:
            raise KeyboardInterrupt


def noted(monkeypatch, settings, stop=None):
    note = Rates(stop)
    made = segment.schedule_callbacks
    monkeypatch.setattr(segment, "schedule_callbacks", lambda optim: [*made(optim), note])
    try:
        run_train(settings)
    except (KeyboardInterrupt, SystemExit):
        assert stop is not None
    monkeypatch.undo()
    return note.found


def losses(run):
    with (run / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file)]


def test_a_plateau_is_torch_s_on_the_epochs_losses(data, tmp_path, monkeypatch):
    found = noted(monkeypatch, config(data, tmp_path / "x"))
    own = optimizer(3.0)
    plateau, expected = ReduceLROnPlateau(own, factor=0.5, patience=1), []
    for loss in losses(tmp_path / "x"):
        expected.append(own.param_groups[0]["lr"])
        plateau.step(loss)
    assert list(found.values()) == expected and 3.0 > expected[-1] > 0, "it did fall"


def test_a_stopped_run_falls_on_as_if_it_had_not_been_stopped(data, tmp_path, monkeypatch):
    whole = noted(monkeypatch, config(data, tmp_path / "whole"))
    falls = [epoch for epoch in range(1, 12) if whole[epoch] < whole[epoch - 1]]
    assert falls
    for stop in {falls[0], falls[0] - 1, falls[-1] + (falls[-1] < 11)} - {0}:
        run = tmp_path / f"stopped{stop}"
        before = noted(monkeypatch, config(data, run), stop)
        after = noted(monkeypatch, config(data, run, resume=True))
        assert before | after == whole and min(after) == stop
        assert (run / "head.safetensors").read_bytes() == (tmp_path / "whole" / "head.safetensors").read_bytes()


def test_a_schedule_is_part_of_what_a_run_is(data, tmp_path):
    run_train(config(data, tmp_path / "x", epochs=1))
    with pytest.raises(ConfigError, match="optim.lr_schedule 'step' instead of 'plateau'"):
        run_train(config(data, tmp_path / "x", epochs=1, resume=True, optim=replace(PLATEAU, lr_schedule="step")))


def test_only_a_plateau_needs_a_callback():
    assert [type(one) for one in segment.schedule_callbacks(PLATEAU)] == [LowerOnPlateau]
    assert not segment.schedule_callbacks(OptimConfig()) and not lr_schedule(optimizer(1.0), PLATEAU, 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr_schedule": "linear"}, "can be step, plateau, cosine, but is 'linear'"),
        ({"lr_patience_epochs": -1}, "lr_patience_epochs is .* has to be"),
        ({"lr_least": math.nan}, "lr_least is .* has to be"),
        ({"lr_hold_epochs": 5, "lr_cosine_epochs": 5}, "must lie behind the 5 epochs"),
    ],
)
def test_schedules_that_can_not_be_are_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        OptimConfig(**changes)
