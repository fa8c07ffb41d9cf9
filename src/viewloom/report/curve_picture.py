"""A picture of a curve: scores on both views by what changed, with intervals, and baselines as lines across."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from viewloom.files import atomic_path

COLOURS = ("#0072b2", "#d55e00")
"""Of the labelled view and of the one scored; told apart by the colour-blind too."""
DASHES = {"naive": ":", "oracle": "--"}


def save_curve(
    path: Path, lines: Sequence[Mapping[str, Any]], views: Sequence[str], axis: str, title: str, score: str
) -> Path:
    """Write the picture, png.

    Args:
        path: file to write.
        lines: as `viewloom curve` keeps them in ``results.json``.
        views: the labelled view, and the one without labels.
        axis: what changed, in words.
        title: what the score is called.
        score: its name.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for view, colour in zip(views, COLOURS, strict=True):
        mine = [line for line in lines if line["view"] == view]
        _draw(axes, [line for line in mine if line["role"] == "method"], score, colour, f"on {view}", "-")
        for role, dash in DASHES.items():
            of_role = [line for line in mine if line["role"] == role]
            if len(of_role) > 1:
                _draw(axes, of_role, score, colour, f"{role} on {view}", dash)
            elif of_role:
                level = of_role[0]["scores"][score]["mean"]
                axes.axhline(level, color=colour, linestyle=dash, linewidth=1.3, label=f"{role} on {view}")
    axes.set_xlabel(axis)
    axes.set_ylabel(f"{title}, percent")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, metadata={"Software": None})
    return path


def _draw(axes: Any, lines: Sequence[Mapping[str, Any]], score: str, colour: str, label: str, dash: str) -> None:
    """Points with their intervals over recordings, joined."""
    places = [line["value"] for line in lines]
    means = [line["scores"][score]["mean"] for line in lines]
    axes.plot(places, means, dash, color=colour, marker="o", markersize=4.5, linewidth=1.8, label=label)
    bars = [(x, line["interval"]) for x, line in zip(places, lines, strict=True) if line["interval"]]
    if bars:
        low, high = [bar["low"] for _, bar in bars], [bar["high"] for _, bar in bars]
        axes.vlines([x for x, _ in bars], low, high, color=colour, alpha=0.45, linewidth=2.5)
