"""Bad input, one kind a row: one clear message that names what and where and says what to do, exit code 2,
no traceback, and nothing half-written."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.features.stores import random_recordings, write_lmdb
from tests.tiny import write_tiny
from viewloom.cli import main

HEAD = ["--head", "linear", "--epochs", "1", "--trainer.logger", "none", "--trainer.progress", "false"]
HEAD += ["--trainer.accelerator", "cpu"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A usable data set, and a run trained on it."""
    root = tmp_path_factory.mktemp("good")
    write_tiny(root / "data")
    assert main(["train", "--data", str(root / "data"), "--views", "v3", "--run", str(root / "run"), *HEAD]) == 0
    return root


class Case:
    """A copy of the good data set, to be spoilt; commands on it."""

    def __init__(self, root: Path):
        self.root, self.data, self.run = root, root / "data", root / "run"

    def train(self, *more, run="new"):
        return ["train", "--data", str(self.data), "--views", "v3", "--run", str(self.root / run), *HEAD, *more]

    def check(self, *more):
        return ["check", "--data", str(self.data), *more]

    def evaluate(self, *more):
        return ["evaluate", "--data", str(self.data), "--run", str(self.run), "--accelerator", "cpu", *more]

    def predict(self, *more):
        return ["predict", "--data", str(self.data), "--run", str(self.run), "--out", str(self.root / "p"), *more]

    def label(self, old, new):
        """Change the first line of labels.csv that holds ``old``."""
        path = self.data / "labels.csv"
        path.write_text(path.read_text().replace(old, new, 1))

    def line(self, number, text):
        """Replace a line of labels.csv (1 is the header)."""
        lines = (self.data / "labels.csv").read_text().splitlines()
        lines[number - 1] = text
        (self.data / "labels.csv").write_text("\n".join(lines) + "\n")

    def features(self, recording="p00", view="v3"):
        return self.data / "features" / recording / view / "features.npy"

    def trained_recording(self):
        return (self.data / "splits" / "train.txt").read_text().split()[0]


CASES = {}


def case(*expected, what=None):
    """Register a way to spoil the input, with the texts its message must hold."""

    def add(function):
        CASES[what or function.__name__] = (function, expected)
        return function

    return add


@case("nowhere", "not there", "folder")
def data_folder_that_is_not_there(c):
    c.data = c.root / "nowhere"
    return c.train()


@case("a file", "folder")
def data_that_is_a_file(c):
    return ["train", "--data", str(c.data / "labels.csv"), "--views", "v3", "--run", str(c.root / "new")]


@case("none of the known layouts", "coarse_labels", "labels.csv")
def folder_of_no_known_layout(c):
    c.data = c.root / "empty"
    c.data.mkdir()
    return c.train()


@case("'video'", "assembly101", "table")
def layout_that_does_not_exist(c):
    return c.train("--layout", "video")


@case("v9", "v3", "e4", "--views")
def view_that_is_nowhere(c):
    return [*c.train(), "--views", "v9"]


@case("Recordings that lack a view", "p00 (v3)", what="recording_without_a_view_is_named_by_check")
def recording_without_a_view(c):
    shutil.rmtree(c.features().parent)
    (c.data / "splits" / "test.txt").unlink()
    (c.data / "splits" / "train.txt").write_text("p00\np01\np00\n")
    return c.check()


@case("Labels past the end", "p00", "label to", "fps")
def label_past_the_end_in_check(c):
    np.save(c.features(), np.load(c.features())[:100])
    np.save(c.features(view="e4"), np.load(c.features(view="e4"))[:100])
    return c.check()


@case("is labelled from frame 0", "run from 0 to 50", "--fps")
def label_past_the_end_in_train(c):
    name = c.trained_recording()
    for view in ("v3", "e4"):
        np.save(c.features(name, view), np.load(c.features(name, view))[:50])
    return c.train()


@case("labels.csv, line 3", "overlaps", "line 2")
def overlapping_segments(c):
    c.line(2, "p00,0,100,act0")
    c.line(3, "p00,60,160,act1")
    return c.train()


@case("labels.csv, line 2", "from 90 to 40", "end must lie behind")
def reversed_segment(c):
    c.line(2, "p00,90,40,act0")
    return c.train()


@case("labels.csv, line 2", "'act99'", "not in the action list")
def unknown_action(c):
    c.line(2, "p00,0,40,act99")
    return c.train()


@case("labels.csv, line 2", "'ten'", "whole number of frames")
def frame_that_is_no_number(c):
    c.line(2, "p00,ten,40,act0")
    return c.train()


@case("labels.csv", "recording,start,end,label", "columns are")
def label_table_without_its_columns(c):
    c.line(1, "video,from,to,what")
    return c.train()


