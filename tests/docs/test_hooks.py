"""What makes pages of settings, docstrings, notebooks and source files."""

import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pytest

from tests.documented import undocumented
from viewloom.cli import VERBS
from viewloom.registry import OPTIONS

pytest.importorskip("mkdocs", reason="mkdocs (extra: docs) is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat (extra: docs) is not installed")
pytest.importorskip("nbclient", reason="nbclient (extra: docs) is not installed")

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "hooks"))
import api_pages  # noqa: E402
import repository  # noqa: E402
import settings_pages  # noqa: E402
import tutorials  # noqa: E402


def classes_of(settings):
    """A settings class and those nested in it."""
    found = [settings]
    for hint in get_type_hints(settings).values():
        found += [
            below
            for kind in (hint, *get_args(hint))
            if is_dataclass(kind) and isinstance(kind, type)
            for below in classes_of(kind)
        ]
    return found


@pytest.mark.parametrize("name", list(VERBS))
def test_every_setting_of_a_command_has_a_docstring(name):
    for settings in classes_of(VERBS[name].settings):
        assert not undocumented(settings)


@pytest.mark.parametrize("name", list(VERBS))
def test_the_page_of_a_command_has_every_setting(name):
    page = settings_pages.verb_page(name, VERBS[name])
    assert VERBS[name].example in page
    for entry in fields(VERBS[name].settings):
        called = {"from_views": "from", "to_views": "to"}.get(entry.name, entry.name)
        nested = is_dataclass(get_type_hints(VERBS[name].settings)[entry.name])
        shown = f"## {called}" if nested else f"--{called}." if entry.name in OPTIONS else f"--{called}`"
        assert shown in page or f"| `{called}` |" in page, entry.name


def test_every_command_has_a_page_of_its_own():
    pages = [settings_pages.uri_of(name) for name in [*VERBS, *settings_pages.OF_PARTS]]
    assert len(set(pages)) == len(pages) == len(VERBS) + 2
    assert not any(page.endswith(("/index.md", "/README.md")) for page in pages), "that is the page of a section"


def test_lines_of_a_table_say_type_and_default():
    lines = settings_pages.verb_page("evaluate", VERBS["evaluate"]).splitlines()
    row = next(line for line in lines if line.startswith("| `--decoding`"))
    assert row.startswith("| `--decoding` | `argmax`, `durations` | `argmax` | How probabilities")
    assert any(line.startswith("| `--data` | text | required |") for line in lines)
    assert any(line.startswith("| `--durations.enough` | whole number | `50` |") for line in lines)
    assert not any("--durations`" in line or "--help" in line for line in lines)


def test_types_and_cells_are_in_words():
    assert settings_pages.type_of(Literal["a", "b"] | None) == "`a`, `b`"
    assert settings_pages.type_of(int | str | tuple[int, ...] | None) == "whole number or text or list"
    assert settings_pages.escaped("a | b,\n    of `x | <y>` and <z> * 2") == r"a \| b, of `x \| <y>` and &lt;z> \* 2"


def test_pages_of_methods_and_heads_have_all_of_them():
    for title, (registry, chooser, verb) in settings_pages.OF_PARTS.items():
        page = settings_pages.parts_page(title, registry, chooser, verb)
        assert all(f"\n## {name}\n" in page for name in registry.names())


def test_a_marker_in_the_navigation_becomes_pages():
    nav = [{"A": [{"B": "b.md"}, {"All": "@x"}]}, "c.md"]
    made = [{"one": "1.md"}]
    assert settings_pages.filled(nav, "@x", made) == [{"A": [{"B": "b.md"}, {"All": made}]}, "c.md"]


def test_every_source_file_is_on_a_page_of_the_api():
    shown = [name for modules in api_pages.rooms().values() for name in modules]
    assert len(shown) == len(set(shown))
    assert {"viewloom.api", "viewloom.losses.info_nce", "viewloom.recipes.compare.running"} <= set(shown)
    assert len(shown) + 1 == len(list(api_pages.SOURCE.rglob("*.py")))


@pytest.mark.parametrize(
    ("uri", "link", "there"),
    [
        ("transfer.md", "methods.md#cca", "methods.md#cca"),
        ("howto/memory.md", "../../examples/slurm.sh", "../source/examples/slurm.sh.md"),
        ("index.md", "../CHANGELOG.md", "project/changelog.md"),
        ("index.md", "tutorials/own-arrays.ipynb", "tutorials/own-arrays.md"),
        ("howto/memory.md", "../../README.md", "../index.md"),
        ("project/contributing.md", "docs/plugins.md", "../plugins.md"),
        ("index.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("index.md", "../nothing.md", "../nothing.md"),
        ("index.md", "../../outside.md", "../../outside.md"),
    ],
)
def test_links_lead_where_the_site_has_it(uri, link, there):
    assert repository.rewritten(f"see [it]({link}).", uri) == f"see [it]({there})."


def test_a_notebook_becomes_a_page():
    v4 = nbformat.v4
    table = '<table border="1" class="dataframe">\n  <tr>\n    <td>1</td>\n  </tr>\n</table>'
    frame = f"<div>\n<style scoped>\n</style>\n{table}\n</div>"
    outputs = [
        v4.new_output("stream", name="stderr", text="note: \x1b[1msaid\x1b[0m\n\n\n"),
        v4.new_output("display_data", data={"text/html": "<pre>said</pre>", "text/plain": "again"}),
        v4.new_output("execute_result", data={"text/html": frame, "text/plain": "1"}),
        v4.new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}),
    ]
    cells = [v4.new_markdown_cell("# A\n\nWords."), v4.new_code_cell("x = 1", outputs=outputs), v4.new_code_cell("y")]
    page, pictures = tutorials.as_page(v4.new_notebook(cells=cells), "a")
    assert page.startswith('# A\n\n<p class="notebook">') and "Words." in page and 'href="a.ipynb"' in page
    assert "```python\nx = 1\n```\n\n````{ .text .output }\nnote: said\nagain\n````" in page
    assert '<table border="1" class="dataframe"><tr><td>1</td></tr></table>' in page and "<style" not in page
    assert "![What the cell above draws](a-1.png)" in page and "<Figure>" not in page
    assert pictures == {"a-1.png": b"\x89PNG\r\n\x1a\n"}
