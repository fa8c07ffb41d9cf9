"""How long a head is said to train: counted in the steps that it takes, and silent."""

import pytest

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.heads.settings import LinearConfig
from viewloom.training import timing
from viewloom.training.segment import SegmentationModule, run_train
from viewloom.training.settings import TeachConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12))


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_the_steps_are_those_of_all_trainings(data, tmp_path, monkeypatch, capfd, rounds):
    monkeypatch.setattr(timing, "_seconds_a_step", lambda _: 1.0)
    monkeypatch.setattr(timing, "EPOCH_S", 1000.0)
    config = TrainConfig(
        data=data,
        run=str(tmp_path / "run"),
        views="v3",
        head="linear",
        head_options=LinearConfig(),
        epochs=3,
        batch_size=2,
        trainer=QUIET,
        teach_on_pairs=rounds > 0,
        teach=TeachConfig(rounds=max(1, rounds)),
    )
    said = timing.seconds_to_train(config, open_dataset(config))
    assert not (tmp_path / "run").exists() and capfd.readouterr().err == ""
    taken = []
    step = SegmentationModule.training_step
    monkeypatch.setattr(SegmentationModule, "training_step", lambda *args: (taken.append(1), step(*args))[1])
    run_train(config)
    assert said == len(taken) + 1000 * 3 * (rounds + 1)


def test_a_step_is_timed(data, tmp_path):
    config = TrainConfig(
        data=data, run=str(tmp_path / "run"), views="v3", head_options=None, head="linear", epochs=1, trainer=QUIET
    )
    assert 0 < timing.seconds_to_train(config, open_dataset(config)) < 10
