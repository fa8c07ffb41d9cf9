"""The tutorials' cells, in order, with fewer epochs: names, arguments and files are as the notebooks say.

`make docs` runs them as they are written.
"""

import ast
import json
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.ipynb"))
NEEDS = {"own-videos": "av"}
QUICKER = (
    (r'every_epochs": \d+', 'every_epochs": 1'),
    (r"epochs=\d+", "epochs=1"),
    (r"--epochs \d+", "--epochs 1"),
    (r'"epochs": \d+', '"epochs": 1'),
)
AT_LEAST = {"assembly101": {"real", "moved"}, "camera-and-sensor": {"moved", "segments"}, "own-arrays": {"segments"}}
"""Names that the cells leave behind."""


def cells(path):
    """The code of a notebook, cell by cell."""
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def quicker(code):
    """The same with one epoch."""
    for pattern, other in QUICKER:
        code = re.sub(pattern, other, code)
    return code


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to run in, and whatever the cells change put back."""
    from viewloom.registry import METHODS

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(METHODS, "_entries", {name: METHODS.get(name) for name in METHODS.names()})
    monkeypatch.setattr(plt, "show", lambda: None)
    yield tmp_path
    plt.close("all")
    sys.modules.pop("colours", None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path, place):
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem])
    scope = {"__name__": "__main__"}
    for number, code in enumerate(cells(path), 1):
        exec(compile(ast.parse(quicker(code)), f"{path.name}, cell {number}", "exec"), scope)  # noqa: S102
    assert AT_LEAST.get(path.stem, set()) <= set(scope)
    if path.stem == "own-videos":
        assert (place / "runs/lamp/report.html").exists() and (place / "segments/segments.csv").exists()
    if path.stem == "method-in-15-lines":
        assert set(scope["scores"]) == {"none", "centre"}


def test_the_method_has_15_lines():
    """Of code: without its docstring and empty lines."""
    code = next(code for code in cells(NOTEBOOKS[2]) if "@METHODS.register" in code)
    lines = code[code.index("@METHODS.register") :].splitlines()
    assert len([line for line in lines if line.strip() and '"""' not in line]) <= 17
