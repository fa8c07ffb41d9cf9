"""The example of docs/howto/own-data-files.md, run as it stands; and that its tables name every setting."""

import re
from dataclasses import fields
from pathlib import Path

from viewloom.check.command import check
from viewloom.check.settings import CheckConfig
from viewloom.dataset.settings import DataConfig
from viewloom.registry import STORES

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "own-data-files.md").read_text()


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    make, use = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(make, names)
    report = check(CheckConfig(data="rig"))
    assert report.usable and not [f for f in report.findings if f.severity == "warning"], report.findings
    assert report.command == "viewloom transfer --data rig --from cam --to hand --run runs/transfer"
    assert report.facts["Features"]["stored at"].startswith("hand 20 fps")
    exec(use, names)
    shown = capsys.readouterr().out
    assert "Two views of a bench: 6 recordings at 30 fps, 3 actions" in shown and "hand" in shown


def test_every_setting_and_store_stands_in_a_table():
    settings = {entry.name for entry in fields(DataConfig)} - {"data"}
    lacking = [name for name in settings if f"`{name}`" not in PAGE]
    assert not lacking
    for name in set(STORES.names()) - {"packed"}:
        assert f"| `{name}` |" in PAGE
