"""Views of their own sizes and rates, from recordings to a report: refiners, heads behind them, and who is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.tiny import all_items
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig, SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.methods.base import Method
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.refiner_file import load_refiner
from viewloom.methods.settings import SyncKDHeadConfig, TwoStreamConfig
from viewloom.registry import METHODS
from viewloom.simulate.run import run_simulate
from viewloom.simulate.settings import FaultConfig, SimulateConfig
from viewloom.training.evaluate import run_evaluate
from viewloom.training.predict import run_predict
from viewloom.training.pretrain import run_pretrain
from viewloom.training.refined import FrozenRefiner
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PredictConfig, PretrainConfig, TrainConfig, TrainerConfig
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows, collate

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
STEM = TwoStreamConfig(stem="cca", layers=1, joint_depth=0.1)
SIZES = {"recordings": 8, "people": 4, "pace": 12.0, "views": "v3,e4", "dims": "v3=24,e4=16", "rates": "e4=20"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Frames are missing in places, and one recording lacks a view."""
    out = tmp_path_factory.mktemp("own") / "data"
    run_simulate(SimulateConfig(out=str(out), faults=FaultConfig(dropped_share=0.05), **SIZES))
    return str(out)


@pytest.fixture(scope="module", params=["cca", "two_stream"])
def refiner(request, data, tmp_path_factory):
    """Path of a refiner of both views: a map for each, or a network behind a stem."""
    run = tmp_path_factory.mktemp("refiners") / request.param
    options = STEM if request.param == "two_stream" else None
    settings = {"method": request.param, "method_options": options, "epochs": 1, "batch_size": 4, "trainer": QUIET}
    return run_pretrain(PretrainConfig(data=data, run=str(run), views="v3,e4", **settings))


def training(data, run, **settings):
    usual = {"views": "v3,e4", "head": "linear", "epochs": 1, "batch_size": 3, "trainer": QUIET}
    return TrainConfig(data=data, run=str(run), **usual | settings)


def predicted(folder):
    """Rows of the table that `predict` wrote."""
    return [line.split(",") for line in (folder / "segments.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("views", [{"views": "v3,e4"}, {"views": "v3", "val_views": "e4"}])
def test_a_head_says_what_to_do_about_two_sizes(data, tmp_path, views):
    """Before anything is written, also of views that only validate."""
    with pytest.raises(DataError, match=r"A head takes views of one feature size.*v3 24, e4 16.*--refiner"):
        run_train(training(data, tmp_path / "run", **views))
    assert not (tmp_path / "run").exists()


def test_a_head_without_a_refiner_leaves_views_of_other_sizes_out(data, tmp_path, capsys):
    """Unless they were asked for; in folds likewise."""
    run_train(training(data, tmp_path / "run", views="v3"))
    run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), accelerator="cpu"))
    assert list(json.loads((tmp_path / "run" / "metrics.json").read_text())["views"]) == ["v3"]
    assert "note: e4 left out. The model takes features of size 24" in capsys.readouterr().err
    predict = PredictConfig(data=data, run=str(tmp_path / "run"), out=str(tmp_path / "p"), accelerator="cpu")
    run_predict(predict)
    assert {row[1] for row in predicted(tmp_path / "p")} == {"v3"}
    for config, verb in ((EvaluateConfig, run_evaluate), (PredictConfig, run_predict)):
        where = {"data": data, "run": str(tmp_path / "run"), "out": str(tmp_path / "x"), "accelerator": "cpu"}
        with pytest.raises(DataError, match=r"size 24, but those of view 'e4' have 16.*train on these"):
            verb(config(**where, views="v3,e4"))


def test_a_refiner_s_run_says_what_it_measured(refiner):
    measured = json.loads((refiner.parent / "invariance.json").read_text())["held_out"]
    assert measured["retrieval"] > measured["chance"] > 0
    # Plain features of two sizes can't be searched in one another; those behind a stem can.
    assert ("plain_retrieval" in measured) == (load_refiner(refiner).method == "two_stream")
    assert measured["input_view_share"] is None and measured["view_share"] < 1


