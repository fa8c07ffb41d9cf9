"""The table of scores: intervals, differences, the gap closed, and the console's form of it."""

import io
import json

import pytest
from rich.console import Console

from tests.report.make_runs import make_items, write_pretraining, write_run, write_runs
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.statistics import differences, intervals
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows, scores_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("tables"), recordings=5)


@pytest.fixture(scope="module")
def rows(folder):
    return {(row.run.name, row.view.name): row for row in score_rows(load_runs([folder]))}


def test_rows_go_view_by_view_in_the_order_given(folder):
    rows = score_rows(load_runs([folder]))
    assert [(row.view.name, row.run.name) for row in rows] == [
        (view, run) for view in ("v3", "e4") for run in ("naive", "cca", "two streams", "ego oracle")
    ]


def test_gap_closed_is_between_naive_and_the_oracle_of_the_view(rows):
    f1 = {name: rows[name, "e4"].view.scores["f1_50"] for name in ("naive", "cca", "ego oracle")}
    assert f1["naive"] < f1["cca"] < f1["ego oracle"]
    expected = 100 * (f1["cca"] - f1["naive"]) / (f1["ego oracle"] - f1["naive"])
    assert rows["cca", "e4"].gap == pytest.approx(expected)
    assert rows["naive", "e4"].gap == 0
    assert rows["ego oracle", "e4"].gap == 100
    assert all(row.gap is None for (_, view), row in rows.items() if view == "v3")  # naive has labels of v3


def test_seeds_of_naive_count_by_their_mean(tmp_path):
    items = make_items(3, [f"a{i}" for i in range(24)])
    for seed, skill in enumerate((0.1, 0.3)):
        write_run(tmp_path / f"naive_{seed}", "naive", {"e4": skill}, ["v3"], items, seed=seed)
    write_run(tmp_path / "oracle", "oracle", {"e4": 0.9}, ["e4"], items)
    rows = {row.run.name: row for row in score_rows(load_runs([tmp_path]))}
    assert set(rows) == {"naive (naive_0)", "naive (naive_1)", "oracle"}
    assert rows["naive (naive_0)"].gap + rows["naive (naive_1)"].gap == pytest.approx(0, abs=1e-9)
    assert all(row.difference is None for row in rows.values())  # no single run to compare with


def test_intervals_and_differences_are_those_of_the_recordings(rows):
    ours, theirs = rows["cca", "e4"], rows["naive", "e4"]
    assert ours.f1_50 == intervals(ours.view.counts, ours.view.clusters)["f1_50"]
    found = differences(ours.view.counts, theirs.view.counts, ours.view.clusters)["f1_50"]
    assert ours.difference == found
    assert theirs.difference is None
    assert found.estimate == pytest.approx(ours.view.scores["f1_50"] - theirs.view.scores["f1_50"])


def test_items_in_another_order_are_the_same_items(folder, rows, tmp_path):
    source = next(path for path in folder.iterdir() if "cca" in path.name)
    for path in sorted(source.rglob("*.json")):
        value = json.loads(path.read_text())
        if "items" in value:
            value["items"] = dict(reversed(value["items"].items()))
        target = tmp_path / "cca" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(value))
    naive = next(path for path in folder.iterdir() if "naive" in path.name)
    turned = {(row.run.name, row.view.name): row for row in score_rows(load_runs([naive, tmp_path / "cca"]))}
    assert turned["cca", "e4"].difference == rows["cca", "e4"].difference


def test_one_recording_gives_no_interval(tmp_path):
    folder = write_run(tmp_path / "x", items=make_items(1, [f"a{i}" for i in range(24)]))
    assert all(row.f1_50 is None for row in score_rows(load_runs([folder])))


def test_names_choose_naive_oracle_and_reference(folder):
    runs = load_runs([folder])
    rows = {
        (row.run.name, row.view.name): row
        for row in score_rows(runs, naive="cca", oracle="two streams", reference="ego oracle")
    }
    assert rows["cca", "e4"].gap == 0
    assert rows["two streams", "e4"].gap == 100
    assert rows["ego oracle", "e4"].difference is None
    assert rows["naive", "e4"].difference.estimate < 0
    with pytest.raises(ConfigError, match="No run is called 'x'"):
        score_rows(runs, oracle="x")


def test_the_console_shows_the_figures_in_eighty_columns(folder):
    stream = io.StringIO()
    Console(file=stream, width=80, soft_wrap=True).print(scores_table([folder]))
    text = stream.getvalue()
    assert "SIMULATED" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    for path in folder.glob("*/metrics.json"):
        metrics = json.loads(path.read_text())
        for view, result in metrics["views"].items():
            line = next(line for line in text.splitlines() if line.startswith(view) and f" {metrics['row']} " in line)
            assert all(f"{value:.1f}" in line for value in result["scores"].values())


def test_a_name_is_no_markup_of_the_console(tmp_path):
    stream = io.StringIO()
    Console(file=stream, width=120).print(scores_table(load_runs([write_run(tmp_path / "x", "[bold]x[/bold] [/]")])))
    assert "[bold]x[/bold] [/]" in stream.getvalue()


def test_a_table_needs_scores(tmp_path):
    write_pretraining(tmp_path / "x")
    with pytest.raises(ConfigError, match="No evaluated run"):
        scores_table([tmp_path])


def test_the_baseline_of_an_older_experiment_is_the_naive_one(tmp_path):
    items = make_items(3, [f"a{i}" for i in range(24)])
    write_run(tmp_path / "none-seed0-4d78f8eefd", "none", {"e4": 0.2}, ["v3"], items)
    write_run(tmp_path / "mine", "none", {"e4": 0.3}, ["v3"], items, seed=1)
    write_run(tmp_path / "oracle-seed0-12", "oracle", {"e4": 0.9}, ["e4"], items, seed=2)
    rows = {row.run.name: row for row in score_rows(load_runs([tmp_path]))}
    assert set(rows) == {"naive", "none", "oracle"}
    assert rows["naive"].gap == 0 and rows["none"].gap > 0


@pytest.mark.parametrize(("name", "value"), [("mof", 2147483648.0), ("f1_50", -1.0), ("edit", 100.1)])
def test_a_score_that_is_no_percentage_is_refused(tmp_path, name, value):
    run = next(path.parent for path in sorted(write_runs(tmp_path, recordings=3).rglob("metrics.json")))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["views"]["v3"]["scores"][name] = value
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match=rf"views\.v3\.scores\.{name} must be a number from 0 to 100, but is {value}"):
        load_runs([run])
