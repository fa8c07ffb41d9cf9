"""`viewloom crossval`: folds of all three sources, pooled scores and intervals, resuming, and what is refused."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest

from tests.forked import begin, kill_when
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import Splits, write_splits
from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segmentation import count, score
from viewloom.metrics.statistics import intervals
from viewloom.recipes import fold_run
from viewloom.recipes.crossval import run_crossval
from viewloom.recipes.settings import CrossvalConfig, FoldPretrainConfig
from viewloom.report.runs import load_runs
from viewloom.report.tables import score_rows
from viewloom.training.pretrain import run_pretrain
from viewloom.training.settings import OptimConfig, PretrainConfig, TrainerConfig

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
NAMES = [f"p{i:02d}" for i in range(6)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings of persons A, B and C, two each."""
    root = write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=6)
    text = (root / "labels.csv").read_text()
    for name, new in zip(NAMES, ("A1", "A2", "B1", "B2", "C1", "C2"), strict=True):
        text = text.replace(f"{name},", f"{new},")
        (root / "features" / name).rename(root / "features" / new)
    (root / "labels.csv").write_text(text)
    return str(root)


def config(data, run, **changes):
    defaults = {
        "head": "linear",
        "epochs": 3,
        "batch_size": 2,
        "views": "v3",
        "trainer": QUIET,
        "optim": OptimConfig(lr=0.05),
        "splits": "loso",
        "split_by": "[A-Z]",
    }
    return CrossvalConfig(data=data, run=str(run), **(defaults | changes))


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """Three folds, one a person, with a refiner each."""
    run = tmp_path_factory.mktemp("runs") / "x"
    result = run_crossval(config(data, run, method="cca", pair_views="v3,e4"))
    assert result.exit_code == 0 and result.folder == run
    return run


def read(path):
    return json.loads(path.read_text())


def results(run):
    """Bytes of all that a result is made of."""
    patterns = ("metrics.json", "folds.csv", "predictions/*", "fold*/head.safetensors", "fold*/predictions/*")
    paths = sorted(path for pattern in patterns for path in run.glob(pattern))
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def frames(segments, start, end):
    labels = np.full(end - start, -100)
    for first, last, label in segments:
        labels[first - start : last - start] = label
    return labels


def fold_items(run, view):
    """{item: (fold, recording, prediction, truth)} from the folds' own files."""
    return {
        name: (path.parts[-3], e["recording"], *(frames(e[k], e["start"], e["end"]) for k in ("prediction", "truth")))
        for path in run.glob(f"fold*/predictions/{view}.json")
        for name, e in read(path)["items"].items()
    }


@pytest.mark.parametrize("view", ["v3", "e4"])
def test_pooled_scores_are_those_of_all_predictions_at_once(done, view):
    items = fold_items(done, view)
    assert {name: fold for name, (fold, *_) in items.items()} == {
        f"{person}{i}": f"fold{k}" for k, person in enumerate("ABC") for i in (1, 2)
    }
    ordered = [items[name] for name in sorted(items)]
    predicted, true = [p for _, _, p, _ in ordered], [t for _, _, _, t in ordered]
    expected = score(predicted, true)
    found = read(done / "metrics.json")["views"][view]
    assert found["scores"] == expected.as_dict() | {"total": expected.total}
    assert [row["item"] for row in found["per_item"]] == sorted(items)
    (row,) = [row for row in score_rows(load_runs([done])) if row.view.name == view]
    assert row.f1_50 == intervals(count(predicted, true), [r for _, r, _, _ in ordered])["f1_50"]
    assert set(row.view.clusters) == set(items) and row.run.notes == ()


def test_pooled_confidence_is_that_of_all_folds(done):
    pooled = read(done / "metrics.json")
    folds = [read(done / f"fold{k}" / "metrics.json") for k in range(3)]
    for view in ("v3", "e4"):
        frames = [of["views"][view]["reliability"]["after"]["frames"] for of in (pooled, *folds)]
        assert frames[0]["count"] == sum(of["count"] for of in frames[1:]) > 0
        right = sum(of["count"] * of["right"] for of in frames[1:]) / frames[0]["count"]
        assert frames[0]["right"] == pytest.approx(right) == pytest.approx(pooled["views"][view]["scores"]["mof"])
    assert pooled["calibration"]["views"] == folds[0]["calibration"]["views"]