@case("labels.csv", "not UTF-8")
def labels_in_another_encoding(c):
    (c.data / "labels.csv").write_bytes("recording,start,end,label\np00,0,9,Schraube lösen\n".encode("latin-1"))
    return c.train()


@case("labels.csv", "hold segments")
def empty_label_table(c):
    (c.data / "labels.csv").write_text("recording,start,end,label\n")
    return c.train()


@case("train.txt", "empty")
def empty_split_list(c):
    (c.data / "splits" / "train.txt").write_text("\n")
    return c.train()


@case("'train' is empty", "--splits")
def role_without_a_list(c):
    (c.data / "splits" / "train.txt").unlink()
    return c.train()


@case("both in train and in test", "label files go together")
def recording_in_two_splits(c):
    with (c.data / "splits" / "test.txt").open("a") as file:
        file.write(c.trained_recording() + "\n")
    return c.train()


@case("train.txt", "twice", "p0")
def name_twice_in_a_list(c):
    with (c.data / "splits" / "train.txt").open("a") as file:
        file.write(c.trained_recording() + "\n")
    return c.train()


@case("1 of 3 items listed in 'train'", "p99", "--missing skip")
def listed_item_that_is_not_there(c):
    with (c.data / "splits" / "train.txt").open("a") as file:
        file.write("p99\n")
    return c.train()


@case("holds no split lists", "train.txt", "generate")
def folder_without_lists(c):
    (c.root / "lists").mkdir()
    return c.train("--splits", str(c.root / "lists"))


@case("NaN or infinite", "frame 7", "check")
def nan_features_in_train(c):
    path = c.features(c.trained_recording())
    x_TD = np.load(path)
    x_TD[7, 2] = np.nan
    np.save(path, x_TD)
    return c.train()


@case("NaN or infinite features", "p00 v3 (", "Extract these frames again")
def nan_features_in_check(c):
    x_TD = np.load(c.features())
    x_TD[:, 2] = np.inf
    np.save(c.features(), x_TD)
    return c.check("--depth", "full")


@case("missing", "--sampling.missing_frames mask")
def missing_frames_where_none_may_be(c):
    path = c.features(c.trained_recording())
    x_TD = np.load(path)
    x_TD[7] = np.nan
    np.save(path, x_TD)
    return c.train("--sampling.missing_frames", "error")


@case("features.npy", "p00")
def truncated_npy(c):
    c.features().write_bytes(c.features().read_bytes()[:-100])
    return c.train()


