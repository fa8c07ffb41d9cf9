"""The picture of a comparison: F1@50 of every row with its interval, a panel a view."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.report.figures import refuse_suffix, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"method": "#0072b2", "oracle": "#009e73", "control": "#777777"}
"""By what a row is for; Okabe and Ito's, which colour-blind readers tell apart."""
NAMES = {"method": "method", "oracle": "oracle: labels of the unlabelled view", "control": "control"}
CLOCK = "#d55e00"
SEED_SIZE, SEED_ALPHA = 9, 0.45


def save_comparison(results: Mapping[str, Any], path: Path) -> Path:
    """Draw a comparison's results (png or svg, by the suffix).

    Args:
        results: what ``results.json`` holds.
        path: file to write.

    Raises:
        ConfigError: another suffix.
    """
    refuse_suffix(path)
    return save_figure(path, lambda: draw_comparison(results))


def draw_comparison(results: Mapping[str, Any]) -> "Figure":
    """The figure: panels of all data sets and views, rows as in the table."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    panels = [(table, view) for table in results["tables"] for view in table["views"]]
    heights = [len(view["rows"]) + 1.6 for _, view in panels]
    figure = Figure(figsize=(8.5, 0.24 * sum(heights) + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    every = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    heads = {row["head"] for _, view in panels for row in view["rows"] if row["head"]}
    for axes, (table, view) in zip(every, panels, strict=True):
        _panel(axes, view["rows"], len(heads) > 1)
        simulated = ", simulated" if table["simulated"] else ""
        axes.set_title(f"{table['data']}{simulated}: {view['view']}, {view['labels']}", loc="left", fontsize=9)
    every[-1].set_xlabel("F1@50 (%): mean over seeds, 95 % interval over recordings; small dots: seeds")
    every[-1].set_xlim(-1.5, 101.5)
    there = [role for role in COLOURS if any(row["role"] == role for _, view in panels for row in view["rows"])]
    keys = [Line2D([], [], color=COLOURS[role], marker="o", lw=1.6, label=NAMES[role]) for role in there]
    if any(row["title"] == "clock" for _, view in panels for row in view["rows"]):
        keys.append(Line2D([], [], color=CLOCK, ls=(0, (4, 3)), lw=1, label="clock: no feature seen"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    return figure


def _panel(axes: "Axes", rows: Sequence[Mapping[str, Any]], with_heads: bool) -> None:
    """The rows of one view, the first on top."""
    for place, row in enumerate(rows):
        colour, mean = COLOURS[row["role"]], row["mean"]["f1_50"]
        if row["interval"] is not None:
            axes.plot([row["interval"]["low"], row["interval"]["high"]], [place, place], color=colour, lw=1.8)
        seeds = [scores["f1_50"] for scores in row["seeds"].values()]
        if len(seeds) > 1:
            axes.scatter(seeds, [place] * len(seeds), s=SEED_SIZE, color=colour, alpha=SEED_ALPHA, linewidths=0)
        axes.plot(
            [mean], [place], "o", color=colour, ms=6 if row["best"] else 5, mec="black" if row["best"] else colour
        )
        if row["title"] == "clock":
            axes.axvline(mean, color=CLOCK, ls=(0, (4, 3)), lw=1, zorder=0)
    labels = [f"{row['title']}, {row['head']}" if with_heads and row["head"] else row["title"] for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row["marked"] else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
