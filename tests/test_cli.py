"""The command line: help comes at once, older names of settings stay, plugins add to it and never stand in the way."""

import resource
import subprocess
import sys
from dataclasses import fields

import pytest
import yaml

from tests.test_architecture import HEAVY
from viewloom.cli import VERBS, make_parser, parse
from viewloom.registry import HEADS, METHODS


def used_s():
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", VERBS)
def test_help_comes_at_once(name):
    command = [sys.executable, "-c", f"import sys, viewloom.cli as c\ntry:\n c.main({[*name.split(), '--help']})\n"]
    command[-1] += f"finally:\n print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    before = used_s()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert used_s() - before < 1.5
    assert done.stderr.strip() == "[]"
    assert VERBS[name].help in " ".join(done.stdout.split())


@pytest.mark.parametrize("registry", [HEADS, METHODS], ids=lambda registry: registry.kind)
def test_settings_are_those_of_the_class(registry):
    for name in registry.names():
        assert registry.settings(name) is registry.get(name).Config


@pytest.mark.parametrize(
    ("name", "field", "chooser", "registry"),
    [("train", "head_options", "head", HEADS), ("pretrain", "method_options", "method", METHODS)],
)
def test_help_shows_all_options_of_what_is_chosen(name, field, chooser, registry):
    for entry in registry.names():
        text = make_parser(name, [f"--{chooser}", entry]).format_help()
        for setting in fields(registry.settings(entry)):
            assert f"--{field}.{setting.name}" in text, entry


@pytest.mark.parametrize("name", ["train", "pretrain", "evaluate", "crossval"])
def test_a_config_file_of_an_older_run_is_read(name, tmp_path):
    """Runs used to call their name in tables ``row``."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"data": "d", "run": "r", "views": "v3", "row": "mine", "batch_size": 3}))
    config = parse(name, ["--config", str(path)])
    assert (config.name, config.batch_size) == ("mine", 3)
    assert parse(name, ["--config", str(path), "--name", "other"]).name == "other"
    path.write_text(yaml.safe_dump({"data": "d", "run": "r", "views": "v3", "row": None}))
    assert parse(name, ["--config", str(path)]).name is None
    assert "--row" not in make_parser(name, []).format_help()