def test_folds_scores_their_mean_and_deviation_stand_beside(done):
    folds = read(done / "metrics.json")["folds"]
    own = [read(done / f"fold{k}" / "metrics.json")["views"]["e4"]["scores"] for k in range(3)]
    assert [fold["scores"]["e4"] for fold in folds["each"]] == own
    assert [(fold["group"], fold["items"], fold["recordings"]) for fold in folds["each"]] == [
        ("A", 2, 2),
        ("B", 2, 2),
        ("C", 2, 2),
    ]
    values = [scores["mof"] for scores in own]
    assert folds["over_folds"]["e4"]["mof"] == pytest.approx(
        {"mean": fmean(values), "deviation": stdev(values), "runs": 3}
    )
    with (done / "folds.csv").open() as file:
        lines = {(line["fold"], line["view"]): line for line in csv.DictReader(file)}
    assert float(lines["mean over folds", "e4"]["mof"]) == pytest.approx(fmean(values), abs=1e-4)
    assert float(lines["deviation over folds", "e4"]["mof"]) == pytest.approx(stdev(values), abs=1e-4)
    assert float(lines["2", "v3"]["edit"]) == pytest.approx(folds["each"][2]["scores"]["v3"]["edit"], abs=1e-4)
    assert (lines["pooled", "e4"]["items"], lines["1", "e4"]["group"]) == ("6", "B")


def test_a_fold_learns_from_none_of_its_test_recordings(data, done, monkeypatch, tmp_path):
    seen = {}

    def note(name):
        def run(settings):
            dataset = open_dataset(settings)
            items = dataset.items("pairs" if name == "pretrain" else "train")
            seen[settings.fold, name] = {item.recording[0] for item in items}
            raise ConfigError("enough")

        return run

    monkeypatch.setattr(fold_run, "run_train", note("train"))
    with pytest.raises(ConfigError, match="No fold finished"):
        run_crossval(config(data, tmp_path / "x"))
    monkeypatch.setattr(fold_run, "learn_refiner", note("pretrain"))
    with pytest.raises(ConfigError, match="No fold finished"):
        run_crossval(config(data, tmp_path / "y", method="cca", pair_views="v3,e4"))
    assert seen == {(k, s): set("ABC") - {p} for k, p in enumerate("ABC") for s in ("train", "pretrain")}
    weights = {(done / f"fold{k}" / "refiner.safetensors").read_bytes() for k in range(3)}
    assert len(weights) == 3, "each fold has its own refiner"


def test_a_fold_is_an_ordinary_run(data, done, tmp_path):
    where = ["--data", data, "--splits", "loso", "--split_by", "[A-Z]", "--fold", "1", "--accelerator", "cpu"]
    run = str(done / "fold1")
    assert main(["evaluate", *where, "--run", run, "--out", str(tmp_path / "again")]) == 0
    assert read(tmp_path / "again" / "metrics.json")["views"] == read(done / "fold1" / "metrics.json")["views"]
    assert main(["predict", *where, "--run", run, "--out", str(tmp_path / "segments")]) == 0
    with (tmp_path / "segments" / "segments.csv").open() as file:
        assert {line["recording"] for line in csv.DictReader(file)} == {"B1", "B2"}
    assert main(["evaluate", "--data", data, "--splits", "loso", "--run", run, "--out", str(tmp_path / "no")]) == 2


def test_what_is_finished_is_used_again(data, done):
    before = {str(path): path.stat().st_mtime_ns for path in done.glob("fold*/**/*") if path.is_file()}
    pooled = results(done)
    run_crossval(config(data, done, method="cca", pair_views="v3,e4"))
    assert {str(p): p.stat().st_mtime_ns for p in done.glob("fold*/**/*") if p.is_file()} == before
    assert results(done) == pooled


