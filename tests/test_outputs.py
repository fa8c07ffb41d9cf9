"""Nothing of anyone else's is written into or replaced unasked, by any command."""

import json
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.every_setting import made, settings_classes
from tests.tiny import write_tiny
from viewloom.cli import VERBS, main
from viewloom.download.hub import HubFile
from viewloom.download.run import Wanted
from viewloom.errors import ConfigError
from viewloom.extract.writing import prepare_folder
from viewloom.outputs import BEGUN, PLACES, filling, refuse_file, refuse_folder

TRAINER = ["--trainer.logger", "none", "--trainer.progress", "false", "--trainer.accelerator", "cpu"]
MINE = b"mine, and no one else's"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A tiny data set, a head and a refiner trained on it, its scores, and files that verbs read."""
    root = tmp_path_factory.mktemp("world")
    write_tiny(root / "data")
    data = ["--data", str(root / "data")]
    head = ["train", *data, "--views", "v3", "--run", str(root / "head"), "--head", "linear", "--epochs", "1"]
    assert main([*head, *TRAINER]) == 0
    learn = ["pretrain", *data, "--views", "v3,e4", "--run", str(root / "refiner"), "--method", "ridge"]
    assert main([*learn, "--epochs", "1", *TRAINER]) == 0
    assert main(["evaluate", *data, "--run", str(root / "head"), "--accelerator", "cpu"]) == 0
    (root / "compare.yaml").write_text(
        json.dumps({"data": [str(root / "data")], "labelled": "v3", "unlabelled": "e4", "methods": ["none"]})[:-1]
        + ', "heads": ["linear"], "out": "unused"}'
    )
    return root


def on_data(*words):
    return lambda root: [words[0], "--data", str(root / "data"), *(word.format(root=root) for word in words[1:])]


FILES = {
    "check": (on_data("check"), "--out", ["{}"]),
    "index": (on_data("index"), "--out", ["{}"]),
    "export": (
        lambda root: ["export", "--run", str(root / "head"), "--to", "torch_export"],
        "--out",
        ["{}", "{}.json"],
    ),
    "report": (lambda root: ["report", "--runs", str(root / "head")], "--out", ["{}"]),
    "report --picture": (lambda root: ["report", "--runs", str(root / "head")], "--picture", ["{}.png"]),
    "report --burn": (lambda root: ["report", "--runs", str(root / "head")], "--burn", ["{}.mp4"]),
    "convert-labels": (
        lambda root: ["convert-labels", "--labels", str(root / "data" / "labels.csv"), "--format", "csv"],
        "--out",
        ["{}.csv"],
    ),
    "predict --online": (lambda root: ["predict", "--online", "--run", str(root / "head")], "--out", ["{}"]),
    "experiment --docs": (on_data("experiment", "--table", "table1", "--out", "{root}/e1"), "--docs", ["{}.md"]),
    "curve --docs": (
        on_data("curve", "--kind", "pairs", "--views", "v3,e4", "--out", "{root}/c1"),
        "--docs",
        ["{}.md", "{}.png"],
    ),
    "compare --docs": (
        lambda root: ["compare", str(root / "compare.yaml"), "--out", str(root / "cmp1")],
        "--docs",
        ["{}.md"],
    ),
}
"""Verbs that write a file: their words, the setting that names it, and what may be in its place."""
FOLDERS = {
    "simulate": (lambda root: ["simulate", "--recordings", "2"], "--out"),
    "simulate metaworld": (lambda root: ["simulate", "metaworld", "--preset", "tiny"], "--out"),
    "pack": (on_data("pack"), "--out"),
    "train": (on_data("train", "--views", "v3", "--head", "linear", "--epochs", "1", *TRAINER), "--run"),
    "pretrain": (on_data("pretrain", "--views", "v3,e4", "--method", "ridge", *TRAINER), "--run"),
    "pretrain auto": (on_data("pretrain", "--views", "v3,e4", *TRAINER), "--run"),
    "crossval": (on_data("crossval", "--splits", "loso", "--views", "v3", "--head", "linear"), "--run"),
    "transfer": (on_data("transfer", "--from", "v3", "--to", "e4"), "--run"),
    "evaluate": (on_data("evaluate", "--run", "{root}/head", "--accelerator", "cpu"), "--out"),
    "predict": (on_data("predict", "--run", "{root}/head", "--accelerator", "cpu"), "--out"),
    "convert": (lambda root: ["convert", "--checkpoint", "x.pth", "--kind", "refiner"], "--run"),
    "experiment": (on_data("experiment", "--table", "table1"), "--out"),
    "curve": (on_data("curve", "--kind", "pairs", "--views", "v3,e4"), "--out"),
    "compare": (lambda root: ["compare", str(root / "compare.yaml")], "--out"),
}
"""Verbs that fill a folder: their words, and the setting that names it."""
NAMES = ["notes.txt", "metrics.csv", "metrics.json", "environment.json", "predictions/v3.json", "segments.csv"]
"""Files of others; most have a name that some command would write."""
WITHOUT = {"init", "push", "measure", "extract", "download"}
"""Verbs that have tests of their own below, or write nothing here."""


def test_every_verb_is_here():
    here = {name.partition(" --")[0] for name in (*FILES, *FOLDERS)} | {"predict online"} | WITHOUT
    assert set(VERBS) <= here


def bytes_under(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_stays(name, world, tmp_path, capsys):
    words, option, forms = FILES[name]
    for form in forms:
        folder = tmp_path / str(len(form))
        taken, named = folder / form.format("out"), folder / forms[0].format("out")
        folder.mkdir()
        taken.write_bytes(MINE)
        assert main([*words(world), option, str(named)]) == 2
        assert taken.name in capsys.readouterr().err
        assert bytes_under(folder) == {Path(taken.name): MINE}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_another_stays_as_it_is(name, world, tmp_path, capsys):
    words, option = FOLDERS[name]
    for number, inside in enumerate(NAMES if name in ("train", "evaluate", "predict") else NAMES[:2]):
        taken = tmp_path / str(number) / inside
        taken.parent.mkdir(parents=True)
        taken.write_bytes(MINE)
        assert main([*words(world), option, str(tmp_path / str(number))]) == 2
        text = capsys.readouterr().err
        assert str(tmp_path / str(number)) in text and "\n" not in text.strip().splitlines()[-1]
        assert bytes_under(tmp_path / str(number)) == {Path(inside): MINE}


def test_a_run_of_another_kind_stays_as_it_is(world, tmp_path):
    before = bytes_under(world / "refiner")
    for words in (
        FOLDERS["convert"][0](world),
        ["convert", "--checkpoint", "x.pth", "--kind", "head"],
        FOLDERS["train"][0](world),
        FOLDERS["transfer"][0](world),
        FOLDERS["crossval"][0](world),
    ):
        assert main([*words, "--run", str(world / "refiner")]) == 2
    for verb in ("evaluate", "predict"):
        assert main([*FOLDERS[verb][0](world), "--out", str(world / "refiner")]) == 2
    assert bytes_under(world / "refiner") == before


def test_measures_of_before_stay(world, tmp_path, capsys):
    (tmp_path / "measures.json").write_bytes(MINE)
    assert main([*on_data("measure", "--refiner", "{root}/refiner")(world), "--out", str(tmp_path)]) == 2
    assert "measures.json is there already" in capsys.readouterr().err
    assert bytes_under(tmp_path) == {Path("measures.json"): MINE}


def test_extract_leaves_a_folder_of_another(tmp_path):
    (tmp_path / "notes.txt").write_bytes(MINE)
    with pytest.raises(ConfigError, match=r"holds notes\.txt, which this command did not write"):
        prepare_folder(tmp_path, SimpleNamespace(described="manifest.json"))
    assert bytes_under(tmp_path) == {Path("notes.txt"): MINE}


@pytest.mark.parametrize("name", ["notes.txt", "mapping.txt"])
def test_download_leaves_a_folder_of_another(name, tmp_path, monkeypatch, capsys):
    wanted = HubFile("mapping.txt", 9, None, "0")

    class Hub:
        """A repository of one small file."""

        commit, token = "0" * 40, None

        def __init__(self, repo, revision):
            self.repo = repo

        def files(self, path):
            return [wanted]

    monkeypatch.setattr("viewloom.download.run.Repository", Hub)
    monkeypatch.setattr(
        "viewloom.download.run._wanted", lambda hub, part: [Wanted(part, hub.files("")[0], "mapping.txt")]
    )
    (tmp_path / name).write_bytes(MINE)
    assert main(["download", "gtea", "--out", str(tmp_path)]) == 2
    assert f"holds {name}, which this command did not write" in capsys.readouterr().err
    assert bytes_under(tmp_path) == {Path(name): MINE}


def test_a_data_set_file_of_before_stays(world, tmp_path):
    write_tiny(tmp_path / "data")
    (tmp_path / "data" / "dataset.yaml").write_bytes(MINE)
    assert main(["init", "--data", str(tmp_path / "data")]) == 2
    assert (tmp_path / "data" / "dataset.yaml").read_bytes() == MINE


@pytest.mark.parametrize("name", ["evaluate", "predict", "train"])
def test_asked_to_a_command_writes_there_and_leaves_what_it_does_not_write(name, world, tmp_path):
    words, option = FOLDERS[name]
    (tmp_path / "notes.txt").write_bytes(MINE)
    assert main([*words(world), option, str(tmp_path), "--overwrite", "true"]) == 0
    found = bytes_under(tmp_path)
    assert found[Path("notes.txt")] == MINE and len(found) > 2
    assert not [path for path in found if path.name.startswith(BEGUN)]


PLACED = [(cls, e.name) for cls in settings_classes() for e in fields(cls) if e.name in PLACES]


@pytest.mark.parametrize(("cls", "name"), PLACED, ids=lambda value: getattr(value, "__name__", value))
def test_an_empty_path_is_refused(cls, name):
    for blank in ("", " "):
        with pytest.raises(ConfigError, match=rf"^{name} is empty: it has to name a file or folder"):
            made(cls, **{name: blank})


def test_what_a_killed_command_left_is_its_own(tmp_path):
    with pytest.raises(KeyboardInterrupt), filling(tmp_path / "out", False, "evaluate"):
        (tmp_path / "out" / "half").write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(ConfigError, match="holds .*half, which this command did not write"):
        refuse_folder(tmp_path / "out", False)
    with filling(tmp_path / "out", False, "evaluate"):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["half"]


def test_what_failed_before_it_wrote_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError), filling(tmp_path / "new", False, "predict"):
        raise ConfigError("no")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round(tmp_path):
    (tmp_path / "file").write_bytes(MINE)
    with pytest.raises(ConfigError, match="is a file. Pass --out FOLDER"):
        refuse_folder(tmp_path / "file", True)
    with pytest.raises(ConfigError, match="is a folder. Pass --out FILE"):
        refuse_file(tmp_path, True)
