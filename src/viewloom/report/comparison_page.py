"""The page of a comparison: its picture, its tables, its tuning, and what did not finish."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viewloom.files import write_text
from viewloom.report import comparison
from viewloom.report.compared_runs import sections
from viewloom.report.comparison_picture import draw_comparison
from viewloom.report.figures import SETTINGS
from viewloom.report.page import environment


def save_page(folder: Path, out: Path, title: str = "Comparison") -> Path:
    """Write a comparison's page as one HTML file that needs no network.

    Args:
        folder: of `viewloom compare`.
        out: file to write.
        title: of the page.

    Raises:
        DataError: the folder holds no results.
    """
    results, made = comparison.read_comparison(folder)
    write_text(out, comparison_page(results, made, title, sections(folder, results, made)))
    return out


def comparison_page(
    results: dict[str, Any], made: dict[str, Any], title: str, more: Sequence[tuple[str, str, Any]] = ()
) -> str:
    """The page as HTML; the same bytes for the same input.

    Args:
        results: as ``results.json`` has them.
        made: as ``made.json`` has it.
        title: of the page.
        more: sections on the runs behind the rows: title, template and content of each.
    """
    views = [(table, view) for table in results["tables"] for view in table["views"]]
    context: dict[str, Any] = {name: getattr(comparison, name) for name in ("mean_text", "paired_text", "closed_text")}
    context |= {"cautions": list(filter(None, (comparison.clock_warning(view) for _, view in views)))}
    context |= {"notes": comparison.notes, "warned": comparison.warnings(results), "picture": _svg(results)}
    template = environment().get_template("comparison.html")
    return template.render(title=title, results=results, made=made, views=views, sections=more, **context)


def _svg(results: dict[str, Any]) -> str:
    """The picture, to stand in the page."""
    from io import StringIO

    from matplotlib import rc_context

    with rc_context(SETTINGS):
        text = StringIO()
        draw_comparison(results).savefig(text, format="svg", metadata={"Date": None})
    found = text.getvalue()
    found = found[found.index("<svg") :]
    before, _, rest = found.partition("<metadata>")  # addresses of vocabularies, of no use in a page
    return before + rest.partition("</metadata>")[2] if rest else found
