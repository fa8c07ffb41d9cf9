"""The gap closed with its interval; and where one can't be had, the reason beside the cell."""

import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from tests.report.make_runs import ACTIONS, make_items, write_run, write_runs
from viewloom.metrics.statistics import gap_closed
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.gaps import ONE_RECORDING, OTHER_ITEMS, UNCLEAR, Footnotes
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows, scores_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("gaps"), recordings=6)


def rows_of(*folders, **names):
    return {(row.run.name, row.view.name): row for row in score_rows(load_runs(folders), **names)}


def shown(*folders):
    stream = io.StringIO()
    Console(file=stream, width=200).print(scores_table(load_runs(folders)))
    return " ".join(stream.getvalue().split())


def page_of(folder, tmp_path):
    return run_report(ReportConfig(runs=str(folder), out=str(tmp_path / "page.html"))).read_text()


def three(root, recordings=4, oracle=0.9, naive_on=("v3",), **changes):
    """Naive, a run and the oracle on e4; ``changes`` go to the run alone."""
    items = make_items(recordings, ACTIONS)
    write_run(root / "naive", "naive", {"e4": 0.2}, list(naive_on), items)
    write_run(root / "cca", "cca", {"e4": 0.6}, ["v3"], **({"items": items} | changes), seed=1)
    write_run(root / "oracle", "oracle", {"e4": oracle}, ["e4"], items, seed=2)
    return root


def test_the_interval_is_that_of_the_same_recordings_drawn_for_all_three(folder):
    rows = rows_of(folder)
    cca, naive, oracle = (rows[name, "e4"] for name in ("cca", "naive", "ego oracle"))
    counts = [[row.view.counts] for row in (cca, naive, oracle)]
    assert cca.gap_closed.interval == gap_closed(*counts, cca.view.clusters)
    assert cca.gap_closed.interval.estimate == pytest.approx(cca.gap)
    assert cca.gap_closed.interval.low < cca.gap < cca.gap_closed.interval.high
    for end in (naive, oracle):
        assert end.gap_closed.interval is None and end.gap_closed.why == ""


def test_console_and_page_show_it(folder, tmp_path):
    gap = rows_of(folder)["cca", "e4"].gap_closed
    low, high = gap.interval.low, gap.interval.high
    assert str(gap) == f"{gap.closed:.0f} % ({low:.0f} to {high:.0f})"
    assert f"{gap.closed:.0f} ({low:.0f}–{high:.0f})" in shown(folder)
    assert f"<td>{gap}</td>" in page_of(folder, tmp_path)


def test_seeds_of_naive_and_of_the_oracle_count_by_their_mean(tmp_path):
    items = make_items(5, ACTIONS)
    for seed in range(2):
        write_run(tmp_path / f"naive{seed}", "naive", {"e4": 0.2}, ["v3"], items, seed=seed)
        write_run(tmp_path / f"oracle{seed}", "oracle", {"e4": 0.9}, ["e4"], items, seed=10 + seed)
    write_run(tmp_path / "cca", "cca", {"e4": 0.6}, ["v3"], items, seed=20)
    rows = rows_of(tmp_path)
    roles = [
        [row.view.counts for (name, _), row in rows.items() if name.startswith(r)] for r in ("cca", "naive", "oracle")
    ]
    assert [len(role) for role in roles] == [1, 2, 2]
    found = rows["cca", "e4"]
    assert found.gap_closed.interval == gap_closed(*roles, found.view.clusters)


def test_one_test_recording(tmp_path):
    root = three(tmp_path / "runs", recordings=1)
    row = rows_of(root)["cca", "e4"]
    assert row.gap is not None and row.gap_closed.interval is None
    assert row.gap_closed.why == row.why == ONE_RECORDING
    for text in (shown(root), page_of(root, tmp_path)):
        assert "¹" in text and f"¹ {ONE_RECORDING}." in text
    assert "–¹" in shown(root) and f"{row.gap:.0f}¹" in shown(root)


def test_predictions_that_were_not_kept(tmp_path):
    root = three(tmp_path / "runs")
    shutil.rmtree(root / "naive" / "predictions")
    rows = rows_of(root)
    assert rows["cca", "e4"].why == "" and "predictions" in rows["cca", "e4"].gap_closed.why
    assert "predictions were not kept" in rows["naive", "e4"].why
    assert "predictions were not kept" in shown(root) and "predictions were not kept" in page_of(root, tmp_path)


def test_other_items(tmp_path):
    root = three(tmp_path / "runs", items=make_items(4, ACTIONS, seed=9))
    row = rows_of(root)["cca", "e4"]
    assert (row.gap_closed.interval, row.gap_closed.why) == (None, OTHER_ITEMS)
    assert OTHER_ITEMS in shown(root)


def test_another_protocol(tmp_path):
    root = three(tmp_path / "runs")
    path = root / "cca" / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps(metrics | {"protocol": "mean_f1"}))
    assert rows_of(root)["cca", "e4"].gap_closed.interval is None


def test_naive_trained_on_the_view_itself_is_never_taken(tmp_path):
    root = three(tmp_path / "runs", naive_on=("v3", "e4"))
    row = rows_of(root)["cca", "e4"]
    assert row.gap is None and row.gap_closed.interval is None and "naive has labels of e4" in row.gap_closed.why
    write_run(root / "blind", "naive", {"e4": 0.2}, ["v3"], make_items(4, ACTIONS))
    rows = rows_of(root)
    low, high = (rows[name, "e4"].view.scores["f1_50"] for name in ("naive (blind)", "oracle"))
    own = rows["cca", "e4"].view.scores["f1_50"]
    assert rows["cca", "e4"].gap == pytest.approx(100 * (own - low) / (high - low))


def test_an_oracle_that_is_no_better_or_not_clearly(tmp_path):
    root = three(tmp_path / "worse", oracle=0.02)
    assert rows_of(root)["cca", "e4"].gap is None
    assert "no gap to close" in shown(root)
    for skill in np.linspace(0.2, 0.4, 11):
        row = rows_of(three(tmp_path / f"near{skill}", oracle=float(skill)))["cca", "e4"]
        if row.gap is not None and row.gap_closed.interval is None:
            assert row.gap_closed.why == UNCLEAR
            return
    raise AssertionError("no case between clear and none")


def test_without_naive_or_oracle_nothing_is_said(tmp_path):
    root = write_run(tmp_path / "runs" / "x", "mine", {"e4": 0.5}, ["v3"])
    assert rows_of(root)["mine", "e4"].gap_closed.why == ""
    assert "gap" not in shown(root)


def test_a_reason_has_one_mark():
    notes = Footnotes()
    assert [notes.mark(why) for why in ("a", "", "b", "a")] == ["¹", "", "²", "¹"]
    assert notes.lines() == ["¹ a.", "² b."]


def test_a_run_that_learned_from_what_is_scored_is_marked_in_every_table(folder, tmp_path):
    root = three(tmp_path / "runs")
    path = root / "cca" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"learned": {"pairs": ["r1", "r2"]}}))
    expected = "it learned from recordings that are scored here (pairs: r1, r2)"
    assert expected in shown(root) and expected in page_of(root, tmp_path)
    assert "cca¹" in shown(root) or "cca²" in shown(root)
    assert "it learned from" not in shown(folder)
