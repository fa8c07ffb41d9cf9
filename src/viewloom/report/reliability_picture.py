"""A picture file of reliability diagrams, a row a run and a column a view, for documents; the page draws its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from viewloom.errors import ConfigError, listed
from viewloom.report.figures import refuse_suffix, save_figure
from viewloom.report.reliability import FEW
from viewloom.report.runs import Run, evaluated
from viewloom.report.views import view_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, OVER, UNDER = "#6f97cf", "#c8102e", "#5a6675"
"""Colours: of the share right, of the distance to the confidence where the run is too sure, and where not enough."""


def save_reliability(runs: Sequence[Run], path: Path, views: Sequence[str] | None = None) -> Path:
    """A picture (png or svg, by the suffix) of how sure runs are and how often right, in several views.

    Args:
        runs: runs; those without scores are left out.
        path: file to write.
        views: views to show; None takes all.

    Raises:
        ConfigError: another suffix, a view that no run has, or runs that don't say how sure they are.
    """
    refuse_suffix(path)
    scored = evaluated(runs)
    shown = list(views or view_names(scored))
    missing = [name for name in shown if all(name not in run.views for run in scored)]
    if missing:
        raise ConfigError(f"No run was scored on {listed(missing)}. Their views are: {listed(view_names(scored))}.")
    having = [run for run in scored if any(run.views[v].reliability for v in shown if v in run.views)]
    if not having:
        raise ConfigError("No run says how sure it is. Run `viewloom evaluate` again with --overwrite true.")
    return save_figure(path, lambda: draw(having, shown))


def draw(runs: Sequence[Run], views: Sequence[str]) -> "Figure":
    """The diagrams, each with the numbers of frames beneath."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(views) + 0.3, 3.6 * len(runs) + 0.2), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [4.2, 1.0] * len(runs)
    grid = figure.subplots(2 * len(runs), len(views), squeeze=False, sharex=True, height_ratios=ratios)
    for row, run in enumerate(runs):
        for column, view in enumerate(views):
            above, beneath = grid[2 * row][column], grid[2 * row + 1][column]
            sides = run.views[view].reliability if view in run.views else {}
            if not sides:
                above.set_axis_off()
                beneath.set_axis_off()
                continue
            error = sides["after"]["frames"]["ece"]
            above.set_title(f"{run.name} on {view}: calibration error {error:.1f}", fontsize=9)
            _diagram(above, sides["after"]["frames"]["bins"], sides["before"]["frames"]["bins"])
            _counts(beneath, sides["after"]["frames"]["bins"]["counts"])
    if any(run.simulated for run in runs):
        figure.suptitle("SIMULATED features", fontsize=9, fontweight="bold")
    for axes in grid[:, 0]:
        axes.set_ylabel("right, %" if axes in grid[::2, 0] else "frames")
    for axes in grid[-1]:
        axes.set_xlabel("confidence, %")
    return figure


def _edges(count: int) -> Any:
    """Left ends of bins and their width, percent."""
    return np.linspace(0, 100, count + 1)[:-1], 100 / count


def _diagram(axes: "Axes", bins: Mapping[str, Sequence[Any]], before: Mapping[str, Sequence[Any]]) -> None:
    """Bars of the share right, their distance to the mean confidence, and circles without the temperature."""
    left, width = _edges(len(bins["counts"]))
    total = sum(bins["counts"])
    for x, count, sure, right in zip(left, bins["counts"], bins["confidence"], bins["right"], strict=True):
        if count:
            alpha, colour = (0.35 if count < FEW * total else 1.0), OVER if sure > right else UNDER
            axes.bar(x, right, width, align="edge", color=RIGHT, edgecolor="white", linewidth=0.6, alpha=alpha)
            distance = {"bottom": min(sure, right), "align": "edge", "fill": False, "hatch": "////"}
            axes.bar(x, abs(sure - right), width, edgecolor=colour, linewidth=0.7, alpha=alpha, **distance)
    axes.plot([0, 100], [0, 100], linestyle="--", color="#444", linewidth=1)
    if before != bins:
        pairs = [(s, r) for s, r in zip(before["confidence"], before["right"], strict=True) if s is not None]
        axes.plot(*zip(*pairs, strict=True), "o", markersize=4, markerfacecolor="white", color="#1b2330")
    axes.set(xlim=(0, 100), ylim=(0, 102), xticks=range(0, 101, 20), yticks=range(0, 101, 20))
    axes.spines[["top", "right"]].set_visible(False)


def _counts(axes: "Axes", counts: Sequence[int]) -> None:
    """How many frames each bin holds."""
    left, width = _edges(len(counts))
    axes.bar(left, counts, width, align="edge", color=RIGHT, edgecolor="white", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_yticks([])