def test_another_protocol_scores_again_and_trains_nothing(data, tmp_path):
    run_crossval(config(data, tmp_path / "x"))
    before = results(tmp_path / "x")
    heads = [path.stat().st_mtime_ns for path in (tmp_path / "x").glob("fold*/head.safetensors")]
    run_crossval(config(data, tmp_path / "x", protocol="mean_f1", background="act0"))
    found = read(tmp_path / "x" / "metrics.json")
    assert (found["protocol"], found["background"]) == ("mean_f1", ["act0"])
    assert results(tmp_path / "x")["metrics.json"] != before["metrics.json"]
    assert [path.stat().st_mtime_ns for path in (tmp_path / "x").glob("fold*/head.safetensors")] == heads
    run_crossval(config(data, tmp_path / "x", score_views="v3"))
    assert set(read(tmp_path / "x" / "metrics.json")["views"]) == {"v3"}
    run_crossval(config(data, tmp_path / "x"))
    assert results(tmp_path / "x") == before


def test_folds_one_by_one_give_the_same_as_all_at_once(data, tmp_path):
    run_crossval(config(data, tmp_path / "a" / "x"))
    run_crossval(config(data, tmp_path / "b" / "x", folds="2,0"))
    partial = read(tmp_path / "b" / "x" / "metrics.json")
    assert partial["warnings"] == ["the scores are of fold0, fold2 only, of 3 folds"]
    assert len(partial["views"]["v3"]["per_item"]) == 4
    run_crossval(config(data, tmp_path / "b" / "x"))
    assert results(tmp_path / "a" / "x") == results(tmp_path / "b" / "x")


