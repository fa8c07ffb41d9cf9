"""Experiments: what each run takes, what its folder's name stands for, and what a line of the table says."""

import json
from dataclasses import dataclass, field, make_dataclass

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.identity import Identity, added
from viewloom.recipes.jobs import make_jobs, table_views
from viewloom.recipes.planned import PlannedRun, data_identity, run_key, unique_runs
from viewloom.recipes.results import Result, row_lines
from viewloom.recipes.settings import ExperimentConfig
from viewloom.recipes.tables import TABLES
from viewloom.report.gaps import Gap
from viewloom.training.evaluate import scored_with
from viewloom.training.settings import EvaluateConfig, TrainConfig, TrainerConfig


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data"))


def jobs_of(data, out, table):
    trainer = TrainerConfig(accelerator="cpu", devices="1")
    config = ExperimentConfig(data=data, out=str(out), table=table, seeds="3,4", scale=0.01, trainer=trainer)
    dataset = open_dataset(config)
    jobs = make_jobs(config, dataset, data_identity(dataset, table_views(config), None))
    return {(job.row.name, job.seed): unique_runs([job.evaluation]) for job in jobs}


@pytest.mark.parametrize("table", ["table1", "table4"])
def test_rows_take_the_labels_refiners_and_seeds_they_claim(data, tmp_path, table):
    jobs = jobs_of(data, tmp_path, table)
    for (name, seed), runs in jobs.items():
        row = next(row for row in TABLES[table] if row.name == name)
        kinds = {run.kind: run for run in runs}
        train, score = kinds["train"].config, kinds["evaluate"].config
        assert all(run.config.seed == seed for run in runs if run.kind != "evaluate")
        assert train.views == ("e4" if row.labels == "ego" else "v3")
        assert ("pretrain" in kinds) == (row.recipe is not None)
        refiner = str(kinds["pretrain"].folder / "refiner.safetensors") if row.recipe else None
        assert train.refiner == (None if row.front else refiner)
        assert score.refiner == (refiner if row.front else None)
        assert score.run == str(kinds["train"].folder)
        if row.front and ("naive", seed) in jobs:  # the head of the row without pre-training
            assert kinds["train"].folder == jobs["naive", seed][0].folder


def test_a_folder_s_name_stands_for_settings_seed_and_what_was_used(data, tmp_path):
    config = TrainConfig(data=data, run="r", views="v3")
    a, b = (Identity({"features": {"v3": name}}) for name in "ab")
    key = run_key(config, a)
    others = [TrainConfig(data=data, run="r", views="v3", seed=1), TrainConfig(data=data, run="r", views="e4")]
    assert len({key, run_key(config, b), *(run_key(other, a) for other in others)}) == 4
    assert run_key(TrainConfig(data="elsewhere", run="x", views="v3", workers=2), a) == key
    assert run_key(config, a, tmp_path / "refiner") != key


def test_a_setting_that_was_added_later_leaves_what_was_finished_before_where_it_is():
    data = Identity({"data": {"a": 1}})
    before = run_key(make_dataclass("Config", [("epochs", int, 3)])(), data)

    @dataclass(frozen=True, kw_only=True)
    class Inner:
        weight: float = added(1.0)

    @dataclass(frozen=True, kw_only=True)
    class Config:
        epochs: int = 3
        lookahead_s: float = added(0.0)
        sizes: tuple[int, ...] = added((1, 2))
        inner: Inner = field(default_factory=Inner)

    assert run_key(Config(), data) == before
    others = (Config(lookahead_s=1.0), Config(sizes=(1,)), Config(inner=Inner(weight=2.0)), Config(epochs=4))
    assert len({before, *(run_key(other, data) for other in others)}) == 5


def test_the_key_of_the_data_stands_for_labels_and_values_of_features(tmp_path):
    roots = [write_tiny(tmp_path / name) for name in ("a", "same", "labels", "values")]
    text = (roots[2] / "labels.csv").read_text()
    (roots[2] / "labels.csv").write_text(text.replace("act1", "act2", 1))
    path = roots[3] / "features" / "p01" / "e4" / "features.npy"
    x_TD = np.load(path)
    x_TD[len(x_TD) // 2] += 1
    np.save(path, x_TD)
    keys = [data_identity(open_dataset(DataConfig(data=str(root))), ("v3", "e4"), None).key for root in roots]
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_an_evaluation_is_finished_if_it_is_ours_and_so_is_all_it_needs(data, tmp_path):
    config = EvaluateConfig(data=data, run="r", views="v3")
    head = PlannedRun("train", "head", tmp_path / "head", TrainConfig(data=data, run="r", views="v3"))
    run = PlannedRun("evaluate", "scores", tmp_path, config, (head,))
    metrics = {"scored_with": scored_with(config), "views": {"v3": {}}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert not run.finished
    head.folder.mkdir()
    (head.folder / "head.safetensors").touch()
    assert run.finished
    other = scored_with(EvaluateConfig(data=data, run="r", views="v3", protocol="mean_f1"))
    (tmp_path / "metrics.json").write_text(json.dumps(metrics | {"scored_with": other}))
    assert not run.finished
    (tmp_path / "metrics.json").write_text(json.dumps(metrics | {"views": {"e4": {}}}))
    assert not run.finished


def test_a_line_of_the_table_has_deviation_difference_and_collapse():
    row = TABLES["table1"][0]
    seeds = {0: (20.0, 20.0, 20.0, 20.0, 28.0), 1: (24.0, 20.0, 20.0, 20.0, 30.0)}
    lines = row_lines(
        "table1", Result(row, "e4", "ego", seeds, ("seed 0: COLLAPSE of two_stream: constant features",), Gap(None))
    )
    # Published: Edit 22.61, MoF 28.62. Deviation of 20 and 24: sqrt(8).
    assert "COLLAPSED" in lines[0] and "22.00 ± 2.83" in lines[0] and "29.00 ± 1.41" in lines[0]
    assert "| -0.61 |" in lines[2] and "| +0.38 |" in lines[2]
    alone = row_lines("table1", Result(row, "e4", "ego", {0: seeds[0]}, (), Gap(None)))
    assert "±" not in alone[0] and "COLLAPSED" not in alone[0]