def rows_of(data, refiner, unread=()):
    dataset = open_dataset(DataConfig(data=data))
    sampling = Sampling(chunk_frames=7, max_chunks=40)
    windows = SegmentWindows(dataset.source, None, all_items(dataset)[:3], ("v3", "e4"), sampling, unread=unread)
    return windows, [windows[0, row] for row in range(len(windows))]


def test_batches_that_mix_views_are_as_each_alone(data, refiner):
    """In any order and company; zeros behind the smaller view's features are never used."""
    frozen, (_, rows) = FrozenRefiner(load_refiner(refiner).freeze()), rows_of(data, refiner)
    together = frozen.refine(collate(rows))
    turned = frozen.refine(collate(rows[::-1]))
    spoilt = collate(rows)
    assert spoilt.features_BTD.shape[-1] == 24 and {row.dim for row in rows} == {24, 16}
    for place, row in enumerate(rows):
        spoilt.features_BTD[place, :, row.dim :] = torch.nan
    spoilt = frozen.refine(spoilt)
    for place, row in enumerate(rows):
        alone, steps = frozen.refine(collate([row])), row.window.steps
        for other, at in ((together, place), (turned, len(rows) - 1 - place), (spoilt, place)):
            assert torch.equal(other.features_BTD[at, :steps], alone.features_BTD[0, :steps])
            assert torch.equal(other.mask_BT[at, :steps], alone.mask_BT[0, :steps])
        x = torch.from_numpy(row.pooled.features_SZ)
        called = frozen.refiner(x, view=row.view, mask=torch.from_numpy(row.pooled.mask_S))
        assert torch.equal(called[row.pooled.mask_S], alone.features_BTD[0, :steps][row.pooled.mask_S])


@pytest.mark.parametrize("head", ["linear", "c2f_tcn"])
def test_kept_features_and_data_on_the_device_change_nothing(data, refiner, tmp_path, head):
    found, chunks = [], SamplingConfig(chunk_frames=15)
    for gib, held in ((0.0, "never"), (1.0, "never"), (0.0, "always"), (1.0, "always")):
        run = tmp_path / f"{gib}-{held}"
        settings = {"refined_cache_gib": gib, "trainer": replace(QUIET, device_data=held), "head": head, "epochs": 2}
        weights = load_file(run_train(training(data, run, refiner=str(refiner), sampling=chunks, **settings)))
        found.append((weights, (run / "metrics.csv").read_text()))
    for weights, metrics in found[1:]:
        assert metrics == found[0][1]
        assert all(torch.equal(value, found[0][0][name]) for name, value in weights.items())


def test_every_view_is_scored_and_predicted(data, refiner, tmp_path):
    """Also the one whose labels the head never saw."""
    run_train(training(data, tmp_path / "run", views="v3", refiner=str(refiner)))
    run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), accelerator="cpu"))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert list(metrics["views"]) == ["v3", "e4"]
    run_predict(PredictConfig(data=data, run=str(tmp_path / "run"), out=str(tmp_path / "p"), accelerator="cpu"))
    rows = predicted(tmp_path / "p")
    source = open_dataset(DataConfig(data=data)).source
    for view in ("v3", "e4"):
        for name in {row[0] for row in rows}:
            mine = [row for row in rows if row[:2] == [name, view]]
            span = source.span(name, view)
            assert (int(mine[0][2]), int(mine[-1][3])) == tuple(span), "on the data set's clock"
            assert float(mine[-1][5]) == pytest.approx(span.end / 30, abs=1e-3)


class Drawn(Method):
    """As a user may write it: for each view a map to four features, drawn by luck."""

    fit = "nothing"
    any_sizes = True

    def __init__(self, dim, views, config=None):
        super().__init__(dim, views, config)
        for view in self.views:
            size = self.refiner.dim_of(view)
            self.refiner.set_map(view, torch.zeros(size), torch.randn(size, 4), torch.zeros(4))

    @classmethod
    def build_refiner(cls, dim, views, config):
        return LinearRefiner("drawn", dim, views, config, 4)


class Through(Drawn):
    """The same, for views of one size."""

    any_sizes = False


