"""Candidates, heat maps, and agreement over time: on the page of a transfer and of a comparison."""

import json
import re

import numpy as np
import pytest

from tests.report.make_runs import NASTY, write, write_pretraining, write_run, write_runs
from tests.report.make_runs import tried_facts as tried
from tests.report.test_report import Tables, page_of
from viewloom.errors import DataError
from viewloom.metrics.segments import Segments
from viewloom.report.agreement_in_time import CELLS, _said, in_time, strip
from viewloom.report.compared_runs import RowRun, mean_curves, row_runs, sections
from viewloom.report.comparison_page import save_page
from viewloom.report.reading import ItemResult
from viewloom.report.runs import load_runs
from viewloom.report.view_matrix import view_matrices


@pytest.fixture
def transfer(tmp_path):
    folder = tmp_path / "transfer"
    write_pretraining(folder / "refiner")
    write(folder / "refiner" / "auto.json", tried())
    write(folder / "student.json", {"kept": "plain", "why": "A head without it scores more"})
    write(folder / "config.yaml", "from: v3\n")
    write_run(folder / "head", "transfer", {"v3": 0.8, "e4": 0.7})
    write_run(folder / "naive", "naive", {"v3": 0.8, "e4": 0.1})
    inner = folder / "refiner" / "candidates" / "ey" / "metrics.csv"
    write(inner, (folder / "refiner" / "metrics.csv").read_text())
    return folder


def test_the_folder_of_a_transfer_stands_for_its_runs(transfer, tmp_path):
    assert [run.folder.name for run in load_runs([transfer])] == ["refiner", "head", "naive"]
    page = page_of(transfer, tmp_path)
    rows = Tables(page).rows["candidates"]
    assert rows[1] == ["cca", "taken", "68.8", "2.2", "64.9", "40.7", "4.2", "1.1"]
    assert rows[2][2] == f"left out: would take {NASTY[0]}" and NASTY[0] not in page
    assert "A head without it scores more." in page
    assert "two streams, pre-training, ey" in page[page.index('id="training-curves"') :]
    assert ">Difference</h2>" in page  # two runs have scores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": tried()["candidates"][:1] * 2}, "candidates has cca twice"),
        ({"chosen": "nobody"}, "'nobody' was chosen, which is not among the candidates"),
    ],
)
def test_a_choice_that_can_not_be_is_refused(transfer, tmp_path, changes, message):
    write(transfer / "refiner" / "auto.json", tried(**changes))
    with pytest.raises(DataError, match=rf"auto\.json: {message}\. Pre-train again\.$"):
        page_of(transfer, tmp_path)


def test_a_choice_not_made_yet_is_shown(transfer, tmp_path):
    write(transfer / "refiner" / "auto.json", tried(chosen=None, why=""))
    assert Tables(page_of(transfer, tmp_path)).rows["candidates"][1][0] == "cca"


def test_a_broken_choice_is_named(transfer, tmp_path):
    for broken in ([{"name": "cca"}], [tried()["candidates"][0] | {"measured": 3}]):
        write(transfer / "refiner" / "auto.json", tried(candidates=broken))
        with pytest.raises(DataError, match=r"auto\.json is not as `viewloom pretrain --method auto` writes it"):
            page_of(transfer, tmp_path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("views") / "runs", recordings=3)


def test_heat_maps_hold_the_scores_of_the_files(runs):
    scored = [run for run in load_runs([runs]) if run.metrics is not None]
    first, _ = view_matrices(scored)
    assert (first.title, first.views) == ("F1@50, percent", ["v3", "e4"])
    assert [line[0] for line in first.lines] == ["v3", "v3", "v3", "e4"]
    for _, name, values in first.lines:
        run = next(run for run in scored if run.name == name)
        assert values == [run.views[view].scores["f1_50"] for view in first.views]


def test_agreement_is_that_of_the_frames(runs):
    run = load_runs([runs])[1]
    found = in_time(run)
    same = right = some = frames = 0
    for name in run.views["v3"].items:
        a, b = (run.views[view].items[name] for view in ("v3", "e4"))
        said = [of.prediction.frame_labels(a.start, a.end).tolist() for of in (a, b)]
        for one, other, true in zip(*said, a.truth.frame_labels(a.start, a.end).tolist(), strict=True):
            same += one == other
            right += one == other == true
            some += (one == true) != (other == true)
            frames += 1
    assert found.agree == pytest.approx(100 * same / frames)
    assert found.shares[:2] == pytest.approx((100 * right / frames, 100 * some / frames))
    assert sum(found.shares) == pytest.approx(100)
    for item in found.items.values():
        assert sum(length for _, length, _ in strip(item)) == CELLS
        assert np.average(item.cells(7), weights=np.diff(np.linspace(0, len(item.agreement_T), 8).astype(int))) == (
            pytest.approx(item.agreement_T.mean())
        )


def test_controls_that_see_no_view_and_lone_views_have_no_agreement(tmp_path):
    folder = write_run(tmp_path / "clock", trained_on=["v3"])
    metrics = json.loads((folder / "metrics.json").read_text())
    write(folder / "metrics.json", metrics | {"trained_on": []})
    write_run(tmp_path / "lone", skills={"v3": 0.9})
    assert [in_time(run) for run in load_runs([tmp_path])] == [None, None]


