"""A picture file of truth and predictions of one item, for documents; the page draws its own (`strips`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import ConfigError, listed
from viewloom.files import atomic_path
from viewloom.report.colours import ink, palette
from viewloom.report.formats import clock
from viewloom.report.picking import median_item
from viewloom.report.reading import Segments
from viewloom.report.runs import Run, evaluated
from viewloom.report.strips import Strip, item_strips, longest, time_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEYS = 18
"""Actions in the key at most: those of the truth, then the longest predicted."""

LETTERS = 140
"""That fit into the width of the strips."""

GAP = 0.55
"""Room between the strips of two views, in strips."""

SETTINGS: Any = {"font.size": 9, "svg.hashsalt": "viewloom", "svg.fonttype": "none"}
"""Of matplotlib, while the picture is made; the salt makes SVG files repeatable."""


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
    shown = item or median_item(scored)
    if shown is None:
        raise ConfigError("No run has predictions. Run `viewloom evaluate` first.")
    strips = [strip for strip in item_strips(scored, shown) if views is None or strip.view in views]
    missing = [view for view in views or () if all(strip.view != view for strip in strips)]
    if missing or not strips:
        raise ConfigError(f"No prediction of {shown} in {listed(missing or ['any view'])}. {_available(scored, shown)}")
    with rc_context(SETTINGS):
        figure = draw(strips, picture_colours(strips), scored[0].scored.actions, scored[0].scored.fps)
        with atomic_path(path) as temporary:
            date = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(temporary, format=path.suffix[1:], dpi=160, metadata=date)
    return path


def _available(runs: Sequence[Run], item: str) -> str:
    """What there is instead: the item's views, or the items."""
    views = list(dict.fromkeys(strip.view for strip in item_strips(runs, item)))
    if views:
        return f"There are predictions of it in {listed(views)}."
    return f"There are: {listed(sorted({name for r in runs for v in r.views.values() for name in v.items}))}."


def picture_colours(strips: Sequence[Strip]) -> dict[int, str]:
    """Colours for one item alone, clearer than the page's: actions of the truth first, the longest-lasting first."""
    parts = [(0, longest(strips).truth), *((1, strip.result.prediction) for strip in strips)]
    group: dict[int, int] = {}
    frames: dict[int, int] = {}
    for place, shown in parts:
        for start, end, label in shown.rows_S3.tolist():
            if group.setdefault(label, place) == place:
                frames[label] = frames.get(label, 0) + end - start
    order = sorted(group, key=lambda label: (group[label], -frames[label], label))
    return dict(zip(order, palette(len(order)), strict=True))


def draw(strips: Sequence[Strip], colours: Mapping[int, str], actions: Sequence[str], fps: float) -> "Figure":
    """The truth on top, each view's predictions under it, the time axis, and a key of the longest actions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    whole = longest(strips)
    start, end = min(s.result.start for s in strips), max(s.result.end for s in strips)
    rows = 1.3 + len(strips) + GAP * len({strip.view for strip in strips})
    keys = list(colours)[:KEYS]
    figure = Figure(figsize=(10, 0.3 * rows + 0.6 + 0.2 * -(-len(keys) // 5)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = [(-0.15, "truth")]
    _bars(axes, whole.truth, -0.15, 1.1, start, fps, colours)
    _words(axes, whole.truth, start, end, fps, actions, colours)
    place, view = 0.1, None
    for strip in strips:
        place += 1.0 + (GAP if strip.view != view else 0.0)
        view = strip.view
        _bars(axes, strip.result.prediction, place, 0.8, start, fps, colours)
        names.append((place, f"{strip.run.name}, {strip.view}"))
    _axes(axes, names, (end - start) / fps)
    _key(figure, keys, actions, colours)
    return figure


def _bars(
    axes: "Axes", shown: Segments, place: float, height: float, start: int, fps: float, colours: Mapping[int, str]
) -> None:
    """One strip of segments."""
    spans = [((first - start) / fps, (last - first) / fps) for first, last, _ in shown.rows_S3.tolist()]
    faces = [colours[label] for label in shown.rows_S3[:, 2].tolist()]
    axes.broken_barh(spans, (place - height / 2, height), facecolors=faces, linewidth=0)


def _words(
    axes: "Axes", truth: Segments, start: int, end: int, fps: float, actions: Sequence[str], colours: Mapping[int, str]
) -> None:
    """Names of actions in the truth, where they fit."""
    for first, last, label in truth.rows_S3.tolist():
        letters = (last - first) / (end - start) * LETTERS
        if letters >= len(actions[label]):
            x = ((first + last) / 2 - start) / fps
            axes.text(
                x, -0.15, actions[label], ha="center", va="center_baseline", fontsize=7.5, color=ink(colours[label])
            )


def _axes(axes: "Axes", names: Sequence[tuple[float, str]], seconds: float) -> None:
    """Names at the left, minutes and seconds below."""
    axes.set_yticks([place for place, _ in names], [name for _, name in names])
    axes.set_ylim(names[-1][0] + 0.6, -0.8)
    step = time_step(seconds)
    marks = [step * index for index in range(int(seconds // step) + 1)]
    axes.set_xticks(marks, [clock(mark) for mark in marks])
    axes.set_xlim(0, seconds)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _key(figure: "Figure", labels: Sequence[int], actions: Sequence[str], colours: Mapping[int, str]) -> None:
    """Colours and names of actions, in columns."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colours[label], label=actions[label]) for label in labels]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=8,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=1.6,
    )
