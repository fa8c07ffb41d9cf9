"""Training curves as SVG: one small plot for each quantity, one line a run."""

from collections.abc import Sequence

from viewloom.report.colours import palette
from viewloom.report.markup import Html, join, tag
from viewloom.report.runs import Run

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 340, 170, 44, 22, 8
SHOWN = ("train/loss", "val/total", "val/f1_50", "val/mof", "val/loss", "val/retrieval")

Points = Sequence[tuple[float, float]]


def curves(runs: Sequence[Run]) -> Html | None:
    """Plots of what was logged, in a fixed order; None when nothing was."""
    names = [name for name in SHOWN if any(len(run.curves.get(name, ())) > 1 for run in runs)]
    if not names:
        return None
    colours = dict(zip((run.row for run in runs), palette(len(runs)), strict=True))
    key = [
        tag("span", tag("i", style=f"background:{colours[run.row]}"), run.row, class_="key")
        for run in runs
        if run.curves
    ]
    plots = [
        tag("figure", tag("figcaption", name), plot({r.row: r.curves.get(name, []) for r in runs}, colours, name))
        for name in names
    ]
    return join(tag("div", *key, class_="legend"), tag("div", *plots, class_="plots"))


def plot(lines: dict[str, Points], colours: dict[str, str], name: str) -> Html:
    """One plot with two marks on each axis."""
    points = [point for line in lines.values() for point in line]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    high = high if high > low else low + 1.0
    right = right if right > left else left + 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - left) / (right - left) * (WIDTH - LEFT - 8),
            TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM),
        )

    drawn = [
        tag(
            "polyline",
            points=" ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line),
            fill="none",
            stroke=colours[row],
            stroke_width="2",
        )
        for row, line in lines.items()
        if line
    ]
    marks = [
        tag("text", f"{value:.3g}", x=LEFT - 5, y=f"{place(left, value)[1] + 4:.1f}", text_anchor="end")
        for value in (low, high)
    ]
    marks += [
        tag("text", f"{epoch:g}", x=f"{place(epoch, low)[0]:.1f}", y=HEIGHT - 6, text_anchor=anchor)
        for epoch, anchor in ((left, "start"), (right, "end"))
    ]
    marks.append(tag("text", "epoch", x=(WIDTH + LEFT) / 2, y=HEIGHT - 6, text_anchor="middle"))
    frame = tag(
        "path",
        d=f"M{LEFT},{TOP}V{HEIGHT - BOTTOM}H{WIDTH - 8}",
        fill="none",
        class_="axis",
    )
    return tag("svg", frame, *drawn, *marks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=name)
