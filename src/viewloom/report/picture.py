"""A picture file of truth and predictions of one item, for documents; the page draws its own (`strips`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import ConfigError, listed
from viewloom.files import atomic_path
from viewloom.metrics.segments import Segments
from viewloom.report.colours import ink
from viewloom.report.formats import clock
from viewloom.report.lane_picture import draw_lanes
from viewloom.report.multilabel import RANKED_BY
from viewloom.report.multilabel_table import is_multi
from viewloom.report.picking import median_item
from viewloom.report.runs import Run, evaluated
from viewloom.report.strips import Card, item_names, item_strips, picture_colours, time_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEYS = 18
"""Actions in the key at most: those of the truth, then the longest predicted."""

LETTERS = 140
"""That fit into the width of the strips."""

GAP = 0.55
"""Room between the strips of two views, in strips."""

TRUTH = -0.15
"""Place of the truth; one unit is a strip and the room below it."""

SETTINGS: Any = {
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.0,
    "legend.handleheight": 1.0,
    "legend.columnspacing": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "viewloom",
}
"""Of matplotlib; the salt makes SVG files repeatable."""


def save_picture(runs: Sequence[Run], path: Path, item: str | None = None, views: Sequence[str] | None = None) -> Path:
    """A picture (png or svg, by the suffix) of truth and predictions of one item in several views.

    Args:
        runs: runs; those without scores are left out.
        path: file to write.
        item: item to show; None takes the one of median F1@50.
        views: views to show; None takes all.

    Raises:
        ConfigError: another suffix, or an item or view that no run has predictions of.
    """
    from matplotlib import rc_context

    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"--picture {path}: the file must end in .png or .svg.")
    scored = evaluated(runs)
    multi = is_multi(scored)
    shown = item or median_item(scored, RANKED_BY if multi else "f1_50")
    if shown is None:
        raise ConfigError("No run has predictions. Run `viewloom evaluate` first.")
    strips = [strip for strip in item_strips(scored, shown) if views is None or strip.view in views]
    missing = [view for view in views or () if all(strip.view != view for strip in strips)]
    if missing or not strips:
        raise ConfigError(f"No prediction of {shown} in {listed(missing or ['any view'])}. {_available(scored, shown)}")
    with rc_context(SETTINGS), atomic_path(path) as temporary:
        card, actions = Card(None, strips, scored[0].scored.fps), scored[0].scored.actions
        figure = draw_lanes(card, actions) if multi else draw(card, actions)
        date = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(temporary, format=path.suffix[1:], dpi=160, metadata=date)
    return path


def _available(runs: Sequence[Run], item: str) -> str:
    """What there is instead: the item's views, or the items."""
    views = list(dict.fromkeys(strip.view for strip in item_strips(runs, item)))
    if views:
        return f"There are predictions of it in {listed(views)}."
    return f"There are: {listed(sorted(item_names(runs)))}."


def draw(card: Card, actions: Sequence[str]) -> "Figure":
    """The truth on top, each view's predictions under it, the time axis, and a key of the longest actions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours, strips = picture_colours(card.strips), card.strips
    keys = [Patch(color=colour, label=actions[label]) for label, colour in list(colours.items())[:KEYS]]
    lines = 1.3 + len(strips) + GAP * len({strip.view for strip in strips})
    figure = Figure(figsize=(10, 0.3 * lines + 0.6 + 0.2 * -(-len(keys) // 5)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _bars(axes, card, card.whole.truth, TRUTH, 1.1, colours)
    _words(axes, card, actions, colours)
    names, place = {"truth": TRUTH}, 0.1
    for strip, before in zip(strips, [None, *strips], strict=False):
        place += 1.0 + (GAP if before is None or strip.view != before.view else 0.0)
        names[f"{strip.run.name}, {strip.view}"] = place
        _bars(axes, card, strip.result.prediction, place, 0.8, colours)
    axes.set_yticks(list(names.values()), list(names))
    axes.set_ylim(place + 0.6, -0.8)
    seconds = card.frames / card.fps
    marks = range(0, int(seconds) + 1, time_step(seconds))
    axes.set_xticks(list(marks), [clock(mark) for mark in marks])
    axes.set_xlim(0, seconds)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(handles=keys, loc="outside lower center", ncols=5)
    return figure


def _bars(axes: "Axes", card: Card, shown: Segments, place: float, height: float, colours: Mapping[int, str]) -> None:
    """One strip of segments."""
    spans = [((first - card.start) / card.fps, (last - first) / card.fps) for first, last, _ in shown.rows]
    faces = [colours[label] for label in shown.labels.tolist()]
    axes.broken_barh(spans, (place - height / 2, height), facecolors=faces, linewidth=0)


def _words(axes: "Axes", card: Card, actions: Sequence[str], colours: Mapping[int, str]) -> None:
    """Names of actions in the truth, where they fit."""
    for first, last, label in card.whole.truth.rows:
        if (last - first) / card.frames * LETTERS >= len(actions[label]):
            place = ((first + last) / 2 - card.start) / card.fps, TRUTH
            axes.text(*place, actions[label], ha="center", va="center_baseline", size=7.5, color=ink(colours[label]))