def test_a_method_of_one_s_own_takes_any_sizes_if_it_says_so(data, tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS._entries, "drawn", Drawn)
    monkeypatch.setitem(METHODS._entries, "through", Through)
    pairs = {"data": data, "views": "v3,e4", "trainer": QUIET}
    with pytest.raises(ConfigError, match="The method through sends all views through one map.*v3 24, e4 16.*cca"):
        run_pretrain(PretrainConfig(**pairs, run=str(tmp_path / "x"), method="through"))
    refiner = run_pretrain(PretrainConfig(**pairs, run=str(tmp_path / "drawn"), method="drawn"))
    assert load_refiner(refiner).dims == (24, 16)
    run_train(training(data, tmp_path / "run", refiner=str(refiner)))
    run_evaluate(EvaluateConfig(data=data, run=str(tmp_path / "run"), accelerator="cpu"))
    assert list(json.loads((tmp_path / "run" / "metrics.json").read_text())["views"]) == ["v3", "e4"]


def test_a_student_head_of_another_size(data, tmp_path):
    """Its run scores the view it is for; the teacher's, of another size, is left out or refused."""
    run_train(training(data, tmp_path / "teacher", views="v3"))
    settings = {"method": "sync_kd_head", "teacher": str(tmp_path / "teacher"), "epochs": 1, "trainer": QUIET}
    config = PretrainConfig(data=data, run=str(tmp_path / "kd"), views="v3,e4", **settings)
    with pytest.raises(ConfigError, match="A student head takes one feature size.*v3 24, e4 16.*start to random"):
        run_pretrain(config)
    run_pretrain(replace(config, method_options=SyncKDHeadConfig(start="random")))
    measured = json.loads((tmp_path / "kd" / "invariance.json").read_text())["held_out"]
    assert measured["retrieval"] is None and np.isfinite(measured["agreement"]) and np.isfinite(measured["loss"])
    evaluate = EvaluateConfig(data=data, run=str(tmp_path / "kd"), accelerator="cpu")
    run_evaluate(evaluate)
    assert list(json.loads((tmp_path / "kd" / "metrics.json").read_text())["views"]) == ["e4"]
    with pytest.raises(DataError, match="v3"):
        run_evaluate(replace(evaluate, views="v3", out=str(tmp_path / "other")))


def test_the_command_line_from_recordings_to_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quiet = ["--trainer.accelerator", "cpu", "--trainer.logger", "none", "--trainer.progress", "false"]
    pairs = ["--data", "data", "--features", "packed", "--views", "v3,e4"]
    small = ["--method_options.stem", "pca", "--method_options.layers", "1", "--method_options.joint_depth", "0.1"]

    def run(*words):
        assert main(list(words)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    simulated = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
    run("simulate", "--out", "data", *simulated)
    shown = run("check", "--data", "data")
    assert "v3 24, e4 16" in shown and "e4 20 fps; read at the nearest frame" in shown
    run("pack", "--data", "data", "--out", "packed")
    sizes = {path.stem: path.stat().st_size for path in Path("packed/features/sim_0001_person01").iterdir()}
    assert sizes["e4"] / sizes["v3"] == pytest.approx(20 / 30 * 16 / 24, rel=0.05), "frames as they are stored"
    for method, more in (("cca", []), ("ridge", []), ("two_stream", ["--epochs", "2", *small])):
        run("pretrain", *pairs, "--method", method, "--run", f"runs/{method}", *more, *quiet)
        head = ["--data", "data", "--features", "packed", "--views", "v3", "--head", "linear", "--epochs", "1"]
        refiner = ["--refiner", f"runs/{method}/refiner.safetensors"]
        run("train", *head, *refiner, "--run", f"runs/head_{method}", *quiet)
        run("evaluate", "--data", "data", "--features", "packed", "--run", f"runs/head_{method}")
    run("predict", "--data", "data", "--run", "runs/head_cca", "--out", "predicted")
    run("report", "--runs", "runs/head_cca,runs/head_ridge,runs/head_two_stream", "--out", "page.html")
    page = Path("page.html").read_text()
    assert all(name in page for name in ("head_cca", "head_ridge", "head_two_stream", "e4", "v3"))
    assert {row[1] for row in predicted(Path("predicted"))} == {"v3", "e4"}
