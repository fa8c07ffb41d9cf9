"""Several labels a frame from labels to report: training, scores, segments, pages, and what refuses them."""

import csv
import json
import re

import numpy as np
import pytest

import viewloom as vl
from tests.rigs import SENSORS, write_rig
from viewloom import cli
from viewloom.dataset.multilabel import frame_classes
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.multilabel import ClassResult, score_classes
from viewloom.report.multilabel_table import multi_table
from viewloom.report.runs import load_runs
from viewloom.training.multilabel import always_commonest

OPTIONS = {"sampling": {"chunk_frames": 5}, "trainer": {"progress": False, "logger": "none"}, "epochs": 12}
SPLITS = {"pairs": 5, "train": 4, "val": 2, "test": 2}


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    root = tmp_path_factory.mktemp("several") / "data"
    write_rig(root, SENSORS, seed=2, parallel=2, splits=SPLITS, noise=0.2, seconds=(40, 50), segment_s=(4, 8))
    with (root / "dataset.yaml").open("a") as file:
        file.write("labels_mode: multi\n")
    return root


@pytest.fixture(scope="module")
def run(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tcn"
    head = vl.train(rig, "wrist", head="tcn", layers=6, run=folder, **OPTIONS)
    scores = vl.evaluate(head, rig, ["wrist", "chest"], out=folder)
    return folder, head, scores


def test_a_head_learns_actions_that_overlap(rig, run):
    _, head, scores = run
    assert head.head.multi
    alone, what = always_commonest(vl.open_dataset(rig), vl.open_dataset(rig).items("test"), ["wrist"])
    assert scores["wrist"]["f1_micro"] > alone + 15 and "training action" in what
    assert scores["wrist"]["f1_micro"] > scores["chest"]["f1_micro"]
    table = scores.table()
    assert list(table.columns[:3]) == ["kind", "F1 micro", "F1 macro"] and "mAP@0.5" in table
    assert "several labels a frame, threshold 0.5" in repr(scores)


def test_what_is_written_gives_the_scores_again(rig, run):
    folder, head, scores = run
    data = vl.open_dataset(rig)
    segmenter = head.segmenter_on(data, cli.parse("evaluate", ["--data", str(rig), "--run", str(folder)]))
    results = [
        ClassResult.of_frames(probs_TK, frame_classes(data.labels, item.name, item.start, item.end), 0.5, item.start)
        for item, probs_TK in segmenter.each(data.source, data.items("test"), "wrist")
    ]
    again = score_classes(results, data.labels.actions, 0.5)
    assert again.scores == scores["wrist"]
    written = json.loads((folder / "predictions" / "wrist.json").read_text())
    for result, item in zip(results, written["items"].values(), strict=True):
        assert item["truth"] == result.true.rows and item["prediction"] == result.predicted.rows
        assert len(item["confidences"]) == len(item["prediction"])


def test_the_epoch_is_chosen_by_the_total(run):
    folder, _, _ = run
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/total")]
    assert {"val/f1_micro", "val/frame_map", "val/map", "val/map_50"} <= set(rows[0])
    best = max(rows, key=lambda row: float(row["val/total"]))
    total = sum(float(best[f"val/{name}"]) for name in ("f1_micro", "f1_macro", "frame_map", "map"))
    assert float(best["val/total"]) == pytest.approx(total, rel=1e-4)
    assert vl.load_head(folder).extra["epoch"] == int(best["epoch"])


def test_a_higher_threshold_says_less(rig, run):
    _, head, scores = run
    high = vl.evaluate(head, rig, ["wrist"], threshold=0.9)
    frames = [sum(row["frames"] for row in of.metrics["views"]["wrist"]["per_class"]) for of in (scores, high)]
    counts = [
        sum(len(item["prediction"]) for item in of.predictions["wrist"]["items"].values()) for of in (scores, high)
    ]
    assert high.metrics["threshold"] == 0.9 and frames[0] >= frames[1] and counts[0] > counts[1]
    assert high["wrist"]["frame_map"] == scores["wrist"]["frame_map"]
    for name, value in {"protocol": "per_video", "background": "lift"}.items():
        with pytest.raises(ConfigError, match=rf"any number of actions .*: --{name} {value} would change nothing"):
            vl.evaluate(head, rig, ["wrist"], **{name: value})
    with pytest.raises(ConfigError, match="threshold is .* has to be"):
        vl.evaluate(head, rig, ["wrist"], threshold=1.0)


def test_frames_that_are_missing_have_no_action(rig, run):
    _, head, _ = run
    dim = vl.open_dataset(rig).source.dim("wrist")
    x_TD = np.random.default_rng(0).normal(size=(200, dim)).astype(np.float32)
    x_TD[:100] = np.nan
    found = vl.predict(head, x_TD, view="wrist", threshold=0.05)
    assert len(found) and found["start"].min() >= 90
    assert vl.predict(head, np.full((5, dim), np.nan, np.float32), view="wrist").empty


def test_predicted_segments_overlap(rig, run, tmp_path):
    _, head, scores = run
    table = vl.predict(head, rig, "wrist", out=tmp_path / "out", recordings="test00")
    rows = [[r.start, r.end, int(r.label[3:])] for r in table.itertuples()]
    assert rows == scores.predictions["wrist"]["items"]["test00"]["prediction"]
    assert (table["confidence"] >= 0.5).all() and (table["start"].to_numpy()[1:] < table["end"].to_numpy()[:-1]).any()
    text = (tmp_path / "out" / "wrist" / "test00.txt").read_text().splitlines()
    assert len(text) == len(rows)
    with pytest.raises(ConfigError, match="--text frames has one action a line"):
        vl.predict(head, rig, "wrist", out=tmp_path / "frames", text="frames")
    x_TD = vl.open_dataset(rig).features("test00", "wrist")
    assert [[r.start, r.end] for r in vl.predict(head, x_TD).itertuples()] == [row[:2] for row in rows]


def test_the_least_certain_are_listed_by_how_sure_each_is_alone(rig, run, tmp_path):
    _, head, _ = run
    every = vl.predict(head, rig, "wrist", recordings="test00")
    listed = vl.predict(head, rig, "wrist", recordings="test00", uncertain=3)
    assert listed["confidence"].to_list() == sorted(every["confidence"])[:3]
    assert (listed["runner_up"] == "").all() and head.calibration.temperature == 1.0


def test_what_gives_one_label_a_frame_is_refused(rig, run, tmp_path):
    _, head, _ = run
    with pytest.raises(ConfigError, match="--decoding durations gives each frame one action"):
        vl.predict(head, rig, "wrist", decoding="durations")
    with pytest.raises(ConfigError, match="Head boundary can't learn from several labels"):
        vl.train(rig, views="wrist", head="boundary", run=tmp_path / "run", epochs=1)


def test_the_page_draws_lanes(run, tmp_path):
    folder, _, _ = run
    assert cli.main(["report", "--runs", str(folder), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "up to 2 at once" in page and 'id="timelines"' in page and "frame mAP" in page
    assert len(re.findall(r'<rect class="k\d+"[^>]* y="19', page)) > 5  # a second lane
    assert cli.main(["report", "--runs", str(folder), "--picture", str(tmp_path / "one.png")]) == 0
    assert (tmp_path / "one.png").stat().st_size > 5000
    (loaded,) = load_runs([folder])
    assert loaded.notes == () and multi_table([loaded]).row_count == 2


def test_runs_of_both_modes_make_no_page(rig, run, tmp_path):
    folder, _, _ = run
    other = tmp_path / "other"
    other.mkdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics.pop("labels_mode")
    of = {"edit": 1.0, "f1_10": 1.0, "f1_25": 1.0, "f1_50": 1.0, "mof": 1.0, "total": 5.0}
    metrics["views"] = {"wrist": {"kind": "exo", "scores": of, "per_class": [], "per_item": []}}
    (other / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="different labels_mode"):
        load_runs([folder, other])


def test_the_mode_is_part_of_what_a_run_is(rig, tmp_path):
    """A run goes on with labels in its own mode alone, and is scored with these alone."""
    first_hand = tmp_path / "labels.csv"
    lines = (rig / "labels.csv").read_text().splitlines()
    kept, ends = lines[:1], dict[str, int]()
    for line in lines[1:]:
        name, start, end, _ = line.split(",")
        if int(start) >= ends.get(name, 0):
            kept.append(line)
            ends[name] = int(end)
    first_hand.write_text("\n".join(kept) + "\n")
    options = OPTIONS | {"epochs": 1, "head": "linear", "labels": str(first_hand)}
    head = vl.train(rig, "wrist", run=tmp_path / "run", labels_mode="multi", **options)
    single = vl.open_dataset(rig, labels=str(first_hand), labels_mode="single")
    with pytest.raises(ConfigError, match="was trained with --labels_mode multi, but these labels were opened with si"):
        vl.evaluate(head, single, "wrist")
    with pytest.raises(ConfigError, match="other settings or data.*labels of the labels_mode"):
        vl.train(rig, "wrist", run=tmp_path / "run", labels_mode="single", resume=True, **options)
    vl.train(rig, "wrist", run=tmp_path / "run", labels_mode="multi", resume=True, **options)


def test_a_student_is_taught_each_class_by_itself(rig, tmp_path):
    refiner = vl.pretrain(rig, ["wrist", "chest"], method="cca", out_dim=8, sampling={"chunk_frames": 5})
    naive = vl.evaluate(vl.train(rig, "wrist", head="linear", **OPTIONS), rig)
    head = vl.train(rig, "wrist", head="linear", refiner=refiner, teach_on_pairs=True, run=tmp_path / "run", **OPTIONS)
    scores = vl.evaluate(head, rig, out=tmp_path / "run")
    assert scores["chest"]["f1_micro"] > naive["chest"]["f1_micro"] + 10
    facts = json.loads((tmp_path / "run" / "taught.json").read_text())
    assert 0.5 <= facts["mean_confidence"] <= 1 and set(facts["agreement"]) == {"wrist", "chest"}
    assert facts["agreement"]["wrist"]["learned"] > 60 and facts["labels_mode"] == "multi"
    assert cli.main(["report", "--runs", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 0
    assert "F1 of its actions with its teacher" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("measure --views wrist,chest --out {out}", "viewloom measure"),
        ("crossval --splits loso --views wrist --run {out}", "viewloom crossval"),
        ("curve --kind pairs --views wrist,chest --out {out}", "viewloom curve"),
        ("pretrain --views wrist,chest --method unseen_views --run {out}", "The method 'unseen_views'"),
    ],
)
def test_what_needs_one_label_a_frame_says_so(rig, tmp_path, capsys, command, what):
    verb, *rest = command.format(out=tmp_path / "out").split()
    assert cli.main([verb, "--data", str(rig), *rest]) == 2
    assert f"{what} needs one label a frame, but --labels_mode is multi" in " ".join(capsys.readouterr().err.split())


def test_check_tells_how_much_happens_at_once(rig, capsys):
    assert cli.main(["check", "--data", str(rig), "--depth", "spans"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"actions at once 1: \d+ %, 2: \d+ %", said) and "Clock" not in said
    assert cli.main(["check", "--data", str(rig), "--depth", "spans", "--labels_mode", "single"]) == 2
    assert "pass --labels_mode multi" in " ".join(capsys.readouterr().out.split())