@case("features.npy", "object")
def npy_that_would_run_code(c):
    np.save(c.features(), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return c.train()


@case("features.npy", "p00")
def npy_of_another_feature_size(c):
    np.save(c.features(), np.zeros((300, 5), np.float32))
    return c.train()


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


@case("statistics.pkl", "print")
def pickle_that_would_run_code(c):
    (c.root / "statistics.pkl").write_bytes(pickle.dumps({"p00": Evil()}))
    return c.check("--index", str(c.root / "statistics.pkl"))


@case("data.mdb", "C10118_rgb", "again")
def truncated_lmdb(c):
    store = write_lmdb(c.root / "lmdb", random_recordings(64, {"rec_a": 300}))
    path = store / "C10118_rgb" / "data.mdb"
    path.write_bytes(path.read_bytes()[: 4096 * 4])
    return ["index", "--data", str(store), "--out", str(c.root / "i.json")]


@case("data.mdb")
def lmdb_that_is_none(c):
    (c.root / "lmdb" / "C10118_rgb").mkdir(parents=True)
    (c.root / "lmdb" / "C10118_rgb" / "data.mdb").write_bytes(b"not a data base" * 1000)
    return ["index", "--data", str(c.root / "lmdb"), "--out", str(c.root / "i.json")]


@case("views of one feature size", "v3 8", "e4 5", "--refiner")
def a_head_on_views_of_different_feature_size(c):
    for path in (c.data / "features").rglob("e4/features.npy"):
        np.save(path, np.load(path)[:, :5])
    return c.train("--views", "v3,e4", "--axes", "td")


@case("HMC_84358933_mono10bit", "one feature size", "--views_file")
def cameras_of_a_view_of_different_feature_size(c):
    recordings = random_recordings(6, {"rec_a": 40, "rec_b": 40})
    first, x_TD, missing = recordings["rec_b"].pop("HMC_84358933_mono10bit")
    recordings["rec_b"]["HMC_21179183_mono10bit"] = (first, np.concatenate([x_TD, x_TD], axis=1), missing)
    store = write_lmdb(c.root / "lmdb", recordings)
    return ["pack", "--data", str(store), "--out", str(c.root / "packed")]


@case("size 8", "5", "trained on")
def features_of_another_size_than_the_head(c):
    for path in (c.data / "features").rglob("*.npy"):
        np.save(path, np.load(path)[:, :5])
    return c.evaluate("--axes", "td")


@case("actions", "same action list")
def another_action_list_than_the_head(c):
    (c.data / "actions.txt").write_text("act3\nact1\nact2\nact0\n")
    return c.evaluate()


@case("views.yaml", "kind must be exo, ego or other")
def view_file_with_an_unknown_kind(c):
    (c.data / "views.yaml").write_text("views: {v3: {kind: outside}}\n")
    return c.train()


@case("views.yaml", "not YAML")
def view_file_that_is_no_yaml(c):
    (c.data / "views.yaml").write_text("views: {v3: [\n")
    return c.train()


@case("camera", "twice")
def camera_in_two_views(c):
    (c.data / "views.yaml").write_text("views: {a: {cameras: [v3]}, b: {cameras: [v3]}}\n")
    return c.train()


@case("already holds a run", "--resume")
def run_folder_that_is_taken(c):
    return c.train(run="run")


@case("epochs 7 instead of", "--run")
def resumption_with_other_settings(c):
    return c.train("--resume", "true", "--epochs", "7", run="run")


@case("head.safetensors", "not a whole safetensors file")
def truncated_head(c):
    path = c.run / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    return c.evaluate()


@case("head.safetensors", "no head at", "--resume")
def run_without_a_head(c):
    (c.run / "head.safetensors").unlink()
    return c.evaluate()


@case("'big'", "c2f_tcn", "linear")
def head_that_does_not_exist(c):
    return c.train("--head", "big")


@case("refiner.safetensors")
def refiner_that_is_none(c):
    (c.root / "refiner.safetensors").write_bytes(b"none")
    return c.train("--refiner", str(c.root / "refiner.safetensors"))


@case("epochs", "many", "train --help")
def number_that_is_none(c):
    return [*c.train(), "--epochs", "many"]


@case("epochs is -3: it has to be 1 or more", "training.epochs")
def negative_epochs(c):
    return c.train("--epochs", "-3")


@case("chunk_frames", "has to be from 1")
def chunks_of_no_frames(c):
    return c.train("--sampling.chunk_frames", "0")


@case("'homemade'", "canonical")
def protocol_that_does_not_exist(c):
    return c.evaluate("--protocol", "homemade")


@case("background", "act0")
def background_that_is_no_action(c):
    return c.evaluate("--background", "idle")


@case("no recording p77", "check")
def recording_that_is_not_there(c):
    return c.predict("--recordings", "p77")


@case("segments.csv", "--overwrite")
def predictions_that_are_there(c):
    (c.root / "p").mkdir()
    (c.root / "p" / "segments.csv").write_text("mine\n")
    return c.predict()


@case("speed", "--config file", "train --help", what="setting_that_does_not_exist_in_a_config_file")
def unknown_setting(c):
    (c.root / "settings.yaml").write_text("speed: 3\n")
    return c.train("--config", str(c.root / "settings.yaml"))


@case("dataset.yaml", "colour")
def unknown_setting_in_dataset_yaml(c):
    (c.data / "dataset.yaml").write_text("colour: red\n")
    return c.train()


@case("warp", "no command", "train")
def command_that_does_not_exist(c):
    return ["warp"]


def listing(root):
    """Every file with its size and time of change."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


# What a run that fails while it reads features may have written, each of it whole.
BEGUN = {"config.yaml", "identity.json", "environment.json"}


@pytest.mark.parametrize("name", list(CASES))
def test_bad_input_gives_one_clear_message(name, good, tmp_path, capfd):
    spoil, expected = CASES[name]
    shutil.copytree(good, tmp_path / "case")
    c = Case(tmp_path / "case")
    argv = spoil(c)
    before = listing(c.root)
    try:
        code = main(argv)
    except SystemExit as stopped:
        code = stopped.code
    shown = capfd.readouterr()
    said = " ".join((shown.err + shown.out).split())
    assert code == 2, said
    for text in expected:
        assert text in said, f"{text!r} is not in: {said}"
    assert "Traceback" not in said
    assert "this must not run" not in said
    after = listing(c.root)
    new = {Path(path).name for path in after.keys() - before.keys()}
    assert new <= BEGUN, f"left behind: {new}"
    assert {path: after[path] for path in before} == before


def test_there_are_at_least_25_kinds():
    assert len(CASES) >= 25


def test_a_missing_setting_is_one_line(capfd):
    assert main(["train", "--data", "d"]) == 2
    said = capfd.readouterr().err
    assert len(said.strip().splitlines()) <= 3
    assert "run" in said
