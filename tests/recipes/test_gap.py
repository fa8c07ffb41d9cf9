"""The gap closed of an experiment's runs, in the report and in the experiment's own table."""

import json

import numpy as np
import pytest

from tests.tiny import write_tiny
from viewloom.dataset.settings import SamplingConfig
from viewloom.recipes.experiment import run_experiment
from viewloom.recipes.settings import ExperimentConfig
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows
from viewloom.training.evaluate import run_evaluate
from viewloom.training.settings import EvaluateConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False, validate_every_epochs=5)
ROWS = ("naive", "ridge", "oracle")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Three rows of Table 1 whose heads have learned, with two seeds; the folder and the text."""
    root = tmp_path_factory.mktemp("gap")
    settings = ExperimentConfig(
        data=str(write_tiny(root / "data", recordings=12)),
        out=str(root / "tables"),
        table="table1",
        rows=",".join(ROWS),
        seeds="0,1",
        head="linear",
        head_epochs=3,
        head_batch_size=2,
        trainer=QUIET,
        sampling=SamplingConfig(test_chunks=(17,)),
    )
    return root / "tables", run_experiment(settings)


def test_the_report_shows_the_gap_closed_of_an_experiment_s_runs(done):
    gaps = {name: [] for name in ROWS}
    for row in score_rows(load_runs([done[0] / "runs"])):
        if row.view.name == "e4":
            gaps[row.run.name.partition(" ")[0]].append(row.gap)
        else:
            assert row.gap is None, "naive has labels of v3"
    assert all(len(each) == 2 for each in gaps.values())
    assert np.mean(gaps["naive"]) == pytest.approx(0, abs=1e-9)
    assert np.mean(gaps["oracle"]) == pytest.approx(100)
    assert 50 < np.mean(gaps["ridge"]) < 150


def test_the_experiment_s_table_shows_the_gap_by_means_over_seeds(done):
    out, text = done
    (path,) = out.glob("table1-*/results.json")
    found = {(row["row"], row["view"]): row for row in json.loads(path.read_text())["rows"]}
    means = {name: found[name, "e4"]["mean"]["f1_50"] for name in ROWS}
    ridge = found["ridge", "e4"]["gap_closed"]
    closed = 100 * (means["ridge"] - means["naive"]) / (means["oracle"] - means["naive"])
    assert ridge["closed"] == pytest.approx(closed)
    assert ridge["low"] < closed < ridge["high"] and ridge["note"] == ""
    shown = f"{closed:.0f} % ({ridge['low']:.0f} to {ridge['high']:.0f})"
    lines = text.splitlines()
    assert any(line.startswith("| ridge | ours |") and line.endswith(f"| {shown} |") for line in lines)
    assert any(line.startswith("| naive: no pre-training | ours |") and line.endswith("| 0 % |") for line in lines)
    head = next(line for line in lines if line.startswith("| row |"))
    assert head.endswith("| gap closed |")
    assert {line.count("|") for line in lines if line.startswith("|")} == {head.count("|")}


def test_where_there_is_no_gap_the_table_says_why(done):
    out, text = done
    (path,) = out.glob("table1-*/results.json")
    found = {(row["row"], row["view"]): row for row in json.loads(path.read_text())["rows"]}
    assert found["ridge", "v3"]["gap_closed"]["closed"] is None
    assert "naive has labels of v3" in found["ridge", "v3"]["gap_closed"]["note"]
    assert "–¹ |" in text and "¹ no gap: naive has labels of v3 itself." in text


def test_a_refiner_put_before_another_head_is_no_naive_run(tmp_path):
    """Its scores stand under their own name in the report, and never count as the baseline."""
    settings = ExperimentConfig(
        data=str(write_tiny(tmp_path / "data", recordings=12)),
        out=str(tmp_path / "tables"),
        table="table4",
        rows="front_ridge,naive,oracle",
        seeds="0",
        head="linear",
        head_epochs=20,
        head_batch_size=2,
        trainer=QUIET,
        sampling=SamplingConfig(test_chunks=(17,)),
    )
    text = run_experiment(settings)
    rows = {row.run.name: row for row in score_rows(load_runs([tmp_path / "tables" / "runs"])) if row.view.name == "e4"}
    assert set(rows) == {"front_ridge", "naive", "oracle"}
    assert rows["naive"].gap == 0
    assert f"| {rows['front_ridge'].gap_closed} |" in text
    by_hand = run_evaluate(
        EvaluateConfig(
            data=settings.data,
            run=str(rows["naive"].run.folder),
            refiner=str(next((tmp_path / "tables" / "runs").glob("pretrain-*")) / "refiner.safetensors"),
            out=str(tmp_path / "mine"),
            accelerator="cpu",
        )
    )
    assert json.loads((by_hand / "metrics.json").read_text())["row"].startswith("naive behind pretrain-ridge-seed0")
