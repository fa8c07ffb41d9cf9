"""Wheel and sdist hold the package, all of it, and nothing else; both are built of the tree as it lies here."""

import importlib.util
import os
import sys
import tarfile

import pytest

from tests.packaging.archives import PROJECT, build, in_sdist, in_wheel, of_the_sources

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None and not os.environ.get("CI"), reason="hatchling is not installed"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"), sys.executable)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", tmp_path_factory.mktemp("sdist"), sys.executable)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    about = {name for name in in_wheel(wheel) if ".dist-info/" in name}
    assert set(in_wheel(wheel)) - about == of_the_sources()
    assert {name.rsplit("/", 1)[1] for name in about} == {"METADATA", "WHEEL", "entry_points.txt", "LICENSE", "RECORD"}


def test_what_the_package_needs_besides_python_files_is_in_the_wheel(wheel):
    names = set(in_wheel(wheel))
    assert "viewloom/py.typed" in names
    assert {"viewloom/report/templates/page.html", "viewloom/report/templates/page.js"} <= names
    assert not [name for name in names if name.endswith(".pyc") or "test" in name.split("/")[0]]


def test_the_wheel_says_what_it_is(wheel):
    inside = in_wheel(wheel)
    metadata = next(text.decode() for name, text in inside.items() if name.endswith("METADATA"))
    points = next(text.decode() for name, text in inside.items() if name.endswith("entry_points.txt"))
    assert "Requires-Python: >=3.10" in metadata and "Requires-Dist: torch>=" in metadata
    assert "viewloom = viewloom.cli:main" in points
    assert "tests" not in metadata.split("\n\n")[0]


def test_the_sdist_holds_the_sources_and_the_projects_own_pages(sdist):
    files = set(in_sdist(sdist))
    assert files == {f"src/{name}" for name in of_the_sources()} | set(PROJECT) | {"PKG-INFO"}


def test_a_wheel_of_the_sdist_is_the_wheel_of_the_tree(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as opened:
        opened.extractall(tmp_path / "unpacked")
    (root,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", tmp_path / "wheel", sys.executable, root)
    assert in_wheel(again) == in_wheel(wheel)
