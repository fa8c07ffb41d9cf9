"""What README and docs promise: their commands parse, their targets and files exist, links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from viewloom.cli import VERBS, make_parser, split_verb
from viewloom.plugins import import_modules

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

METHOD = next(
    code
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.S)
    if "METHODS.register" in code
)
"""The method that the page about plugins shows; tests/test_plugins.py uses it."""


def test_the_method_of_the_page_is_short():
    assert len([line for line in METHOD[METHOD.index("class Times(") :].splitlines() if line.strip()]) <= 15


def test_the_readme_is_one_screen():
    """What it is, for whom, a picture, two commands, ten lines of Python; the rest is the site."""
    text = (ROOT / "README.md").read_text()
    bash, python, _ = re.findall(r"```\w+\n(.*?)```", text, re.S)
    assert len(bash.splitlines()) == 2 and len(python.splitlines()) <= 10
    assert text.count("![") == 1 and len(text.splitlines()) <= 60


def commands():
    """(page, command line) of every viewloom command in a code block."""
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                line = line.split("#")[0].strip()
                if line.startswith("viewloom "):
                    yield page.name, line
    for name, verb in VERBS.items():
        yield f"cli.py, {name}", verb.example


@pytest.mark.parametrize(("page", "line"), list(commands()), ids=lambda value: value[:60])
def test_every_command_is_accepted_as_written(page, line, tmp_path, monkeypatch):
    (tmp_path / "times.py").write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    if "--plugins times" in line:
        import_modules(["times"])
    name, args = split_verb(shlex.split(line)[1:])
    make_parser(name, args).parse_args(args)


@pytest.mark.parametrize("name", list(VERBS))
def test_every_command_has_its_example_in_the_docs(name):
    assert VERBS[name].example in (ROOT / "docs" / "commands.md").read_text()


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"`make (\w+)`|^make (\w+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{target[0] or target[1]}:", makefile, re.MULTILINE), target


def test_ci_calls_the_readmes_commands():
    for command in ("make test", "make docs"):
        assert f"\n{command}" in (ROOT / "README.md").read_text()
        assert f"\n{command}" in (ROOT / ".ci" / "run").read_text()


def test_the_file_tree_is_real():
    page = (ROOT / "docs" / "architecture.md").read_text()
    block = re.search(r"```\n(README.md.*?)```", page, re.DOTALL).group(1)
    folders = [ROOT]
    for line in block.splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"[\w./]+(?:\.\w+|/)", re.split(r"\s{2,}", line.strip())[0] + " ")
        if not indent:
            names = re.findall(r"\.?[\w./]+(?:\.\w+|/)|Makefile|\.ci/run", re.split(r"\s{4,}", line)[0])
        for name in names:
            path = folders[indent] / name
            assert path.exists(), f"{name} in the file tree of docs/architecture.md"
        if names and names[-1].endswith("/"):
            folders[indent + 1 :] = [folders[indent] / names[-1]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_help_of_every_command_explains_every_setting():
    for name in VERBS:
        parser = make_parser(name, [])
        text = " ".join(parser.format_help().split())
        assert "example: viewloom" in text, name
        for action in parser._actions:
            if action.option_strings and action.help is None:
                raise AssertionError(f"viewloom {name}: {action.option_strings} has no help")
