"""`viewloom compare`: rows, statistics, controls, files; neither jobs nor failures nor kills change a result."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import yaml

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.metrics.comparison import RESAMPLES, holm, paired_difference
from viewloom.metrics.controls import clock_labels
from viewloom.metrics.segmentation import score
from viewloom.metrics.statistics import mean_interval
from viewloom.recipes.compare import command
from viewloom.recipes.compare.reading import comparison
from viewloom.report.runs import load_run

SETTINGS = {
    "labelled": "v3",
    "unlabelled": "e4",
    "methods": ["none", "cca", {"name": "stiff", "method": "ridge", "method_options": {"strength": 1.0}}],
    "heads": [{"head": "linear", "epochs": 6}],
    "seeds": [0, 1],
    "train": {"batch_size": 2, "optim": {"lr": 0.03}},
    "sampling": {"chunk_frames": 20, "test_chunks": 17},
    "trainer": {"accelerator": "cpu"},
    "jobs": 2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=20))


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """A comparison, run with two jobs."""
    return vl.compare(**SETTINGS, data=data, out=str(tmp_path_factory.mktemp("compared")))


def view_of(result, name):
    return next(view for view in result.results["tables"][0]["views"] if view["view"] == name)


def rows_of(result, view="e4"):
    return {row["title"]: row for row in view_of(result, view)["rows"]}


def runs_of(result, row):
    """Evaluations of a row, by seed."""
    name = row.replace(", ", "-")
    return [load_run(path) for path in sorted((result.folder / "runs").glob(f"{name}-seed*"))]


def files(root, *names):
    return {str(p.relative_to(root)): p.read_bytes() for name in names for p in root.rglob(name)}


def test_rows_scores_and_statistics_are_those_of_the_run_folders(done):
    assert [view["view"] for view in done.results["tables"][0]["views"]] == ["e4", "v3"]
    rows = rows_of(done)
    assert list(rows) == ["none", "cca", "stiff", "majority", "clock", "oracle"] and not done.failed
    counts = {}
    for title in ("none", "cca", "stiff", "oracle"):
        runs = runs_of(done, f"{title}, linear")
        each = [run.views["e4"].scores["f1_50"] for run in runs]
        assert len(runs) == 2 and rows[title]["mean"]["f1_50"] == pytest.approx(fmean(each))
        assert rows[title]["deviation"]["f1_50"] == pytest.approx(np.std(each, ddof=1))
        counts[title], clusters = [run.views["e4"].counts for run in runs], runs[0].views["e4"].clusters
        interval = mean_interval(counts[title], clusters, resamples=RESAMPLES)
        assert rows[title]["interval"] == {"low": interval.low, "high": interval.high}
    plain = paired_difference(counts["cca"], counts["none"], clusters)
    assert rows["cca"]["against_naive"]["p"] == plain.p and rows["cca"]["against_naive"]["low"] == plain.low
    tested = [row for row in rows.values() if row["against_naive"] is not None]
    assert {row["title"] for row in tested} == {"cca", "stiff", "majority", "clock"}
    adjusted = holm([row["against_naive"]["p"] for row in tested])
    assert [row["against_naive"]["p_holm"] for row in tested] == list(adjusted)
    naive, oracle = rows["none"]["mean"]["f1_50"], rows["oracle"]["mean"]["f1_50"]
    closed = 100 * (rows["cca"]["mean"]["f1_50"] - naive) / (oracle - naive)
    assert rows["cca"]["gap_closed"]["closed"] == pytest.approx(closed)
    assert rows["none"]["gap_closed"]["closed"] == pytest.approx(0)
    assert rows["oracle"]["gap_closed"]["closed"] == pytest.approx(100)


def test_the_best_is_a_method_and_marked_only_where_tests_tell_it_from_all_others(done):
    for view in done.results["tables"][0]["views"]:
        best = [row for row in view["rows"] if row["best"]]
        methods = [row for row in view["rows"] if row["role"] == "method"]
        assert best == [max(methods, key=lambda row: row["mean"]["f1_50"])]
        sure = all(row["against_best"]["clear"] for row in methods if not row["best"])
        assert best[0]["marked"] == sure
        assert {row["title"] for row in methods if row["alike_best"]} == {
            row["title"] for row in methods if not row["best"] and not row["against_best"]["clear"]
        }


def test_the_clock_s_row_is_the_clock(done, data):
    dataset = vl.open_dataset(data)
    labels = {item.name: dataset.frame_labels(item.recording, item.start, item.end) for item in dataset.items("test")}
    train = [dataset.frame_labels(item.recording, item.start, item.end) for item in dataset.items("train")]
    expected = score([clock_labels(train, len(true)) for true in labels.values()], list(labels.values()))
    for view in ("e4", "v3"):
        assert rows_of(done, view)["clock"]["mean"]["f1_50"] == pytest.approx(expected.f1_50)


def test_refiners_are_shared_and_finished_runs_used_again(done, data, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in (done.folder / "runs").rglob("*") if path.is_file()}
    assert len(list((done.folder / "runs").glob("pretrain-cca-seed0-*"))) == 1
    monkeypatch.setattr(command, "LocalLauncher", lambda jobs: pytest.fail("nothing is left to run"))
    again = vl.compare(**SETTINGS, data=data, out=str(done.folder))
    assert again.results == done.results
    assert before == {path: path.stat().st_mtime_ns for path in (done.folder / "runs").rglob("*") if path.is_file()}
    two = SETTINGS | {"heads": [*SETTINGS["heads"], {"name": "longer", "head": "linear", "epochs": 9}], "data": data}
    text = command.compare(comparison(two | {"out": str(done.folder)}), plan=True)
    todo = [line for line in text.splitlines() if line.startswith("  ")]
    assert todo and all("longer" in line for line in todo) and "refiner" not in " ".join(todo)


def test_one_job_gives_the_same_to_the_byte(done, data, tmp_path):
    """Weights, scores, predictions and results, whatever ran beside them; and the same as the plain commands."""
    one = vl.compare(**SETTINGS | {"jobs": 1, "methods": ["none", "cca"], "seeds": [0]}, data=data, out=str(tmp_path))
    kinds = ("head.safetensors", "refiner.safetensors", "e4.json", "v3.json")
    mine, theirs = files(tmp_path / "runs", *kinds), files(done.folder / "runs", *kinds)
    assert mine and set(mine) < set(theirs)
    assert all(theirs[name] == content for name, content in mine.items())
    seeds = rows_of(one)["cca"]["seeds"]["0"]
    assert seeds == rows_of(done)["cca"]["seeds"]["0"]
    own = {"sampling": SETTINGS["sampling"], "seed": 0}
    trainer = {"accelerator": "cpu", "devices": "1", "threads": 1, "progress": False, "logger": "none"}
    refiner = vl.pretrain(data, ["v3", "e4"], "cca", run=tmp_path / "by_hand", trainer=trainer, **own)
    head = vl.train(data, "v3", refiner=refiner, head="linear", epochs=6, **SETTINGS["train"], trainer=trainer, **own)
    by_hand = vl.evaluate(head, data, ["v3", "e4"], accelerator="cpu", sampling=SETTINGS["sampling"])
    assert by_hand["e4"]["f1_50"] == pytest.approx(seeds["f1_50"])


def test_single_failures_are_said_and_the_rest_goes_on(data, tmp_path, capsys):
    broken = {"name": "broken", "method": "ridge", "method_options": {"teacher": "v9"}}
    settings = SETTINGS | {"methods": ["none", broken], "seeds": [0], "controls": ["clock"], "data": data}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(settings | {"out": str(tmp_path / "out")}))
    assert main(["compare", str(path)]) == 2
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "v9" in found["failed"]["broken, seed 0: refiner"]
    assert "needs broken, seed 0: refiner" in found["failed"]["broken, linear, seed 0: head"]
    assert [row["title"] for row in found["tables"][0]["views"][0]["rows"]] == ["none", "clock"]
    for text in ((tmp_path / "out" / "table.md").read_text(), capsys.readouterr().out):
        assert "broken, seed 0: refiner did not finish" in text
    assert "did not finish" in (tmp_path / "out" / "page.html").read_text()


def processes_in(folder):
    """Ids of processes that have a file of a comparison open, or its name on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            names = [str(link.readlink()) for link in (path / "fd").iterdir()]
        except OSError:
            continue
        if any(name.startswith(str(folder)) for name in names):
            found.append(int(path.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_a_stopped_comparison_leaves_nothing_running_and_goes_on_to_the_same_result(data, tmp_path):
    settings = SETTINGS | {"methods": ["none"], "seeds": [0], "controls": ["clock"], "data": data}
    settings["heads"] = [{"head": "linear", "epochs": 500}]  # long enough to be stopped on a busy machine
    settings["trainer"] = settings["trainer"] | {"validate_every_epochs": 50}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(settings))
    for kind, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        line = [sys.executable, "-c", "import sys, viewloom.cli as c; sys.exit(c.main())", "compare", str(path)]
        started = subprocess.Popen([*line, "--out", str(tmp_path / "out")], stderr=subprocess.DEVNULL)
        wait_for(lambda: list(tmp_path.glob("out/runs/*/checkpoints/last.ckpt")) and processes_in(tmp_path))
        started.send_signal(kind)
        assert started.wait(60) == code
        wait_for(lambda: not processes_in(tmp_path))
        assert not list(tmp_path.glob("out/runs/none-*/metrics.json"))
    stopped = vl.compare(path, out=str(tmp_path / "out"))
    whole = vl.compare(path, out=str(tmp_path / "other"))
    assert stopped.results == whole.results
    assert files(tmp_path / "out" / "runs", "head.safetensors") == files(
        tmp_path / "other" / "runs", "head.safetensors"
    )


def wait_for(holds, seconds=300):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.1)


