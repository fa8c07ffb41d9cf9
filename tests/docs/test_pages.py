"""The site: every page has its place in it, and the Python of its pages runs as it is written."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import viewloom as vl
from viewloom.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "tutorials").glob("*.ipynb"))
QUICK = {
    "start.md": ("epochs=5", "epochs=1"),
    "transfer.md": ('"v3", "e4")', '"v3", "e4", method="cca", head="linear", epochs=1, student=False)'),
    "confidence.md": ("epochs=2", "epochs=1"),
}
"""What is written otherwise in a test, to take less time."""
SIMULATE = "simulate --out demo/data --recordings 6 --classes 6 --dim 32 --seed 1"
ELSEWHERE = {
    "python.md": "tests/test_api.py",
    "plugins.md": "tests/test_plugins.py",
    "howto/hub.md": "tests/hub/test_push.py",
    "howto/own-data-files.md": "tests/dataset/test_own_data_files.py",
    "extract.md": "tests/extract/test_tutorial.py",  # with another network, whose weights need not be fetched
}
"""Pages whose Python is run by tests of their own."""
FRAMES = np.random.default_rng(0).random((96, 32), np.float32)
GIVEN = {
    "online.md": {"camera": FRAMES},
    "howto/export.md": {"features": FRAMES, "chunks": np.split(FRAMES, range(4, 96, 4))},
}
"""Names that a page takes for granted."""


def blocks(page):
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def name_of(page):
    return page.relative_to(DOCS).as_posix()


WITH_PYTHON = [page for page in sorted(DOCS.rglob("*.md")) if blocks(page) and name_of(page) not in ELSEWHERE]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what pages take for granted: demo/data, runs/cca, runs/naive; runs/causal is for streams."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(SIMULATE.split()) == 0
        vl.pretrain("demo/data", views=["v3", "e4"], method="cca", run="runs/cca")
        vl.train("demo/data", views=["v3"], head="linear", epochs=1, run="runs/naive", trainer={"progress": False})
        shutil.copytree("runs/naive", "runs/causal")
    return folder


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs(page, place, monkeypatch):
    monkeypatch.chdir(place)
    scope = {"__name__": "page"} | GIVEN.get(name_of(page), {})
    for block in blocks(page):
        code = block.replace(*QUICK.get(name_of(page), ("", "")))
        assert code != block or name_of(page) not in QUICK, "the page says otherwise now"
        exec(compile(code, page.name, "exec"), scope)  # noqa: S102


def test_pages_that_are_run_elsewhere_exist():
    for name, test in ELSEWHERE.items():
        assert blocks(DOCS / name) and (ROOT / test).exists()


def in_nav(entry):
    """Every page that the navigation names."""
    if isinstance(entry, dict):
        return {page for below in entry.values() for page in in_nav(below)}
    return {page for below in entry for page in in_nav(below)} if isinstance(entry, list) else {entry}


def test_every_page_has_its_place_on_the_site():
    named = in_nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = {name_of(page) for page in DOCS.rglob("*.md")}
    pages |= {name_of(page.with_suffix(".md")) for page in NOTEBOOKS}
    made = {name for name in named if name.startswith("@")}
    assert made == {"@settings", "@api"}
    assert pages == named - made, "mkdocs.yml: a page without a line, or a line without a page"


def test_every_how_to_page_is_in_the_list_of_questions():
    listed = (DOCS / "howto" / "index.md").read_text()
    missing = [page.name for page in (DOCS / "howto").glob("*.md") if f"]({page.name})" not in listed]
    assert missing == ["index.md"], "docs/howto/index.md lacks a line"


def test_the_site_asks_for_nothing_from_the_network():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert settings["strict"] and not settings["use_directory_urls"] and settings["theme"]["font"] is False
    assert all("//" not in entry for key in ("extra_css", "extra_javascript") for entry in settings.get(key, []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