def test_the_order_of_files_and_lines_changes_nothing(data, tmp_path):
    other = tmp_path / "data"
    lines = Path(data, "labels.csv").read_text().splitlines()
    for path in sorted(Path(data).rglob("*.npy"), reverse=True):
        target = other / path.relative_to(data)
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    for name in ("actions.txt", "views.yaml"):
        (other / name).write_bytes(Path(data, name).read_bytes())
    (other / "labels.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    run_crossval(config(data, tmp_path / "a" / "x"))
    run_crossval(config(str(other), tmp_path / "b" / "x"))
    assert results(tmp_path / "a" / "x") == results(tmp_path / "b" / "x")


@pytest.mark.slow
def test_a_killed_fold_goes_on_to_the_same_bytes(data, tmp_path):
    settings = {"epochs": 150, "method": "cca", "pair_views": "v3,e4"}
    killed = tmp_path / "killed" / "x"
    process = begin(run_crossval, config(data, killed, **settings))
    kill_when((killed / "fold1" / "checkpoints" / "last.ckpt").exists, process)
    assert (killed / "fold0" / "metrics.json").exists() and not (killed / "fold1" / "head.safetensors").exists()
    kept = (killed / "fold0" / "head.safetensors").stat().st_mtime_ns
    run_crossval(config(data, killed, **settings))
    assert (killed / "fold0" / "head.safetensors").stat().st_mtime_ns == kept
    run_crossval(config(data, tmp_path / "whole" / "x", **settings))
    assert results(killed) == results(tmp_path / "whole" / "x")


@pytest.mark.parametrize("error", [ConfigError("The loss is not finite."), RuntimeError("out of memory")])
def test_a_fold_that_fails_is_named_and_loses_no_other(data, tmp_path, monkeypatch, capfd, error):
    run_train = fold_run.run_train

    def fail(settings):
        if settings.fold == 1:
            raise error
        return run_train(settings)

    monkeypatch.setattr(fold_run, "run_train", fail)
    result = run_crossval(config(data, tmp_path / "x"))
    assert result.exit_code == 2 and list(result.missing) == ["fold1 (B)"]
    found = read(tmp_path / "x" / "metrics.json")
    assert {row["recording"] for row in found["views"]["v3"]["per_item"]} == {"A1", "A2", "C1", "C2"}
    assert str(error) in found["folds"]["missing"]["fold1 (B)"]
    assert "1 of 3 folds did not finish" in capfd.readouterr().err
    (run,) = load_runs([tmp_path / "x"])
    assert "fold1 (B) did not finish" in run.notes[0]
    monkeypatch.undo()
    assert run_crossval(config(data, tmp_path / "x")).exit_code == 0
    assert len(read(tmp_path / "x" / "metrics.json")["folds"]["each"]) == 3


def test_other_settings_or_data_are_refused(data, tmp_path):
    run = tmp_path / "x"
    root = write_tiny(tmp_path / "own", recordings=4)
    lists = {k: Splits(train=(f"p0{2 - 2 * k}", f"p0{3 - 2 * k}"), test=(f"p0{2 * k}",)) for k in (0, 1)}
    for number, splits in lists.items():
        write_splits(splits, tmp_path / "lists" / f"fold{number}")
    own = {"splits": str(tmp_path / "lists"), "split_by": None}
    run_crossval(config(str(root), run, **own))
    before = results(run)
    with pytest.raises(ConfigError, match="epochs 4 instead of 3"):
        run_crossval(config(str(root), run, epochs=4, **own))
    with pytest.raises(ConfigError, match="epochs 4 instead of 3"):
        run_crossval(config(str(root), run, epochs=4, plan=True, **own))
    (tmp_path / "lists" / "fold1" / "test.txt").write_text("p03\n")
    with pytest.raises(ConfigError, match=r"the fold1 test items .with p03; without p02"):
        run_crossval(config(str(root), run, **own))
    (tmp_path / "lists" / "fold1" / "test.txt").write_text("p02\n")
    labels = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(labels.replace("act1", "act2"))
    with pytest.raises(ConfigError, match="labels of "):
        run_crossval(config(str(root), run, **own))
    (root / "labels.csv").write_text(labels)
    run_crossval(config(str(root), run, **own))
    assert results(run) == before


def test_a_fold_that_somebody_trained_otherwise_is_not_taken(data, tmp_path):
    run_crossval(config(data, tmp_path / "x", folds="0"))
    where = ["--data", data, "--splits", "loso", "--split_by", "[A-Z]", "--fold", "1", "--views", "v3"]
    quiet = ["--trainer.logger", "none", "--trainer.progress", "false", "--trainer.accelerator", "cpu"]
    train = ["train", *where, *quiet, "--head", "linear", "--epochs", "2", "--run", str(tmp_path / "x" / "fold1")]
    assert main(train) == 0
    evaluate = ["evaluate", *where[:-2], "--accelerator", "cpu", "--run", str(tmp_path / "x" / "fold1")]
    for more in ([], evaluate):
        assert not more or main(more) == 0
        result = run_crossval(config(data, tmp_path / "x"))
        assert "begun with other settings" in result.missing["fold1 (B)"] and "epochs" in result.missing["fold1 (B)"]


def test_a_fold_that_was_asked_for_otherwise_is_not_taken(data, tmp_path):
    """Whose folders were put together from two cross-validations."""
    run_crossval(config(data, tmp_path / "x", folds="0,1"))
    run_crossval(config(data, tmp_path / "y", epochs=2))
    for number in (1, 2):
        shutil.rmtree(tmp_path / "x" / f"fold{number}", ignore_errors=True)
        shutil.copytree(tmp_path / "y" / f"fold{number}", tmp_path / "x" / f"fold{number}")
    (tmp_path / "x" / "fold2" / "metrics.json").unlink()
    result = run_crossval(config(data, tmp_path / "x"))
    assert set(result.missing) == {"fold1 (B)", "fold2 (C)"}
    assert all("epochs 3 instead of 2" in reason for reason in result.missing.values())


def test_somebodys_own_scores_of_a_fold_are_not_pooled(data, tmp_path):
    run_crossval(config(data, tmp_path / "x"))
    before = results(tmp_path / "x")
    where = ["--data", data, "--splits", "loso", "--split_by", "[A-Z]", "--fold", "1", "--accelerator", "cpu"]
    other = ["--split", "train", "--overwrite", "true", "--run", str(tmp_path / "x" / "fold1")]
    assert main(["evaluate", *where, *other]) == 0
    run_crossval(config(data, tmp_path / "x"))
    assert results(tmp_path / "x") == before


def test_what_a_folds_pretraining_warns_of_stands_with_the_pooled_scores(data, tmp_path, monkeypatch):
    pretrain = fold_run.learn_refiner

    def collapse(settings):
        path = pretrain(settings)
        found = read(path.parent / "invariance.json")
        found["warnings"] = ["COLLAPSE"] if settings.fold == 2 else []
        (path.parent / "invariance.json").write_text(json.dumps(found))

    monkeypatch.setattr(fold_run, "learn_refiner", collapse)
    run_crossval(config(data, tmp_path / "x", method="cca", pair_views="v3,e4"))
    assert read(tmp_path / "x" / "metrics.json")["warnings"] == ["fold2 (C): COLLAPSE"]


def test_a_run_that_is_no_cross_validation_is_left_alone(data, done, tmp_path):
    with pytest.raises(ConfigError, match="no cross-validation"):
        run_crossval(config(data, done / "fold0"))


def test_fold_folders_with_pairs_of_their_own(tmp_path):
    root = write_tiny(tmp_path / "data", recordings=6)
    for path in (root / "splits").iterdir():
        path.unlink()
    for number in (1, 2, 10):
        test = {1: NAMES[4:], 2: NAMES[2:4], 10: NAMES[:2]}[number]
        rest = [name for name in NAMES if name not in test]
        write_splits(
            Splits(pairs=tuple(rest[:2]), train=(rest[2],), val=(rest[3],), test=tuple(test)),
            root / "splits" / f"fold{number}",
        )
    settings = {"splits": None, "split_by": None, "method": "cca", "pair_views": "v3,e4"}
    settings["pretrain"] = FoldPretrainConfig(held_out=0.5)
    run_crossval(config(str(root), tmp_path / "x", **settings))
    found = read(tmp_path / "x" / "metrics.json")
    assert [fold["fold"] for fold in found["folds"]["each"]] == [1, 2, 10]
    assert [row["item"] for row in found["views"]["e4"]["per_item"]] == NAMES
    assert (tmp_path / "x" / "fold10" / "checkpoints" / "best.ckpt").exists()


def test_bundles(tmp_path, capfd):
    root = write_tiny(tmp_path / "data", recordings=6)
    for path in (root / "splits").iterdir():
        path.unlink()
    for number, test in ((1, NAMES[:3]), (2, NAMES[3:5])):
        rest = [name for name in NAMES if name not in test]
        for role, names in (("train", rest), ("test", test)):
            (root / "splits" / f"{role}.split{number}.bundle").write_text("".join(f"{n}.txt\n" for n in names))
    settings = {"splits": None, "split_by": None}
    run_crossval(config(str(root), tmp_path / "x", **settings))
    assert (
        "1 labelled recording(s) are tested in no fold, and the pooled scores lack them: p05" in capfd.readouterr().err
    )
    items = read(tmp_path / "x" / "metrics.json")["views"]["v3"]["per_item"]
    assert [row["item"] for row in items] == NAMES[:5]
    with pytest.raises(DataError, match=r"fold1 \(.*test\.split1\.bundle\): The split 'pairs' is empty"):
        run_crossval(config(str(root), tmp_path / "y", method="cca", pair_views="v3,e4", **settings))
    assert not (tmp_path / "y").exists()


def test_the_plan_runs_nothing(data, done, tmp_path):
    text = run_crossval(config(data, tmp_path / "x", plan=True))
    assert not (tmp_path / "x").exists()
    assert [line.split() for line in text.splitlines()[2:]] == [
        [f"fold{k}", f"({person})", "4", "4", "0", "2", "to", "do"] for k, person in enumerate("ABC")
    ]
    text = run_crossval(config(data, done, plan=True, method="cca", pair_views="v3,e4"))
    assert text.count("finished") == 3 and "a refiner of cca" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fold": 1}, "Pass --folds 1 here"),
        ({"protocol": "mine"}, "no protocol 'mine'"),
        ({"trainer": replace(QUIET, devices="4")}, "--trainer.devices must be 1"),
        ({"method": "cca"}, "--method and --pair_views go together"),
        ({"pair_views": "v3,e4"}, "--method and --pair_views go together"),
        ({"method": "cca", "pair_views": "v3,e4", "refiner": "r.safetensors"}, "pass one of them"),
        ({"method": "sync_kd_head", "pair_views": "v3,e4"}, "needs a trained head as teacher"),
        ({"folds": "0,0"}, "--folds must be different whole numbers"),
        ({"folds": "one"}, "--folds must be different whole numbers"),
        ({"folds": "0,3"}, r"no fold 3; its folds are: 0 \(A\), 1 \(B\), 2 \(C\)"),
        ({"views": "v9"}, "v9"),
        ({"score_views": "v9"}, "v9"),
        ({"splits": None, "split_by": None}, "has no folds"),
        ({"splits": "generate"}, "has no folds"),
    ],
)
def test_bad_settings_are_told_before_anything_runs(tmp_path, changes, told, data):
    root = Path(data) if changes.get("splits", "loso") == "loso" else write_tiny(tmp_path / "data")
    with pytest.raises((ConfigError, DataError), match=told):
        run_crossval(config(str(root), tmp_path / "x", **changes))
    assert not (tmp_path / "x").exists()


