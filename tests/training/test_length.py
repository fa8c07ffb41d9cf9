"""Few windows make few steps an epoch: what is left open follows the steps, what is set stays."""

import pytest
import yaml

from tests.tiny import write_tiny
from viewloom.registry import HEADS, METHODS
from viewloom.training.length import validation_interval, with_length
from viewloom.training.pretrain import run_pretrain
from viewloom.training.segment import run_train
from viewloom.training.settings import OptimConfig, PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig


@pytest.fixture
def filled(capsys):
    def fill(windows=12, **changes):
        config = with_length(TrainConfig(data="d", run="r", views="v3", **changes), windows, "head", 100, 600, 40)
        said = capsys.readouterr().err.splitlines()
        return config.epochs, config.optim.lr_step_epochs, config.trainer.validate_every_epochs, said

    return fill


@pytest.mark.parametrize(
    ("windows", "batch_size", "accumulate", "epochs"),
    [(12, 8, 1, 300), (1, 8, 1, 600), (12, 8, 2, 600), (12, 1, 1, 100), (5000, 8, 1, 100)],
)
def test_few_windows_take_more_epochs(filled, windows, batch_size, accumulate, epochs):
    trainer = TrainerConfig(accumulate=accumulate)
    found, lr_step, every, said = filled(windows, batch_size=batch_size, trainer=trainer)
    assert (found, lr_step, every) == (epochs, max(40, 0.4 * epochs), -(-epochs // 100))
    assert len(said) == 1


def test_the_note_says_what_was_chosen_and_why(filled):
    assert filled()[3] == [
        "note: 12 windows make 2 steps an epoch: 300 epochs, so that the head takes 600 steps (--epochs sets another "
        "number)."
    ]


def test_what_is_set_is_obeyed_without_a_word(filled):
    optim, trainer = OptimConfig(lr_step_epochs=7), TrainerConfig(validate_every_epochs=3)
    assert filled(epochs=5, optim=optim, trainer=trainer) == (5, 7, 3, [])
    assert filled(epochs=30) == (30, 40, 1, [])  # as before there was anything to choose


def test_long_runs_are_validated_a_hundred_times():
    for epochs in (1, 99, 100, 101, 250, 500, 12345):
        assert epochs / validation_interval(epochs) <= 100
    assert [validation_interval(epochs) for epochs in (1, 100, 101, 500)] == [1, 1, 2, 5]


def test_every_head_and_gradient_method_says_how_many_steps_it_needs():
    assert all(50 <= HEADS.get(name).least_steps <= 2000 for name in HEADS.names())
    assert all(50 <= METHODS.get(name).least_steps <= 2000 for name in METHODS.names())


def test_a_run_keeps_what_was_chosen_and_resumes_with_it(tmp_path, monkeypatch):
    data = str(write_tiny(tmp_path / "data"))
    monkeypatch.setattr(HEADS.get("linear"), "least_steps", 120)
    monkeypatch.setattr(METHODS.get("sync_kd"), "least_steps", 70)
    quiet = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
    train = {"data": data, "run": str(tmp_path / "head"), "views": "v3", "head": "linear", "trainer": quiet}
    pretrain = {"data": data, "run": str(tmp_path / "pre"), "views": "v3,e4", "method": "sync_kd", "trainer": quiet}
    run_train(TrainConfig(**train))
    run_pretrain(PretrainConfig(**pretrain, optim=PretrainOptimConfig(lr=1e-3)))
    for name, epochs, lr_step in (("head", 120, 48), ("pre", 70, 100)):
        kept = yaml.safe_load((tmp_path / name / "config.yaml").read_text())
        assert (kept["epochs"], kept["optim"]["lr_step_epochs"]) == (epochs, lr_step)
        rows = (tmp_path / name / "metrics.csv").read_text().splitlines()
        assert len(rows) == 1 + epochs
    run_train(TrainConfig(**train, resume=True))  # finished: nothing is left to do
    assert len((tmp_path / "head" / "metrics.csv").read_text().splitlines()) == 121
