"""Predictions for annotation tools, and the loop: label some, train, predict, correct in a tool, train again."""

import csv
import json
import shutil

import numpy as np
import pympi
import pytest
import torch

import viewloom as vl
from tests.tiny import ACTIONS, DIM, write_tiny
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.heads.linear import LinearHead
from viewloom.training.checkpoints import SavedHead, save_head
from viewloom.training.predict import run_predict
from viewloom.training.settings import PredictConfig

FPS = 30.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run folder with a head that knows nothing."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    actions = tuple(f"act{a}" for a in range(ACTIONS))
    save_head(folder / "head.safetensors", SavedHead(LinearHead(DIM, ACTIONS).eval(), actions, ("v3",), FPS, {}))
    return folder


def predict(data, run, out, **settings):
    config = PredictConfig(data=str(data), run=str(run), out=str(out), accelerator="cpu", **settings)
    return run_predict(config)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_without_a_format_the_same_files_are_written_as_ever(data, run, tmp_path):
    predict(data, run, tmp_path / "a")
    predict(data, run, tmp_path / "b", format="text")
    plain = files_of(tmp_path / "a")
    assert plain == files_of(tmp_path / "b")
    assert {name.split("/")[0] for name in plain} == {"confidences", "e4", "v3", "segments.csv"}
    predict(data, run, tmp_path / "c", text="frames", format="text")
    predict(data, run, tmp_path / "d", format="frames")
    assert files_of(tmp_path / "c") == files_of(tmp_path / "d")


def test_every_segment_and_its_confidence_is_in_the_tools_files(data, run, tmp_path):
    found = predict(data, run, tmp_path, format="elan, label_studio,srt", videos="films/{recording}_{view}.mp4")
    assert not (tmp_path / "confidences").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"elan", "label_studio", "srt", "segments.csv"}
    columns = ["recording", "view", "start", "end", "label", "confidence"]
    wanted = found.table()[columns].sort_values(columns).to_numpy().tolist()
    for name in ("elan", "label_studio"):
        assert vl.read_labels(tmp_path / name, FPS).sort_values(columns).to_numpy().tolist() == wanted
    assert vl.read_labels(tmp_path / "srt", FPS)[columns[:5]].sort_values(columns[:5]).to_numpy().tolist() == [
        row[:5] for row in wanted
    ]
    tasks = json.loads((tmp_path / "label_studio" / "labels.json").read_text())
    assert {task["data"]["video"] for task in tasks} == {
        f"films/p{i:02d}_{v}.mp4" for i in range(8) for v in ("e4", "v3")
    }
    elan = pympi.Eaf(str(tmp_path / "elan" / "p00.eaf"))
    assert [values[0][0] for values, _ in elan.get_cv_entries("actions").values()] == ["act0", "act1", "act2", "act3"]


def test_csv_is_the_table_alone_and_nothing_is_overwritten_unasked(data, run, tmp_path):
    predict(data, run, tmp_path / "a", format="csv")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["segments.csv"]
    predict(data, run, tmp_path / "b", format="elan", recordings="p00")
    (tmp_path / "b" / "segments.csv").unlink()
    with pytest.raises(ConfigError, match="holds elan, which this command did not write"):
        predict(data, run, tmp_path / "b", format="elan")
    predict(data, run, tmp_path / "b", format="elan", overwrite=True)


@pytest.mark.parametrize(
    ("format", "reason"),
    [
        ("elam", "no annotation format 'elam'"),
        ("", "--format names none"),
        ("text,frames", "write the same files"),
    ],
)
def test_formats_that_are_none_are_refused_before_anything_is_computed(format, reason, data, run, tmp_path):
    with pytest.raises(ConfigError, match=reason):
        predict(data, run, tmp_path / "x", format=format)
    assert not (tmp_path / "x").exists()


def viewloom(*args):
    assert main([str(arg) for arg in args]) == 0


@pytest.fixture(scope="module")
def loop(data, tmp_path_factory):
    """Some recordings labelled in ELAN, a head trained on them, and what it predicts of the others."""
    root = tmp_path_factory.mktemp("loop")
    own = root / "data"
    shutil.copytree(data, own)
    (own / "dataset.yaml").write_text("fps: 30\n")
    viewloom(
        "convert-labels", "--labels", own / "labels.csv", "--out", root / "truth", "--format", "elan", "--fps", FPS
    )
    (own / "labels.csv").unlink()
    (own / "labels").mkdir()
    splits = {path.stem: path.read_text().split() for path in (own / "splits").glob("*.txt")}
    for name in [*splits["train"], *splits["val"]]:
        shutil.copy(root / "truth" / f"{name}.eaf", own / "labels")
    train(own, root / "first")
    new = splits["test"]
    views = ("--recordings", ",".join(new), "--views", "v3")
    out = ("--out", root / "segments", "--format", "elan,label_studio")
    viewloom("predict", "--data", own, "--run", root / "first", *views, *out, "--accelerator", "cpu")
    return root, splits


