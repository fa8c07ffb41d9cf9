"""The page of a comparison: its picture, its tables, its tuning, and what did not finish."""

from pathlib import Path
from typing import Any

from viewloom.files import write_text
from viewloom.report import comparison
from viewloom.report.comparison_picture import draw_comparison
from viewloom.report.page import environment
from viewloom.report.picture import SETTINGS


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
    write_text(out, comparison_page(results, made, title))
    return out


def comparison_page(results: dict[str, Any], made: dict[str, Any], title: str) -> str:
    """The page as HTML; the same bytes for the same input."""
    views = [(table, view) for table in results["tables"] for view in table["views"]]
    texts = {name: getattr(comparison, name) for name in ("mean_text", "paired_text", "closed_text", "clock_warning")}
    return (
        environment()
        .get_template("comparison.html")
        .render(
            title=title,
            results=results,
            made=made,
            views=views,
            notes=comparison.notes,
            warned=comparison.warnings(results),
            picture=_svg(results),
            **texts,
        )
    )


def _svg(results: dict[str, Any]) -> str:
    """The picture, to stand in the page."""
    from io import StringIO

    from matplotlib import rc_context

    with rc_context(SETTINGS):
        text = StringIO()
        draw_comparison(results).savefig(text, format="svg", metadata={"Date": None})
    found = text.getvalue()
    return found[found.index("<svg") :]
