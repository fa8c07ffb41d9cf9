"""Two commands on one folder: one works, the other says so."""

import threading
import time

import pytest

from tests import holding
from tests.tiny import write_tiny
from viewloom.errors import ConfigError
from viewloom.locks import alone
from viewloom.training.learn import learn_refiner
from viewloom.training.segment import run_train
from viewloom.training.settings import PretrainConfig, TrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", logger="none", progress=False)


@pytest.fixture
def held(tmp_path):
    """A folder that another process holds, and that process."""
    with holding.held(tmp_path / "x") as process:
        yield tmp_path / "x", process


def test_a_second_one_is_told_and_a_killed_one_holds_nothing(held):
    folder, process = held
    with pytest.raises(ConfigError, match=f"Another viewloom pack is writing {folder}"), alone(folder, "viewloom pack"):
        pytest.fail("held twice")
    process.kill()
    process.wait()
    with alone(folder, "viewloom pack", wait_s=5):
        assert folder.is_dir()


def test_one_that_waits_gets_it_and_a_folder_that_stayed_empty_goes(tmp_path):
    folder, order = tmp_path / "a" / "b", []

    def second():
        with alone(folder, "it", wait_s=20):
            order.append("second")
            assert folder.is_dir()

    with alone(folder, "it"):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.5)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    with alone(tmp_path / "c" / "d", "it"):
        assert (tmp_path / "c" / "d").is_dir()
    assert not (tmp_path / "c").exists()
    with alone(folder, "it"):
        (folder / "file").touch()
    assert (folder / "file").exists()
    for taken in (folder / "file", folder / "file" / "in" / "it"):
        with pytest.raises(ConfigError, match="file is a file"), alone(taken, "it"):
            pass


def test_a_run_that_is_being_written_is_left_alone(held, tmp_path):
    folder, _ = held
    data = str(write_tiny(tmp_path / "data"))
    shared = {"data": data, "run": str(folder), "trainer": QUIET}
    with pytest.raises(ConfigError, match="Another viewloom train is writing"):
        run_train(TrainConfig(**shared, views="v3", head="linear", epochs=1))
    with pytest.raises(ConfigError, match="Another viewloom pretrain is writing"):
        learn_refiner(PretrainConfig(**shared, views="v3,e4", method="cca"))
    assert not any(folder.iterdir())
