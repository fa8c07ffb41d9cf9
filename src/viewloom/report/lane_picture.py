"""A picture of one item whose segments overlap: truth and predictions in lanes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from viewloom.report.colours import ink
from viewloom.report.figures import item_figure, time_axis
from viewloom.report.lanes import Laid, lay_card
from viewloom.report.strips import Card, picture_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTERS = 130
"""That fit into the width of the strips."""
BETWEEN, APART = 0.5, 0.9
"""Room between two runs, and between two views, in lanes."""


def draw_lanes(card: Card, actions: Sequence[str]) -> "Figure":
    """The truth on top, each view's predictions under it, the time axis, and a key of the longest actions."""
    colours, laid = picture_colours(card.strips), lay_card(card)
    rows: list[tuple[str, float, Laid]] = [("truth", 0.0, laid.truth)]
    place = laid.truth.lanes + APART
    for number, (strip, of, _) in enumerate(laid.strips):
        changed = number > 0 and strip.view != laid.strips[number - 1][0].view
        place += APART - BETWEEN if changed else 0.0
        rows.append((f"{strip.run.name}, {strip.view}", place, of))
        place += of.lanes + BETWEEN
    figure, axes = item_figure(0.21 * place + 0.7, colours, actions)
    for name, top, of in rows:
        _lanes(axes, card, of, top, colours, actions if name == "truth" else None)
    axes.set_yticks([top + of.lanes / 2 for _, top, of in rows], [name for name, _, _ in rows])
    axes.set_ylim(place, -0.2)
    time_axis(axes, card)
    return figure


def _lanes(
    axes: "Axes", card: Card, laid: Laid, top: float, colours: Mapping[int, str], actions: Sequence[str] | None
) -> None:
    """The segments of one run, lane by lane, from ``top`` down; with the names of those that have room for them."""
    axes.axhspan(top, top + laid.lanes, color="0.95", linewidth=0, zorder=0)
    for first, last, label, lane in laid.rows:
        start, seconds = (first - card.start) / card.fps, (last - first) / card.fps
        axes.broken_barh([(start, seconds)], (top + lane + 0.06, 0.88), facecolors=colours[label], linewidth=0)
        if actions is not None and (last - first) / card.frames * LETTERS >= len(actions[label]):
            place = start + seconds / 2, top + lane + 0.5
            axes.text(*place, actions[label], ha="center", va="center_baseline", size=7, color=ink(colours[label]))
