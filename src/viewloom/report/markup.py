"""Building HTML and SVG so that text can't turn into markup: whatever isn't `Html` already is escaped."""

import html
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

VOID = frozenset({"meta", "link", "br", "col", "rect", "circle", "line", "path", "polyline", "input"})
"""Elements written without a closing tag."""

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")


class Html(str):
    """Text that is markup already."""


Child: TypeAlias = "str | int | float | Iterable[Child] | None"


def _flat(child: Child) -> str:
    """One child, or many in a row, as markup; None is nothing."""
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str | int | float):
        return html.escape(str(child), quote=False)
    return "".join(_flat(part) for part in child)


def join(*children: Child) -> Html:
    """The children one after the other."""
    return Html("".join(_flat(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """One element. ``class_`` becomes ``class``, ``data_x`` becomes ``data-x``; None and False are left out.

    Attribute names keep their case (SVG's ``viewBox``); ``True`` writes the bare name.
    """
    assert _NAME.match(name), name
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        assert not children, f"<{name}> can't have children"
        return Html(f"<{head}/>")
    return Html(f"<{head}>{_flat(children)}</{name}>")


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    assert _NAME.match(name), name
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(
    head: Sequence[Child], rows: Sequence[Sequence[Child]], text_columns: int = 1, sortable: bool = False
) -> Html:
    """A table whose first columns are text and whose others are numbers, aligned right; scrolls if too wide.

    The first cell of a row is its header. With ``sortable`` the page's script sorts by a column when asked.
    """
    names = [tag("button", name, type="button") if sortable else name for name in head]
    header = tag("tr", *(tag("th", name, scope="col") for name in names))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", numeral(cell)) for cell in row[1:])) for row in rows]
    classes = f"text{text_columns}" + " sortable" * sortable
    made = tag("table", tag("thead", header), tag("tbody", *body), class_=classes)
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label="table")


def numeral(value: Child) -> Child:
    """Floats with one decimal, None as a dash; anything else as it is."""
    return fixed(value) if value is None or isinstance(value, float) else value


def fixed(value: float | None, digits: int = 1) -> str:
    """A number with ``digits`` decimals and a true minus sign; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def clock(seconds: float) -> str:
    """Seconds as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