def test_folds_that_test_a_recording_twice_or_train_on_it_are_refused(tmp_path):
    root = write_tiny(tmp_path / "data", recordings=4)
    for number, test in ((0, ("p00", "p01")), (1, ("p01", "p02"))):
        rest = tuple(name for name in NAMES[:4] if name not in test)
        write_splits(Splits(train=rest, test=test), tmp_path / "lists" / f"fold{number}")
    settings = {"splits": str(tmp_path / "lists"), "split_by": None}
    with pytest.raises(DataError, match=r"1 recording\(s\) are tested in several folds.*p01"):
        run_crossval(config(str(root), tmp_path / "x", **settings))
    assert run_crossval(config(str(root), tmp_path / "x", folds="1", **settings)).exit_code == 0
    (tmp_path / "lists" / "fold0" / "test.txt").write_text("p00\np02\n")
    with pytest.raises(DataError, match=r"fold0: the test recordings p02 are trained on"):
        run_crossval(config(str(root), tmp_path / "y", folds="0", allow_overlap="own", **settings))


def test_the_command_shows_both_tables(data, tmp_path, capfd):
    argv = ["crossval", "--data", data, "--splits", "loso", "--split_by", "[A-Z]", "--views", "v3", "--head", "linear"]
    argv += ["--epochs", "2", "--trainer.logger", "none", "--trainer.progress", "false", "--trainer.accelerator", "cpu"]
    argv += ["--method", "ridge", "--method_options.strength", "0.1", "--pair_views", "v3,e4"]
    assert main([*argv, "--run", str(tmp_path / "x"), "--plan", "true"]) == 0
    assert "to do" in capfd.readouterr().out
    assert main([*argv, "--run", str(tmp_path / "x"), "--name", "ridge"]) == 0
    text = capfd.readouterr().out
    assert "Scores in percent, canonical protocol" in text and "Mean ± deviation over 3 folds" in text
    settings = open_dataset(DataConfig(data=data, splits="loso", split_by="[A-Z]", fold=2))
    assert [item.name for item in settings.items("test")] == ["C1", "C2"]
    assert main(["report", "--runs", str(tmp_path / "x"), "--out", str(tmp_path / "page.html")]) == 0