def train(data, run, *options):
    where = ("--data", data, "--views", "v3", "--run", run, "--head", "linear", "--epochs", 2)
    viewloom("train", *where, "--trainer.accelerator", "cpu", "--trainer.logger", "none", *options)


def truth_of(root, name):
    rows = csv.DictReader((root / "labels.csv").open())
    return [(int(row["start"]), int(row["end"]), row["label"]) for row in rows if row["recording"] == name]


def labels_of(data, name, **options):
    labels = open_dataset(DataConfig(data=str(data), **options)).labels
    one = labels.annotations[name]
    return [(s, e, labels.actions[k]) for s, e, k in one.rows]


def test_the_loop_through_elan(loop, data, tmp_path):
    """Another library corrects what was predicted: the wrong segments go, the right ones come."""
    root, splits = loop
    own = tmp_path / "data"
    shutil.copytree(root / "data", own)
    for name in splits["test"]:
        document = pympi.Eaf(str(root / "segments" / "elan" / f"{name}.eaf"))
        document.remove_tier("v3 confidence")
        for start, end, _ in list(document.get_annotation_data_for_tier("v3")):
            document.remove_annotation("v3", (start + end) // 2)
        for start, end, label in truth_of(data, name):
            document.add_annotation("v3", round(start * 1000 / FPS), round(end * 1000 / FPS), label)
        document.to_file(str(own / "labels" / f"{name}.eaf"))
    (own / "splits" / "train.txt").write_text("\n".join([*splits["train"], *splits["test"]]) + "\n")
    (own / "splits" / "test.txt").unlink()
    for name in [*splits["train"], *splits["test"]]:
        assert labels_of(own, name) == truth_of(data, name)
    train(own, tmp_path / "second")
    learned = json.loads((tmp_path / "second" / "identity.json").read_text())["groups"]["labels"]
    assert set(learned) >= {*splits["train"], *splits["test"]}
    first = json.loads((root / "first" / "identity.json").read_text())["groups"]["labels"]
    assert not set(first) & set(splits["test"])
    assert all(first[name] == learned[name] for name in splits["train"])


def test_the_loop_through_label_studio(loop, data, tmp_path):
    """Tasks come back as Label Studio exports them: what was predicted, with one label corrected, as an annotation."""
    root, splits = loop
    tasks = json.loads((root / "segments" / "label_studio" / "labels.json").read_text())
    assert sorted(task["data"]["recording"] for task in tasks) == sorted(splits["test"])
    wanted = {}
    for number, task in enumerate(tasks, 1):
        result = [{**one, "origin": "prediction-changed"} for one in task["predictions"][0]["result"]]
        label = result[0]["value"]["timelinelabels"][0]
        result[0]["value"] = {**result[0]["value"], "timelinelabels": ["act3" if label != "act3" else "act0"]}
        task |= {"id": number, "annotations": [{"id": 9, "completed_by": 1, "was_cancelled": False, "result": result}]}
        spans = [(one["value"]["ranges"][0], one["value"]["timelinelabels"][0]) for one in result]
        wanted[task["data"]["recording"]] = [(span["start"] - 1, span["end"], label) for span, label in spans]
    labels = tmp_path / "labels"
    shutil.copytree(root / "data" / "labels", labels)
    (labels / "export.json").write_text(json.dumps(tasks))
    for name in splits["test"]:
        assert labels_of(root / "data", name, labels=str(labels)) == wanted[name]
    for name in splits["train"]:
        assert labels_of(root / "data", name, labels=str(labels)) == truth_of(data, name)
    splits_too = tmp_path / "splits"
    splits_too.mkdir()
    (splits_too / "train.txt").write_text("\n".join([*splits["train"], *splits["test"]]) + "\n")
    (splits_too / "val.txt").write_text("\n".join(splits["val"]) + "\n")
    train(root / "data", tmp_path / "second", "--labels", labels, "--splits", splits_too)
    learned = json.loads((tmp_path / "second" / "identity.json").read_text())["groups"]["labels"]
    first = json.loads((root / "first" / "identity.json").read_text())["groups"]["labels"]
    assert set(learned) - set(first) == set(splits["test"])
    assert np.isfinite([len(value) for value in learned.values()]).all()