def test_files_agree_with_one_another(done):
    with (done.folder / "table.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    rows = {(view["view"], row["row"]): row for view in done.results["tables"][0]["views"] for row in view["rows"]}
    assert len(lines) == len(rows) == len(done.table())
    for line in lines:
        row = rows[line["view"], line["row"]]
        assert float(line["f1_50"]) == pytest.approx(row["mean"]["f1_50"]) and line["role"] == row["role"]
    page, tex = (done.folder / "table.md").read_text(), (done.folder / "table.tex").read_text()
    html = (done.folder / "page.html").read_text()
    shown = f"{rows['e4', 'cca, linear']['mean']['f1_50']:.1f} ± {rows['e4', 'cca, linear']['deviation']['f1_50']:.1f}"
    assert shown in page and shown in html and shown.replace("±", r"$\pm$") in tex
    assert tex.count(r"\begin{tabular}") == 2 and r"95 \%" in tex and html.count("<svg") >= 1
    assert (done.folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "Tuning: none" in page and "time a seed" in page


def test_the_report_writes_the_page_and_the_picture_again(done, tmp_path):
    assert main(["report", "--compare", str(done.folder), "--out", str(tmp_path / "p.html"), "--title", "Mine"]) == 0
    assert "<h1>Mine</h1>" in (tmp_path / "p.html").read_text()
    assert main(["report", "--compare", str(done.folder), "--picture", str(tmp_path / "p.svg")]) == 0
    assert "<svg" in (tmp_path / "p.svg").read_text()
    for wrong in (["--compare", str(tmp_path)], ["--compare", str(done.folder), "--runs", "x"], []):
        assert main(["report", *wrong, "--out", str(tmp_path / "q.html")]) == 2


def test_a_page_that_something_else_wrote_is_never_replaced(data, tmp_path):
    (tmp_path / "mine.md").write_text("my notes")
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | {"data": data, "out": str(tmp_path / "out")}))
    assert main(["compare", str(path), "--docs", str(tmp_path / "mine.md")]) == 2
    assert (tmp_path / "mine.md").read_text() == "my notes" and not (tmp_path / "out").exists()
