"""Runs that learned nothing say so, with figures; those that did are not accused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.methods.made import make_method, put, stacked, view_batch
from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.metrics.invariance import retrieval_accuracy, retrieval_chance
from viewloom.registry import METHODS
from viewloom.report.runs import load_runs
from viewloom.training.invariance import measure
from viewloom.training.learned import against_first_epoch, against_plain, commonest
from viewloom.training.pretrain import run_pretrain, split_pairs
from viewloom.training.segment import run_train
from viewloom.training.settings import OptimConfig, PretrainConfig, PretrainOptimConfig, TrainConfig, TrainerConfig
from viewloom.windows.pairs import make_view_loader

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=16))


def pretrain(data, run, method="cca", **changes):
    defaults = {"views": "v3,e4", "held_out": 0.4, "trainer": QUIET}
    return PretrainConfig(data=data, run=str(run), method=method, **(defaults | changes))


def read(run, name="invariance.json"):
    return json.loads((run / name).read_text())


@pytest.mark.parametrize(("steps", "tolerance"), [(40, 2), (7, 0), (3, 5), (1, 0)])
def test_chance_is_what_blind_guesses_find(steps, tolerance):
    rng = np.random.default_rng(0)
    blind = [retrieval_accuracy(rng.normal(size=(2, steps, 3)), tolerance) for _ in range(2000)]
    assert retrieval_chance(steps, tolerance) == pytest.approx(np.mean(blind), abs=0.02)


@pytest.mark.parametrize("standardise", ["none", "view"])
def test_plain_features_and_chance_stand_beside(data, tmp_path, capfd, standardise):
    options = METHODS.get("cca").Config(standardise=standardise)
    config = pretrain(data, tmp_path / "run", method_options=options)
    run_pretrain(config)
    held = read(tmp_path / "run")["held_out"]
    pairs = split_pairs(config, open_dataset(config))
    learn = torch.cat([stacked(b)[0] for b in make_view_loader(still(pairs.learn), 1)], dim=1)
    scale = [(learn.mean(1), learn.std(1, correction=0)), (torch.zeros(2, 8), torch.ones(2, 8))][standardise == "none"]
    found = [
        retrieval_accuracy(((stacked(b)[0] - scale[0][:, None]) / scale[1][:, None]).numpy(), 2)
        for b in make_view_loader(pairs.held_out, 1)
    ]
    assert held["plain_retrieval"] == pytest.approx(100 * np.mean(found), abs=1e-4)
    assert held["retrieval"] > held["plain_retrieval"] and read(tmp_path / "run")["warnings"] == []
    said = " ".join(capfd.readouterr().err.split())
    told = f"retrieval {held['retrieval']:.1f} %, plain features {held['plain_retrieval']:.1f} %, chance "
    assert told + f"{held['chance']:.1f} %" in said


def still(windows):
    from viewloom.windows.pairs import ViewWindows

    plain = replace(windows.sampling, augment_probability=0.0)
    return ViewWindows(windows.source, windows.items, windows.views, plain)


def test_a_refiner_no_better_than_plain_features_says_so(tmp_path, capfd):
    """Views that have nothing in common: there is nothing to learn."""
    root = write_tiny(tmp_path / "data", recordings=16)
    rng = np.random.default_rng(0)
    for path in root.rglob("features.npy"):
        np.save(path, rng.random(np.load(path).shape).astype(np.float32))
    for method in ("ridge", "cca", "none"):
        run_pretrain(pretrain(str(root), tmp_path / method, method))
    found = {name: read(tmp_path / name) for name in ("ridge", "cca", "none")}
    for name in ("ridge", "cca"):
        held, warnings = found[name]["held_out"], found[name]["warnings"]
        worse = held["retrieval"] <= max(held["plain_retrieval"], held["chance"])
        assert [w.startswith(f"LEARNED NOTHING: {name} finds") for w in warnings] == [True] * worse
        for warning in warnings:
            assert f"{held['retrieval']:.1f} %" in warning and f"{held['plain_retrieval']:.1f} %" in warning
    assert any(found[name]["warnings"] for name in ("ridge", "cca")), "no method failed: the test shows nothing"
    assert found["none"]["warnings"] == []  # it wasn't meant to learn
    assert "LEARNED NOTHING" in capfd.readouterr().err


def test_figures_decide():
    assert against_plain("cca", 12.3, 11.9, 5) == []
    assert len(against_plain("cca", 11.9, 11.9, 5)) == 1 and "ridge" in against_plain("cca", 5, 6, 1)[0]
    assert len(against_plain("cca", 6, 5, 7)) == 1
    assert len(against_plain("sync_kd", float("nan"), 5.0, 1.0)) == 1
    assert against_first_epoch("sync_kd", 2, 1, 10) == [] and against_first_epoch("sync_kd", 1, 1, 1) == []
    assert "after epoch 3 of 10" in against_first_epoch("sync_kd", 3, 3, 10)[0]


def test_a_best_epoch_that_is_the_first_is_a_warning(data, tmp_path):
    """A rate at which every step makes it worse."""
    optim = PretrainOptimConfig(lr=1.0)
    run_pretrain(pretrain(data, tmp_path / "run", "sync_kd", epochs=6, optim=optim, select="loss"))
    found = read(tmp_path / "run")
    if found["kept"] == "best epoch (1 of 6)":
        assert found["warnings"] and "LEARNED NOTHING" in found["warnings"][0]
    else:
        assert not any("after epoch" in warning for warning in found["warnings"])


def test_a_head_that_learned_nothing_says_so_in_the_run_and_its_report(data, tmp_path, capfd):
    """At a learning rate of nothing; and a head that learns is not accused."""
    common = {"data": data, "views": "v3", "head": "linear", "batch_size": 2, "trainer": QUIET, "epochs": 30}
    run_train(TrainConfig(**common, run=str(tmp_path / "idle"), optim=OptimConfig(lr=1e-12), seed=1))
    run_train(TrainConfig(**common, run=str(tmp_path / "good"), optim=OptimConfig(lr=0.05)))
    warnings = read(tmp_path / "idle", "environment.json")["warnings"]
    assert len(warnings) == 1 and warnings[0].startswith("LEARNED NOTHING: the head kept gets ")
    dataset = open_dataset(TrainConfig(**common, run="unused"))
    assert dataset.labels.actions[commonest(dataset)] in warnings[0]
    assert warnings[0] in " ".join(capfd.readouterr().err.split())
    assert "warnings" not in read(tmp_path / "good", "environment.json")
    assert any("LEARNED NOTHING" in warning for warning in load_runs([tmp_path / "idle"])[0].notes)


@pytest.mark.parametrize("method", ["cca", "ridge", "none", "sync_kd"])
def test_units_are_no_collapse(method):
    """Features of large units, standardised or mapped to a scale of their own, have not become constant."""
    config = METHODS.get(method).Config(standardise="none" if method in ("cca", "ridge") else "view")
    batch = view_batch((60, 50, 41))
    put(batch, stacked(batch) * 1e4)
    fitted = make_method(method, config, batch=batch)
    assert measure(fitted, [batch], torch.device("cpu")).collapse is None


def test_one_action_alone_is_nothing_to_learn(tmp_path):
    data = write_tiny(tmp_path / "data")
    lines = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join([lines[0], *(line[:-1] + "0" for line in lines[1:])]) + "\n")
    run = tmp_path / "run"
    run_train(TrainConfig(data=str(data), views="v3", head="linear", run=str(run), trainer=QUIET, epochs=1))
    (warning,) = read(run, "environment.json")["warnings"]
    assert "one action alone, act0" in warning
