"""`viewloom transfer`: the whole chain by one command, resumed, planned, and blind to labels of the other view."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import viewloom as vl
from tests.tiny import write_tiny
from viewloom.cli import main
from viewloom.dataset.opening import open_dataset
from viewloom.errors import ConfigError, DataError
from viewloom.heads.settings import TCNConfig
from viewloom.methods.settings import AutoConfig
from viewloom.recipes.settings import TransferConfig
from viewloom.recipes.transfer import run_transfer
from viewloom.recipes.transfer_notes import beside, lost
from viewloom.recipes.transferable import refuse_broken
from viewloom.training.settings import OptimConfig, TeachConfig, TrainerConfig
from viewloom.training.trained import load_head

QUIET = TrainerConfig(accelerator="cpu", devices="1", logger="none", progress=False)
AUTO = AutoConfig(candidates="none,cca")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny") / "data", recordings=12)


def config(data, run, **changes):
    options = AUTO if changes.get("method", "auto") == "auto" else None
    settings = {
        "head": "linear",
        "epochs": 6,
        "batch_size": 2,
        "optim": OptimConfig(lr=0.05),
        "method_options": options,
    }
    views = {"from_views": "v3", "to_views": "e4"}
    return TransferConfig(data=str(data), run=str(run), **views | settings | {"trainer": QUIET} | changes)


def scores(run, view):
    return json.loads((Path(run) / "metrics.json").read_text())["views"][view]["scores"]


def test_it_closes_the_gap_and_leaves_a_page(data, tmp_path, capfd):
    result = run_transfer(config(data, tmp_path / "run", references="naive,oracle"))
    head, naive, oracle, clock = result.scored
    assert [path.name for path in result.scored] == ["head", "naive", "oracle", "clock"]
    assert scores(head, "e4")["mof"] > 2 * scores(naive, "e4")["mof"]
    assert scores(head, "e4")["mof"] > 0.9 * scores(oracle, "e4")["mof"]
    assert scores(clock, "e4") == scores(clock, "v3") and scores(clock, "e4")["mof"] < scores(head, "e4")["mof"]
    assert "From v3 to e4" in (tmp_path / "run" / "report.html").read_text()
    assert any("auto took" in note for note in result.notes)
    said = capfd.readouterr().err
    assert "[1/10] choose a refiner" in said and "[10/10] write the report" in said
    left = [re.search(r"about (\d+):(\d\d) left", line) for line in said.splitlines() if line.startswith("[")]
    assert [each is not None for each in left] == [False, True, True, True, True, True, True, False, False, False]


def test_it_goes_on_and_refuses_other_settings(data, tmp_path, capfd):
    run_transfer(config(data, tmp_path / "whole"))
    run_transfer(config(data, tmp_path / "run", student=True))
    for name in ("head.safetensors", "metrics.json"):
        (tmp_path / "run" / "head" / name).unlink()
    capfd.readouterr()
    run_transfer(config(data, tmp_path / "run"))
    assert "[1/8] choose a refiner on pairs: finished before" in capfd.readouterr().err
    same = [(tmp_path / run / "head" / "head.safetensors").read_bytes() for run in ("run", "whole")]
    assert same[0] == same[1]
    for plan in (False, True):
        with pytest.raises(ConfigError, match="seed 1 instead of 0"):
            run_transfer(config(data, tmp_path / "run", seed=1, plan=plan))
    assert run_transfer(config(data, tmp_path / "run", plan=True)).count("finished") == 8


def test_labels_of_the_pairs_are_never_looked_at(data, tmp_path):
    run_transfer(config(data, tmp_path / "run"))
    other = write_tiny(tmp_path / "data", recordings=12)
    pairs = (other / "splits" / "pairs.txt").read_text().split()
    lines = (other / "labels.csv").read_text().splitlines()
    changed = [line.rsplit(",", 1)[0] + ",act0" if line.split(",")[0] in pairs else line for line in lines]
    assert changed != lines
    (other / "labels.csv").write_text("\n".join(changed) + "\n")
    run_transfer(config(other, tmp_path / "blind"))
    for name in ("refiner/refiner.safetensors", "head/head.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "blind" / name).read_bytes()


def test_the_plan_says_what_would_run(data, tmp_path):
    plan = run_transfer(config(data, tmp_path / "run", plan=True))
    assert plan.count("to do") == 8 and not (tmp_path / "run").exists()


def test_from_the_command_line_and_from_python(data, tmp_path, capfd):
    args = ["--data", str(data), "--head", "linear", "--epochs", "6", "--batch_size", "2", "--optim.lr", "0.05"]
    args += ["--method_options.candidates", "none,cca", "--trainer.logger", "none", "--trainer.progress", "false"]
    assert main(["transfer", *args, "--from", "v3", "--to", "e4", "--run", str(tmp_path / "run")]) == 0
    shown = capfd.readouterr()
    assert "transfer" in shown.out and "auto took cca" in shown.out
    settings = {"head": "linear", "epochs": 6, "batch_size": 2, "optim": {"lr": 0.05}, "candidates": "none,cca"}
    moved = vl.transfer(str(data), "v3", "e4", **settings, trainer={"logger": "none", "progress": False})
    assert moved.run is None and moved.refiner.method == "cca"
    expected = scores(tmp_path / "run" / "head", "e4")
    assert moved.scores["transfer"]["e4"] == pytest.approx(expected)
    assert moved.table().loc[("transfer", "e4"), "MoF"] == pytest.approx(expected["mof"])
    assert "auto took cca" in repr(moved)
    assert len(vl.predict(moved.head, str(data), view="e4"))
    assert main(["transfer", *args, "--from", "v3", "--run", str(tmp_path / "x")]) == 2
    assert "--to" in capfd.readouterr().err or "to" in shown.err


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"to_views": "v3"}, ConfigError, "--from and --to must name different views"),
        ({"to_views": "v9"}, DataError, "has view v9"),
        ({"references": "best"}, ConfigError, "naive and oracle"),
        ({"method": "nothing"}, ConfigError, "no method 'nothing'"),
        ({"method_options": AutoConfig(candidates="cca,nothing")}, ConfigError, "no method 'nothing'"),
        ({"method": "sync_kd_head"}, ConfigError, "needs a trained head"),
        ({"head": "nothing"}, ConfigError, "no head 'nothing'"),
        ({"method_options": AutoConfig(candidates="cca,nothing")}, ConfigError, "no method 'nothing'"),
        ({"teach": TeachConfig(views="v9")}, DataError, "has view v9"),
    ],
)
def test_what_cannot_work_is_said_first(data, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run_transfer(config(data, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def without(data, view, role, count=None):
    """Take a view from the first recordings of a role, or from all."""
    for name in (data / "splits" / f"{role}.txt").read_text().split()[:count]:
        shutil.rmtree(data / "features" / name / view)


@pytest.mark.parametrize("plan", [False, True])
def test_views_that_recordings_lack_are_said_first(data, tmp_path, plan):
    def refused(message, **changes):
        with pytest.raises((DataError, ConfigError), match=message):
            run_transfer(config(lacking, tmp_path / "run", plan=plan, **changes))
        shutil.rmtree(lacking)
        shutil.copytree(data, lacking)

    lacking = shutil.copytree(data, tmp_path / "data")
    without(lacking, "v3", "train")
    refused(r"No training recording has v3 \(--from\); they have: e4")
    without(lacking, "e4", "train")
    refused(r"No training recording has e4 \(--references oracle", references="oracle")
    without(lacking, "e4", "pairs")
    refused("No pair recording has e4")
    without(lacking, "v3", "pairs", 1)
    second = (lacking / "splits" / "pairs.txt").read_text().split()[1:]
    for name in second:
        shutil.rmtree(lacking / "features" / name / "e4")
    refused("No pair recording has two of the views v3, e4")
    pairs, test = (lacking / "splits" / "pairs.txt"), (lacking / "splits" / "test.txt")
    test.write_text(test.read_text() + pairs.read_text())
    refused("both in test and in pairs, so they can't be scored", allow_overlap="own")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("role", ["test", "val"])
def test_a_broken_frame_is_found_before_anything_is_learned(data, tmp_path, role, monkeypatch):
    broken = shutil.copytree(data, tmp_path / "data")
    name = (broken / "splits" / f"{role}.txt").read_text().split()[-1]
    (path,) = (broken / "features" / name / "v3").glob("*.npy")
    features_TD = np.load(path)
    features_TD[7, 0] = np.nan
    np.save(path, features_TD)
    with pytest.raises(DataError, match=f"{name}, view v3: features of 1 frame"):
        run_transfer(config(broken, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    features_TD[7] = np.nan  # a frame that is missing is no fault
    np.save(path, features_TD)
    run_transfer(config(broken, tmp_path / "run", epochs=1, student=False))
    monkeypatch.setattr("viewloom.recipes.transferable.LOOKED_THROUGH_BYTES", 0)
    features_TD[7, 0] = 1.0
    np.save(path, features_TD)
    refuse_broken(config(broken, tmp_path / "run"), open_dataset(config(broken, tmp_path / "run")))


def test_a_view_that_is_never_scored_is_a_note(data, tmp_path, capfd):
    lacking = shutil.copytree(data, tmp_path / "data")
    without(lacking, "e4", "test")
    result = run_transfer(config(lacking, tmp_path / "run", student=False, epochs=1))
    assert "No test recording has e4" in result.notes[0] and result.notes[0] in capfd.readouterr().err


def test_one_recording_of_pairs_is_enough(tmp_path):
    data = write_tiny(tmp_path / "data", recordings=12, segments=12)
    pairs = data / "splits" / "pairs.txt"
    pairs.write_text(pairs.read_text().split()[0] + "\n")
    candidates = AutoConfig(candidates="cca,delay_cca,none")
    result = run_transfer(config(data, tmp_path / "run", method_options=candidates))
    head, naive = (scores(folder, "e4")["mof"] for folder in result.scored[:2])
    assert head > 60 and head > naive + 20


def test_what_a_score_must_be_readbeside():
    assert beside("e4", {"head": 80.0, "naive": 5.0, "clock": 63.0}, True) == []
    (near,) = beside("e4", {"head": 80.0, "naive": 5.0, "clock": 64.0}, True)
    assert "clock alone" in near and "64.0 on e4" in near
    (unfit,) = beside("e4", {"head": 80.0, "clock": 3.0}, True)
    assert "naive head can't take e4" in unfit
    assert beside("e4", {"head": 80.0, "clock": 3.0}, False) == []
    assert beside("e4", {"clock": 3.0}, True) == []  # a view that nothing was scored in


def test_a_labelled_view_that_got_worse_is_named(data, tmp_path):
    result = run_transfer(config(data, tmp_path / "run", student=False, epochs=40, references="naive"))
    assert lost(("v3",), tmp_path / "run") == [] and not any("which is labelled" in note for note in result.notes)
    blind = tmp_path / "run" / "blind"  # a head that saw nothing in its place: that of the clock
    shutil.move(tmp_path / "run" / "head", blind)
    shutil.copytree(tmp_path / "run" / "clock", tmp_path / "run" / "head")
    (note,) = lost(("v3",), tmp_path / "run")
    assert note.startswith("In v3, which is labelled") and str(tmp_path / "run" / "naive") in note


def test_heads_of_a_transfer_may_wait_for_a_look_ahead(data, tmp_path):
    settings = {"head": "tcn", "head_options": TCNConfig(width=4, layers=3, causal=True), "student": False, "epochs": 1}
    run_transfer(config(data, tmp_path / "run", lookahead_s=1.0, method="cca", references="naive", **settings))
    assert all(load_head(tmp_path / "run" / name).head.lookahead > 0 for name in ("head", "naive"))
