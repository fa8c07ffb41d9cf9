"""Truth and prediction as coloured strips: SVG for the page, a picture file for documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewloom.errors import ConfigError, listed
from viewloom.files import atomic_path
from viewloom.report.colours import palette
from viewloom.report.markup import Html, clock, join, tag
from viewloom.report.runs import Run, Segments

WIDTH, HEIGHT = 1000, 22


@dataclass(frozen=True)
class Strip:
    """One strip: what it shows, and its segments."""

    label: str
    segments: Segments


def action_colours(runs: Sequence[Run]) -> dict[int, str]:
    """A colour for each action that occurs, the longest-lasting ones first, so that these are farthest apart."""
    frames: dict[int, int] = {}
    for run in runs:
        for view in run.views.values():
            for item in view.items.values():
                for which in ("truth", "prediction"):
                    for start, end, label in item[which]:
                        frames[label] = frames.get(label, 0) + end - start
    order = sorted(frames, key=lambda label: (-frames[label], label))
    return dict(zip(order, palette(len(order)), strict=True))


def item_strips(runs: Sequence[Run], item: str, view: str) -> list[Strip]:
    """The truth, then each run's prediction, of one item in one view."""
    having = [run for run in runs if view in run.views and item in run.views[view].items]
    truth = [Strip("truth", having[0].views[view].items[item]["truth"])] if having else []
    return truth + [Strip(run.row, run.views[view].items[item]["prediction"]) for run in having]


def strip_svg(
    strip: Strip, start: int, end: int, fps: float, actions: Sequence[str], colours: Mapping[int, str]
) -> Html:
    """One strip; each segment tells its action, frames and seconds under the pointer."""
    scale = WIDTH / max(end - start, 1)
    rectangles = [
        tag(
            "g",
            tag(
                "rect",
                x=f"{(first - start) * scale:.2f}",
                y=0,
                width=f"{(last - first) * scale:.2f}",
                height=HEIGHT,
                fill=colours[label],
            ),
            tag("title", f"{actions[label]}: frames {first} to {last}, {(last - first) / fps:.1f} s"),
        )
        for first, last, label in strip.segments
    ]
    return tag(
        "svg",
        tag("title", f"{strip.label}: {len(strip.segments)} segments in {clock((end - start) / fps)}"),
        *rectangles,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        class_="strip",
    )


def item_figure(
    runs: Sequence[Run], item: str, views: Sequence[str], colours: Mapping[int, str], note: str = ""
) -> Html:
    """All strips of one item, view by view, with a scale of time."""
    blocks: list[Html] = []
    fps, actions = runs[0].fps, runs[0].actions
    for view in views:
        strips = item_strips(runs, item, view)
        if not strips:
            continue
        entry = next(run.views[view].items[item] for run in runs if item in run.views[view].items)
        start, end = entry["start"], entry["end"]
        rows = [
            join(tag("span", strip.label, class_="who"), strip_svg(strip, start, end, fps, actions, colours))
            for strip in strips
        ]
        blocks.append(tag("h4", f"seen by {view}"))
        blocks.append(tag("div", *rows, class_="strips"))
        blocks.append(tag("div", tag("span", "0:00"), tag("span", clock((end - start) / fps)), class_="scale"))
    return tag("figure", tag("figcaption", tag("b", item), f" {note}" if note else None), *blocks)


def save_picture(runs: Sequence[Run], path: Path, item: str | None, views: Sequence[str] | None) -> Path:
    """A picture (png or svg, by the suffix) of truth and predictions of one item in several views.

    Args:
        runs: evaluated runs.
        path: file to write.
        item: item to show; None takes the one of median F1@50 in the first run and view.
        views: views to show; None takes all.
    """
    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"--picture {path}: the file must end in .png or .svg.")
    views = list(views or runs[0].views)
    shown = item or median_item(runs[0], views[0])
    rows = [(view, strip) for view in views for strip in item_strips(runs, shown, view)]
    if not rows:
        raise ConfigError(f"No prediction of {shown} in {listed(views)}. Evaluate the run on these views first.")
    entry = next(run.views[v].items[shown] for v in views for run in runs if shown in run.views[v].items)
    _draw(rows, entry["start"], entry["end"], runs[0], path)
    return path


def median_item(run: Run, view: str) -> str:
    """The item whose F1@50 is the median in a view (the lower one of two)."""
    ranked = sorted(run.views[view].per_item, key=lambda row: (row["f1_50"], row["item"]))
    if not ranked:
        raise ConfigError(f"Run {run.folder} has no item in view {view}.")
    return str(ranked[(len(ranked) - 1) // 2]["item"])


def _draw(rows: Sequence[tuple[str, Strip]], start: int, end: int, run: Run, path: Path) -> None:
    """Strips under each other with matplotlib, without touching its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours = action_colours([run])
    missing = [s[2] for _, strip in rows for s in strip.segments if s[2] not in colours]
    colours |= dict.fromkeys(missing, "#999999")
    figure = Figure(figsize=(10, 0.42 * len(rows) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names, height = [], 0.0
    places = []
    for number, (view, strip) in enumerate(rows):
        height += 0.45 if number and rows[number - 1][0] != view else 0.0
        for first, last, label in strip.segments:
            axes.barh(
                height, (last - first) / run.fps, left=(first - start) / run.fps, height=0.9, color=colours[label]
            )
        names.append(f"{view}  {strip.label}")
        places.append(height)
        height += 1.0
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, (end - start) / run.fps)
    axes.set_xlabel("seconds")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    shown = list(dict.fromkeys(s[2] for _, strip in rows for s in strip.segments))[:12]
    handles = [Patch(color=colours[label], label=run.actions[label]) for label in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150)
