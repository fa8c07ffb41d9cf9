"""What SECURITY.md says of the sources: nothing in them runs what a file holds, and few places reach outside."""

import ast
import html
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import viewloom
from viewloom.report.comparison_page import _svg

SOURCES = Path(viewloom.__file__).parent
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text()
TREES = {path.relative_to(SOURCES).as_posix(): ast.parse(path.read_text()) for path in sorted(SOURCES.rglob("*.py"))}
NEVER = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "tempfile.mktemp",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
} | {
    *("pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "joblib.load", "pandas.read_pickle"),
    *("shutil.unpack_archive", "torch.hub.load", "torch.jit.load"),
}
"""Calls that run or unpack whatever a file holds, or race for a name."""
PROGRAMS = {"recipes/compare/launching.py", "simulate/metaworld/rendering.py", "training/runs.py"}
"""Files that start programs: this Python again, and git for the commit."""
NETWORK = {
    "socket",
    "ssl",
    "http",
    "http.client",
    "http.server",
    "urllib.request",
    "ftplib",
    "smtplib",
    "socketserver",
} | {
    *("requests", "httpx", "aiohttp", "xmlrpc", "webbrowser"),
}
"""Modules that listen or fetch; the Hub is reached by the package huggingface_hub alone."""


def called(tree):
    """(dotted name, call) of every call in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keyword(call, name):
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == name), None)


@pytest.mark.parametrize("path", TREES)
def test_no_file_of_the_sources_runs_or_unpacks_what_it_reads(path):
    for name, call in called(TREES[path]):
        where = f"{path}:{call.lineno}: {name}"
        assert name not in NEVER and not name.endswith(".extractall"), where
        assert keyword(call, "shell") is None and keyword(call, "allow_pickle") in (None, "False"), where
        assert keyword(call, "trust_remote_code") in (None, "False"), where
        if name == "torch.load" or keyword(call, "ckpt_path") not in (None, "None"):
            assert keyword(call, "weights_only") == "True", where
        if name.endswith(".from_pretrained"):
            assert keyword(call, "trust_remote_code") == "False", where


def test_programs_are_started_in_few_places_and_none_by_a_shell():
    assert {
        path for path, tree in TREES.items() if any(name.startswith("subprocess.") for name, _ in called(tree))
    } == PROGRAMS


def test_nothing_listens_and_nothing_but_the_hub_is_fetched_from():
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not NETWORK & set(names), f"{path}: {names}"


def test_templates_escape_everything_but_our_own_drawing():
    unescaped = [
        (path.name, found)
        for path in sorted((SOURCES / "report" / "templates").iterdir())
        for found in re.findall(r"\{\{[^}]*\|\s*safe\s*\}\}|\{%-?\s*autoescape", path.read_text())
    ]
    assert unescaped == [("comparison.html", "{{ picture | safe }}")]
    script = "".join(path.read_text() for path in (SOURCES / "report" / "templates").glob("*.js"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|fetch\(|XMLHttp", script
    )


@pytest.mark.parametrize("name", ["</svg><script>alert(1)</script>", "--><img src=x>", r"a $\frac$ b", "$^{$"])
def test_names_in_the_drawing_are_text(name):
    scores = {"f1_50": 50.0}
    row = {"role": "method", "title": name, "head": "", "mean": scores, "interval": None, "seeds": {"0": scores}}
    view = {"view": name, "labels": name, "rows": [row | {"best": True, "marked": False}]}
    drawn = _svg({"tables": [{"data": name, "simulated": False, "views": [view]}]})
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "<script" not in drawn and "<img" not in drawn and drawn.count(html.escape(name, quote=False)) >= 2


def test_the_page_names_tests_that_are_there():
    named = re.findall(r"`(tests/[\w./]+)`", PAGE)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert "@" not in re.sub(r"`[^`]*`", "", PAGE), "an address that was made up"
