"""`--config`: a file sets values, and nothing in it is imported or silently lost."""

import sys

import pytest

from viewloom.cli import main
from viewloom.config_files import read_config
from viewloom.errors import ConfigError


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that leaves a mark when it is imported."""
    (tmp_path / "trap_module.py").write_text("from pathlib import Path\nPath(__file__).with_name('sprung').touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "sprung"
    sys.modules.pop("trap_module", None)


@pytest.mark.parametrize("spelled", ["--config {}", "--config={}"])
@pytest.mark.parametrize(
    "text",
    [
        "sampling:\n  class_path: trap_module.Foo\n  init_args: {}\n",
        "class_path: trap_module.Foo\n",
        "optim: [{a: {class_path: trap_module.Foo}}]\n",
        "a: &a {class_path: trap_module.Foo}\nhead_options: {<<: *a}\n",
    ],
)
def test_no_class_is_imported(trap, tmp_path, capsys, text, spelled):
    (tmp_path / "c.yaml").write_text(text)
    options = spelled.format(tmp_path / "c.yaml").split()
    assert main(["train", "--data", "x", "--run", str(tmp_path / "r"), "--views", "v3", *options]) == 2
    assert "names a class (class_path), which would be imported" in capsys.readouterr().err
    assert not trap.exists() and not (tmp_path / "r").exists()


@pytest.mark.parametrize("value", ["trap_module", "[trap_module]"])
def test_a_file_names_no_plugins(trap, tmp_path, capsys, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(f"plugins: {value}\n")
    assert main(["check", "--data", "x", "--config", "c.yaml"]) == 2
    assert "names modules to import (plugins)" in capsys.readouterr().err
    assert not trap.exists()


def test_a_file_names_no_backbone_that_is_code(trap, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("backbone: py:trap_module:make\n")
    assert main(["extract", "--videos", "v", "--out", "o", "--fps", "30", "--config", str(tmp_path / "c.yaml")]) == 2
    assert "put --backbone on the line" in capsys.readouterr().err
    assert not trap.exists()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("how", ["line", "file", "config"])
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("class_path: trap_module.Foo\n", "names a class (class_path), which would be imported"),
        ("plugins: trap_module\n", "names modules to import (plugins)"),
        ("config: c.yaml\n", "names another file (config)"),
        ("config: {a: 1}\n", "names another file (config)"),
        ("devices: 1\ndevices: 2\n", "'devices' is there twice"),
        (BOMB, "aliases that stand for more than 1,000,000 values"),
    ],
)
def test_files_that_a_file_or_the_line_names_set_values_and_nothing_else(trap, tmp_path, capsys, how, text, fault):
    (tmp_path / "inner.yaml").write_text(text)
    (tmp_path / "outer.yaml").write_text(f"{'config' if how == 'config' else 'trainer'}: {tmp_path / 'inner.yaml'}\n")
    named = ["--trainer", str(tmp_path / "inner.yaml")] if how == "line" else ["--config", str(tmp_path / "outer.yaml")]
    assert main(["train", "--data", "x", "--run", str(tmp_path / "r"), "--views", "v3", *named]) == 2
    said = capsys.readouterr().err
    assert ("names another file (config)" if how == "config" else fault) in said and "Traceback" not in said
    assert not trap.exists() and not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (b"epochs: 3\nepochs: 4\n", "line 2: 'epochs' is there twice, before in line 1"),
        (b"- epochs\n", "must hold a table of settings"),
        (b"epochs: [\n", "is not YAML"),
        (b"sampling: [1]\n", "sampling must hold settings, such as `sampling: {...}`, but is [1]"),
        (b"epochs: 3\ntrainer: 3\n", "trainer must hold settings"),
        (b'head: "\\ud800"\n', "half of a character"),
        (b"\xff\xfe\x00e", "is not UTF-8 text"),
        (b"[" * 100_000, "deep"),
        (None, "is not there"),
    ],
)
def test_files_that_cannot_be_used_are_said_so_in_one_line(tmp_path, capsys, written, fault):
    path = tmp_path / "c.yaml"
    if written is not None:
        path.write_bytes(written)
    assert main(["train", "--data", "x", "--run", "r", "--views", "v3", "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert fault in said and str(path) in said and "Traceback" not in said and len(said.splitlines()) == 1


def test_values_are_read(tmp_path):
    (tmp_path / "c.yaml").write_text("epochs: 3\nhead_options: {width: 8}\n")
    assert read_config(tmp_path / "c.yaml") == {"epochs": 3, "head_options": {"width": 8}}
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_config(tmp_path / "empty.yaml") == {}
    with pytest.raises(ConfigError, match="is a folder, not a file"):
        read_config(tmp_path)
