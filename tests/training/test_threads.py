"""Threads: few for small models, timed for large ones, kept in the run, and given back."""

import json

import pytest
import torch

from tests.tiny import write_tiny
from viewloom.training import threads
from viewloom.training.segment import run_train
from viewloom.training.settings import TrainConfig, TrainerConfig
from viewloom.training.threads import SMALL, choose_threads, speed_up, using_threads

CPU = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
LITTLE, MUCH = torch.nn.Linear(8, 8), torch.nn.Linear(1100, 1100)


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with using_threads(4):
        yield


def chosen(config=CPU, module=LITTLE, folder=None, resume=False, dim=8):
    from pathlib import Path

    return choose_threads(config, module, dim, folder or Path("nowhere"), resume)


def test_small_models_take_one(capfd):
    assert chosen() == 1
    assert "1 of 4 threads" in capfd.readouterr().err


@pytest.mark.parametrize(("gain", "count"), [(1.2, 1), (1.31, 4), (0.1, 1)])
def test_large_models_take_all_where_that_is_faster(monkeypatch, capfd, gain, count):
    assert sum(p.numel() for p in MUCH.parameters()) > SMALL
    monkeypatch.setattr(threads, "speed_up", lambda weight, most: gain)
    assert chosen(module=MUCH) == count
    assert f"{count} of 4 threads" in capfd.readouterr().err


def test_a_closed_form_is_as_large_as_its_covariances(monkeypatch):
    monkeypatch.setattr(threads, "speed_up", lambda weight, most: 3.0)
    assert chosen(module=torch.nn.Identity(), dim=18) == 1
    assert chosen(module=torch.nn.Identity(), dim=1280) == 4


def test_what_is_set_is_obeyed(monkeypatch):
    assert chosen(TrainerConfig(accelerator="cpu", threads=3)) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert chosen() is None
    monkeypatch.delenv("OMP_NUM_THREADS")
    for elsewhere in ({"accelerator": "cuda"}, {"devices": "2"}, {"num_nodes": 2}):
        assert chosen(TrainerConfig(**{"accelerator": "cpu", **elsewhere})) is None


def test_timing_leaves_threads_as_they_were():
    assert speed_up(torch.randn(64, 64), 4) > 0
    assert torch.get_num_threads() == 4


def test_a_run_keeps_its_number_and_gives_threads_back(tmp_path):
    data, run = str(write_tiny(tmp_path / "data")), tmp_path / "run"
    seen = []
    original = torch.set_num_threads
    settings = {"data": data, "run": str(run), "views": "v3", "head": "linear", "epochs": 1}
    run_train(TrainConfig(**settings, trainer=CPU))
    kept = run / "environment.json"
    assert json.loads(kept.read_text())["threads"] == 1 and torch.get_num_threads() == 4
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"threads": 3}))
    torch.set_num_threads = lambda count: (seen.append(count), original(count))
    try:
        run_train(TrainConfig(**settings, trainer=CPU, resume=True))
    finally:
        torch.set_num_threads = original
    assert seen[0] == 3 and torch.get_num_threads() == 4
    assert json.loads(kept.read_text())["threads"] == 3


def test_an_error_gives_them_back_too():
    with pytest.raises(ValueError, match="stop"), using_threads(2):
        assert torch.get_num_threads() == 2
        raise ValueError("stop")
    assert torch.get_num_threads() == 4
