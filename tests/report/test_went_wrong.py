"""The page's sections on errors and on the difference of two runs: figures are those of the files, text no markup."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

import viewloom as vl
from tests.report.make_runs import ACTIONS, FPS, NASTY, make_items, write_run, write_runs
from tests.report.test_report import Tables, page_of
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.error_kinds import KINDS
from viewloom.metrics.segments import Segments
from viewloom.report.command import ReportConfig, run_report
from viewloom.report.difference import differences
from viewloom.report.reading import ItemResult
from viewloom.report.runs import load_runs
from viewloom.report.went_wrong import went_wrong


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("wrong") / "runs", recordings=3)


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    return page_of(runs, tmp_path_factory.mktemp("page"), difference="naive,two streams")


def frames_of(item, kind):
    return Segments.of_rows(item[kind]).frame_labels(item["start"], item["end"])


def wrong_seconds(folder, view):
    items = json.loads((folder / "predictions" / f"{view}.json").read_text())["items"].values()
    return sum(int((frames_of(item, "truth") != frames_of(item, "prediction")).sum()) for item in items) / FPS


def test_kinds_add_up_to_the_wrong_seconds_of_the_files(runs, page):
    rows, view = {}, None
    for row in Tables(page).rows["what-went-wrong"]:
        if len(row) == 1:
            view = re.match(r"seen by (\w+)", row[0])[1]
        elif view and len(row) == 3 + len(KINDS) and (row[0], view) not in rows:
            rows[row[0], view] = row
    for folder in runs.glob("*/metrics.json"):
        name = json.loads(folder.read_text())["row"]
        for view in ("v3", "e4"):
            row, wrong = rows[name, view], wrong_seconds(folder.parent, view)
            assert float(row[2]) == pytest.approx(wrong, abs=0.06)
            parts = [0.0 if text == "–" else float(text.split()[0]) for text in row[3:]]
            assert sum(parts) == pytest.approx(wrong, abs=0.06 * len(KINDS))


def test_head_follows_training_frames_where_evaluate_wrote_them(runs, page, tmp_path):
    assert "Training frames are unknown" in page
    folder = write_run(tmp_path / "run")
    facts = {"actions": ACTIONS, "verbs": ["do"] * 24, "nouns": ACTIONS, "words_from": "verbs.csv"}
    facts |= {"train_frames": [90] + [1] * 23}
    (folder / "errors.json").write_text(json.dumps({"facts": facts}))
    page = page_of(folder, tmp_path)
    assert "of the training frames, 1 of the 24 that occur there" in page
    assert "from verbs.csv of the data set" in page
    (folder / "errors.json").write_text(json.dumps({"facts": facts | {"nouns": ["x"]}}))
    with pytest.raises(DataError, match=r"errors\.json is not as `viewloom evaluate` writes it"):
        page_of(folder, tmp_path, overwrite=True)


def test_verbs_and_nouns_are_off_where_names_are_not_made_of_them(tmp_path):
    actions = ["walk", "sit", "stand"]
    page = page_of(write_run(tmp_path / "run", items=make_items(1, actions), actions=actions), tmp_path)
    assert "No verbs and nouns" in page and "Confusion of" not in page


def test_differences_are_the_frames_in_which_not_both_are_right(runs):
    one, other = (next(run for run in load_runs([runs]) if run.name == name) for name in ("naive", "two streams"))
    found = differences(one, other)
    seconds = [entry.seconds for entry in found]
    assert seconds == sorted(seconds, reverse=True)
    for view in ("v3", "e4"):
        for item, a in one.views[view].items.items():
            b, outcome = other.views[view].items[item], {}
            truth = a.truth.frame_labels(a.start, a.end)
            right = [of.prediction.frame_labels(of.start, of.end) == truth for of in (a, b)]
            wanted = np.select([right[0] & right[1], right[0], right[1]], ["", "first", "second"], "neither")
            outcome = np.full(len(truth), "", object)
            for entry in (entry for entry in found if (entry.view, entry.item) == (view, item)):
                at = slice(entry.start - a.start, entry.end - a.start)
                assert (outcome[at] == "").all()
                outcome[at] = entry.right
                assert set(truth[at]) == {ACTIONS.index(entry.action)}
                for of, says, error, ok in (
                    (a, entry.first, entry.first_error, right[0]),
                    (b, entry.second, entry.second_error, right[1]),
                ):
                    assert set(of.prediction.frame_labels(of.start, of.end)[at]) == {ACTIONS.index(says)}
                    assert (error == "") == ok[at].all()
            assert outcome.tolist() == wanted.tolist()


def test_kinds_in_the_difference_are_those_of_each_run(runs):
    one, other = load_runs([runs])[:2]
    found, section = differences(one, other), went_wrong([one, other])
    for place in (0, 1):
        sums = dict.fromkeys(KINDS, 0.0)
        for entry in found:
            error = (entry.first_error, entry.second_error)[place]
            if error:
                sums[error] += entry.seconds
        for kind in KINDS:
            whole = sum(of[place].figures["kinds"][kind]["seconds"] for of in section["views"].values())
            assert sums[kind] == pytest.approx(whole, abs=0.1)


def test_the_csv_and_python_have_every_stretch_and_the_page_the_longest(runs, page, tmp_path):
    path = tmp_path / "d.csv"
    page_of(runs, tmp_path, difference="naive,two streams", difference_csv=str(path))
    lines = list(csv.DictReader(path.open()))
    folders = sorted(runs.glob("*_naive")) + sorted(runs.glob("?_two_streams"))
    table = vl.difference(*folders)
    assert [float(line["seconds"]) for line in lines] == table["seconds"].tolist()
    assert {line["second_run"] for line in lines} == {"two streams"}
    rows = [row for row in Tables(page).rows["difference"] if len(row) == 8]
    assert len(rows) == 41 and rows[1][0] == lines[0]["action"]
    assert "The 40 longest of" in page


def test_which_two_runs(runs, tmp_path):
    with pytest.raises(ConfigError, match="must name two of the runs"):
        page_of(runs, tmp_path, difference="naive")
    with pytest.raises(ConfigError, match="needs two runs with scores"):
        page_of(runs, tmp_path, difference_csv=str(tmp_path / "x.csv"))
    with pytest.raises(ConfigError, match="are of --runs"):
        ReportConfig(compare="compared", difference="a,b")
    assert ">Difference</h2>" not in page_of(runs, tmp_path)
    (tmp_path / "taken.csv").write_text("mine")
    with pytest.raises(ConfigError, match=r"taken\.csv is there already"):
        page_of(runs, tmp_path / "other", difference_csv=str(tmp_path / "taken.csv"))
    a, b = (write_run(tmp_path / "ab" / name, f"{name}, c2f") for name in "ab")
    page = run_report(ReportConfig(runs=f"{a},{b}", out=str(tmp_path / "ab.html"), difference="b, c2f,a, c2f"))
    assert "<b>b, c2f</b> and <b>a, c2f</b>" in page.read_text()


def test_several_labels_a_frame_differ_class_by_class(runs):
    """What both have and what one lacks; a stretch that nobody labelled counts for nothing."""
    one = load_runs([runs])[0]
    many = replace(one, metrics=replace(one.scored, labels_mode="multi"))
    truth = Segments.of_rows([[0, 60, 0], [30, 90, 1]])
    said = [Segments.of_rows([[0, 60, 0], [60, 90, 1]]), Segments.of_rows([[0, 30, 0], [30, 90, 1], [0, 90, 5]])]
    both = [
        replace(
            many,
            views={"v3": replace(one.views["v3"], items={"a": ItemResult("a", "r", 0, 90, truth, of, ((80, 90),))})},
        )
        for of in said
    ]
    found = [(s.action, s.start, s.end, s.right, s.first_error, s.second_error) for s in differences(*both)]
    assert sorted(found) == sorted(
        [
            (ACTIONS[5], 0, 80, "first", "", "inserted"),
            (ACTIONS[1], 30, 60, "second", "shifted_boundary", ""),
            (ACTIONS[0], 30, 60, "first", "", "shifted_boundary"),
        ]
    )
    section = went_wrong(both)
    assert section["multi"] and section["views"]["v3"][1].figures["wrong"] == pytest.approx((80 + 30) / FPS)


def test_items_whose_truth_differs_are_left_out(runs):
    one, other = load_runs([runs])[:2]
    views = {"v3": one.views["v3"]}
    name, item = next(iter(views["v3"].items.items()))
    moved = replace(item, truth=Segments(item.truth.starts, item.truth.ends, (item.truth.labels + 1) % 24))
    one = replace(one, views={"v3": replace(views["v3"], items=views["v3"].items | {name: moved})})
    assert {entry.item for entry in differences(one, other)} == set(views["v3"].items) - {name}
    alone = replace(one, views={"v3": replace(views["v3"], items={name: moved})})
    with pytest.raises(ConfigError, match="no item of a view in common"):
        differences(alone, other)


def test_no_text_becomes_markup(tmp_path):
    items = make_items(2, NASTY)
    folders = [write_run(tmp_path / "runs" / name, f"<b>{name}", items=items, actions=NASTY) for name in "ab"]
    page = page_of(tmp_path / "runs", tmp_path)
    assert len(folders) == 2 and ">Difference</h2>" in page
    Tables(page)
    assert NASTY[0] not in page and "<b>a" not in page.replace("<b>attach", "")
