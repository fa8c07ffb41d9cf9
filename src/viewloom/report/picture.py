"""A picture file of truth and predictions of one item, for documents; the page draws its own (`strips`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.errors import ConfigError, listed
from viewloom.metrics.segments import Segments
from viewloom.report.colours import ink
from viewloom.report.figures import item_figure, refuse_suffix, save_figure, time_axis
from viewloom.report.lane_picture import draw_lanes
from viewloom.report.multilabel import RANKED_BY
from viewloom.report.multilabel_table import is_multi
from viewloom.report.picking import median_item
from viewloom.report.runs import Run, evaluated
from viewloom.report.strips import Card, item_names, item_strips, picture_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 140
"""That fit into the width of the strips."""

GAP = 0.55
"""Room between the strips of two views, in strips."""

TRUTH = -0.15
"""Place of the truth; one unit is a strip and the room below it."""


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
    refuse_suffix(path)
    card, actions = shown_card(runs, item, views)
    multi = is_multi(runs)
    return save_figure(path, lambda: draw_lanes(card, actions) if multi else draw(card, actions))


def shown_card(runs: Sequence[Run], item: str | None, views: Sequence[str] | None) -> tuple[Card, list[str]]:
    """One item in some views, and the names of its actions; `ConfigError` where no run has predictions of it."""
    scored = evaluated(runs)
    shown = item or median_item(scored, RANKED_BY if is_multi(scored) else "f1_50")
    if shown is None:
        raise ConfigError("No run has predictions. Run `viewloom evaluate` first.")
    strips = [strip for strip in item_strips(scored, shown) if views is None or strip.view in views]
    missing = [view for view in views or () if all(strip.view != view for strip in strips)]
    if missing or not strips:
        raise ConfigError(f"No prediction of {shown} in {listed(missing or ['any view'])}. {_available(scored, shown)}")
    return Card(None, strips, scored[0].scored.fps), scored[0].scored.actions


def _available(runs: Sequence[Run], item: str) -> str:
    """What there is instead: the item's views, or the items."""
    views = list(dict.fromkeys(strip.view for strip in item_strips(runs, item)))
    if views:
        return f"There are predictions of it in {listed(views)}."
    return f"There are: {listed(sorted(item_names(runs)))}."


def draw(card: Card, actions: Sequence[str]) -> "Figure":
    """The truth on top, each view's predictions under it, the time axis, and a key of the longest actions."""
    colours, strips = picture_colours(card.strips), card.strips
    lines = 1.3 + len(strips) + GAP * len({strip.view for strip in strips})
    figure, axes = item_figure(0.3 * lines + 0.6, colours, actions)
    _bars(axes, card, card.whole.truth, TRUTH, 1.1, colours)
    _words(axes, card, actions, colours)
    names, place = {"truth": TRUTH}, 0.1
    for strip, before in zip(strips, [None, *strips], strict=False):
        place += 1.0 + (GAP if before is None or strip.view != before.view else 0.0)
        names[f"{strip.run.name}, {strip.view}"] = place
        _bars(axes, card, strip.result.prediction, place, 0.8, colours)
    axes.set_yticks(list(names.values()), list(names))
    axes.set_ylim(place + 0.6, -0.8)
    time_axis(axes, card)
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
