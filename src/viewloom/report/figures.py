"""Picture files: how they are written, and what the pictures of one item have in common."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import ConfigError
from viewloom.files import atomic_path
from viewloom.report.formats import clock
from viewloom.report.strips import Card, time_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEYS = 18
"""Actions in the key at most: those of the truth, then the longest predicted."""
COLUMNS = 5
"""Of the key."""
WIDTH_IN, KEY_LINE_IN = 10.0, 0.2
"""Width of a picture of one item, and height of a line of its key, in inches."""

SETTINGS: Any = {
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.0,
    "legend.handleheight": 1.0,
    "legend.columnspacing": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "viewloom",
    "text.parse_math": False,
}
"""Of matplotlib; the salt makes SVG files repeatable, and a name with two $ is a name, not a formula."""


def refuse_suffix(path: Path) -> None:
    """`ConfigError` for a picture file that is neither png nor svg."""
    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"{path}: a picture's file must end in .png or .svg.")


def save_figure(path: Path, draw: Callable[[], "Figure"]) -> Path:
    """Draw a picture and write it (png or svg, by the suffix), whole or not at all; the same bytes every time."""
    from matplotlib import rc_context

    with rc_context(SETTINGS), atomic_path(path) as temporary:
        date = {"Date": None} if path.suffix == ".svg" else None
        draw().savefig(temporary, format=path.suffix[1:], dpi=160, metadata=date)
    return path


def item_figure(height_in: float, colours: Mapping[int, str], actions: Sequence[str]) -> tuple["Figure", "Axes"]:
    """A figure with one pair of axes, and a key of the longest actions below it.

    Args:
        height_in: height in inches, without the key.
        colours: of class ids, the longest-lasting first.
        actions: class names by id.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    keys = [Patch(color=colour, label=actions[label]) for label, colour in list(colours.items())[:KEYS]]
    lines = -(-len(keys) // COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, height_in + KEY_LINE_IN * lines), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    figure.legend(handles=keys, loc="outside lower center", ncols=COLUMNS)
    return figure, axes


def time_axis(axes: "Axes", card: Card) -> None:
    """Minutes and seconds along an item; no other frame around it."""
    seconds = card.frames / card.fps
    marks = range(0, int(seconds) + 1, time_step(seconds))
    axes.set_xticks(list(marks), [clock(mark) for mark in marks])
    axes.set_xlim(0, seconds)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