def comparison_of(folder, named=True):
    """A comparison of one row with two seeds, as `viewloom compare` leaves it."""
    seeds, runs = {}, {}
    for seed in (0, 1):
        run = write_run(
            folder / "runs" / f"cca-seed{seed}-x", "cca, tcn", {"v3": 0.9, "e4": 0.5 + seed / 10}, seed=seed
        )
        write_pretraining(folder / "runs" / f"pretrain-auto-seed{seed}-x")
        write(folder / "runs" / f"pretrain-auto-seed{seed}-x" / "auto.json", tried())
        seeds[str(seed)] = json.loads((run / "metrics.json").read_text())["views"]
        runs[str(seed)] = {"run": f"runs/{run.name}", "refiner": f"runs/pretrain-auto-seed{seed}-x"}
    gap = {"closed": None, "low": None, "high": None, "note": ""}
    views = []
    for view in ("e4", "v3"):
        scores = {seed: of[view]["scores"] for seed, of in seeds.items()}
        mean = {name: (scores["0"][name] + scores["1"][name]) / 2 for name in scores["0"]}
        row = {"row": "cca, tcn", "title": "cca", "head": "tcn", "role": "method", "seeds": scores, "mean": mean}
        row |= {"missing_seeds": 0, "deviation": None, "interval": None, "gap_closed": gap, "against_best": None}
        row |= {"against_naive": None, "best": True, "marked": False, "alike_best": False}
        facts = {"recordings": 2, "smallest_difference": None, "clock": None}
        views.append({"view": view, "kind": "exo", "labels": "labelled", "rows": [row]} | facts)
    table = {"data": "d", "simulated": True, "labelled": ["v3"], "unlabelled": ["e4"], "views": views, "warnings": {}}
    results = {"viewloom": "0", "tables": [table], "tuning": None, "failed": {}, "seeds": [0, 1]}
    made = {"command": "viewloom compare", "seconds": {"d": {"cca, tcn": 1.0}}}
    made |= {"runs": {"d": {"cca, tcn": runs}}} if named else {}
    write(folder / "results.json", results)
    write(folder / "made.json", made)
    return results, made


@pytest.mark.parametrize("named", [True, False])
def test_a_comparison_finds_its_runs_by_name_or_by_their_scores(tmp_path, named):
    results, made = comparison_of(tmp_path, named)
    write_run(tmp_path / "runs" / "other", "cca, tcn", {"v3": 0.3, "e4": 0.3}, seed=9)  # of other settings
    found = row_runs(tmp_path, results, made)
    assert [(run.data, run.seed, run.folder.name) for run in found] == [
        ("d", "0", "cca-seed0-x"),
        ("d", "1", "cca-seed1-x"),
    ]
    page = save_page(tmp_path, tmp_path / "page.html").read_text()
    assert "purl.org" not in page and page.count('class="drawn"') == 1
    Tables(re.sub(r'<div class="drawn".*?</svg>', "<div>", page, flags=re.DOTALL))  # tags nest
    for title in ("Train view by test view", "Candidates", "Training curves", "Agreement over time"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("auto took cca.") == 2
    anchors, ids = re.findall(r'href="#([^"]*)"', page), re.findall(r'\sid="([^"]*)"', page)
    assert set(anchors) <= set(ids) and len(ids) == len(set(ids))
    assert not re.search(r"https?:|url\((?!#)|@import|<link|fetch\(", re.sub(r"http://www\.w3\.org/\S+", "", page))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["tables"].append(v["tables"][0]), "tables has d twice"),
        (lambda v: v["tables"][0]["views"].append(v["tables"][0]["views"][0]), "the table of d has e4 twice"),
        (lambda v: v["tables"][0]["views"][0]["rows"].append(v["tables"][0]["views"][0]["rows"][0]), "cca, tcn twice"),
        (lambda v: v["tables"][0].pop("views"), "is not as `viewloom compare` writes it"),
    ],
)
def test_what_a_comparison_would_show_twice_is_refused(tmp_path, change, message):
    results, _ = comparison_of(tmp_path)
    change(results)
    write(tmp_path / "results.json", results)
    with pytest.raises(DataError, match=rf"results\.json.*{message}"):
        save_page(tmp_path, tmp_path / "page.html")


def test_a_run_outside_of_the_comparison_is_refused(tmp_path):
    results, made = comparison_of(tmp_path)
    made["runs"]["d"]["cca, tcn"]["0"]["run"] = "../elsewhere"
    with pytest.raises(DataError, match="outside of"):
        sections(tmp_path, results, made)


def test_curves_are_means_over_seeds(tmp_path):
    for seed, values in ((0, "0,1,2.0\n1,2,4.0\n"), (1, "0,1,4.0\n")):
        write(tmp_path / str(seed) / "metrics.csv", f"epoch,step,train/loss\n{values}")
    runs = [RowRun("d", "cca", str(seed), tmp_path / str(seed)) for seed in (0, 1)]
    assert mean_curves(runs, several=False) == {"cca": {"train/loss": [(1.0, 3.0), (2.0, 4.0)]}}
    assert list(mean_curves(runs, several=True)) == ["d: cca"]


def test_sets_of_classes_agree_as_wholes():
    truth = Segments.of_rows([[0, 20, 0], [10, 20, 1]])
    said = [truth, Segments.of_rows([[0, 20, 0]])]
    items = [ItemResult("a", "r", 0, 20, truth, of, ((18, 20),)) for of in said]
    said_VT, true_T = _said(items, 0, 20, multi=True)
    assert (said_VT[0] == said_VT[1]).tolist() == [True] * 10 + [False] * 10
    assert (said_VT[0] == true_T).tolist() == [True] * 18 + [False] * 2