def test_a_refiner_that_saw_what_is_tested_is_refused_or_marked(data, tmp_path):
    settings = {"data": data, "method": "cca", "views": "v3,e4", "splits": "loso", "split_by": "[A-Z]", "fold": 0}
    refiner = run_pretrain(PretrainConfig(**settings, run=str(tmp_path / "cca"), trainer=QUIET))
    missing = run_crossval(config(data, tmp_path / "x", refiner=str(refiner))).missing
    assert set(missing) == {"fold1 (B)", "fold2 (C)"}
    assert all("--allow_learned pairs" in why for why in missing.values())
    run_crossval(config(data, tmp_path / "x", refiner=str(refiner), allow_learned="pairs"))
    metrics = read(tmp_path / "x" / "metrics.json")
    tested = {row["recording"] for row in metrics["views"]["v3"]["per_item"]}
    seen = set(metrics["learned"]["pairs"])
    assert seen and seen < tested


def test_each_fold_s_head_may_be_a_student(data, tmp_path):
    """Taught on the fold's own pairs, which are part of what the cross-validation is."""
    result = run_crossval(config(data, tmp_path / "run", folds="0", teach_on_pairs=True))
    assert result.exit_code == 0
    taught = read(tmp_path / "run" / "fold0" / "taught.json")
    assert set(taught["agreement"]) == {"v3", "e4"} and taught["recordings"] == 4
    groups = read(tmp_path / "run" / "identity.json")["groups"]
    assert any(name.endswith("pairs") for name in groups["items"])
    assert any(name.startswith("e4 of") for name in groups["features"])
