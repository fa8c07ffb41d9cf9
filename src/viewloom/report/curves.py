"""Training curves as SVG: one small plot for each quantity, one line a run."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from viewloom.report.markup import Html, join, tag
from viewloom.report.reading import Points
from viewloom.report.runs import Run

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 340, 190, 46, 12, 26, 10

FIRST = (
    "train/loss",
    "val/loss",
    "val/total",
    "val/f1_50",
    "val/mof",
    "val/edit",
    "val/retrieval",
    "val/effective_rank",
)
"""Quantities shown at once, in this order; others are folded away."""

LINES = 8
"""Colours of lines; from then on lines are dashed."""


def curves(runs: Sequence[Run]) -> Html | None:
    """Plots of all that was logged; None when nothing was."""
    logged = list(dict.fromkeys(name for run in runs for name in run.curves))
    if not logged:
        return None
    first = [name for name in FIRST if name in logged] or logged[:6]
    more = [name for name in logged if name not in first]
    styles = {run.row: f"line{i % LINES}" + " dashed" * (i >= LINES) for i, run in enumerate(runs)}
    key = [
        tag("span", tag("i", class_=f"swatch {styles[run.row]}"), run.row) for run in runs if any(run.curves.values())
    ]
    folded = tag("details", tag("summary", f"{len(more)} more"), _plots(runs, more, styles)) if more else None
    return join(tag("p", *key, class_="lines"), _plots(runs, first, styles), folded)


def _plots(runs: Sequence[Run], names: Sequence[str], styles: Mapping[str, str]) -> Html:
    lines = {name: {run.row: run.curves.get(name, []) for run in runs} for name in names}
    figures = [tag("figure", tag("figcaption", name), plot(lines[name], styles, name)) for name in names]
    return tag("div", *figures, class_="plots")


@dataclass(frozen=True)
class Axis:
    """A range of values, and where it lies on paper."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value."""
        scale = 1.0 if math.isfinite(self.high - self.low) else 0.25  # else the range itself would be infinite
        share = (value * scale - self.low * scale) / (self.high * scale - self.low * scale)
        return self.start + share * (self.end - self.start)


def plot(lines: Mapping[str, Points], styles: Mapping[str, str], name: str) -> Html:
    """One plot; values that are not finite interrupt their line."""
    points = [(x, y) for line in lines.values() for x, y in line if math.isfinite(y)]
    if not points:
        return tag("p", "No finite value was logged.", class_="note")
    epochs, values = [x for x, _ in points], [y for _, y in points]
    y_marks = nice_marks(min(values), max(values), 4)
    x_axis = Axis(min(epochs), max(*epochs, min(epochs) + 1), LEFT, WIDTH - RIGHT)
    y_axis = Axis(y_marks[0], y_marks[-1], HEIGHT - BOTTOM, TOP)
    drawn = [
        part
        for row, line in lines.items()
        for part in _line([(x_axis.at(x), y_axis.at(y)) for x, y in line], styles[row], row)
    ]
    label = f"{name} by epoch. " + " ".join(f"{row}: last {line[-1][1]:.4g}." for row, line in lines.items() if line)
    return tag(
        "svg",
        *(_y_mark(y_axis, value) for value in y_marks),
        *(_x_mark(x_axis, epoch) for epoch in epoch_marks(x_axis.low, x_axis.high)),
        tag("text", "epoch", x=LEFT - 6, y=HEIGHT - 8, text_anchor="end"),
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=label,
    )


def _line(places: Sequence[tuple[float, float]], style: str, row: str) -> list[Html]:
    """Unbroken stretches of a line; one of a single point is a dot."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in places:
        if math.isfinite(y):
            stretches[-1].append((x, y))
        elif stretches[-1]:
            stretches.append([])
    made = []
    for stretch in filter(None, stretches):
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in stretch)
        made.append(tag("g", tag("title", row), tag("path", d=d, class_=style)))
        if len(stretch) == 1:
            made.append(tag("circle", cx=f"{stretch[0][0]:.1f}", cy=f"{stretch[0][1]:.1f}", r=3, class_=f"dot {style}"))
    return made


def _y_mark(axis: Axis, value: float) -> Html:
    y = f"{axis.at(value):.1f}"
    return join(
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"),
        tag("text", f"{value:.6g}", x=LEFT - 6, y=f"{axis.at(value) + 4:.1f}", text_anchor="end"),
    )


def _x_mark(axis: Axis, epoch: int) -> Html:
    return tag("text", str(epoch), x=f"{axis.at(epoch):.1f}", y=HEIGHT - 8, text_anchor="middle")


TOLERANCE = Fraction(1, 10**9)
"""Share of a step by which an end may lie beyond the outermost mark: sums of floats are off by less."""


def nice_marks(low: float, high: float, about: int) -> list[float]:
    """Round, evenly spaced values that enclose a range: multiples of 1, 2 or 5 times a power of ten.

    Any finite range will do. Where floats are too coarse, or end, for that many round values, there are fewer: two at
    least.
    """
    # Exactly, since differences and powers of floats overflow, or vanish, at the ends of what they can hold.
    bottom, top = Fraction(low), Fraction(high)
    step = _nice_step((top - bottom if top > bottom else abs(top) or Fraction(1)) / about)
    first, last = math.floor(bottom / step + TOLERANCE), math.ceil(top / step - TOLERANCE)
    marks = [_as_float(index * step) for index in range(first, max(last, first + 1) + 1)]
    marks = sorted(set(marks))
    if len(marks) < 2:
        marks = [max(math.nextafter(low, -math.inf), -LARGEST), min(math.nextafter(high, math.inf), LARGEST)]
    return marks


LARGEST = sys.float_info.max


def _nice_step(rough: Fraction) -> Fraction:
    """The smallest of 1, 2 and 5 times a power of ten that isn't below."""
    power = Fraction(10) ** (len(str(rough.numerator)) - len(str(rough.denominator)) - 1)  # below, by 100 at most
    factors = (factor * ten for ten in (1, 10, 100, 1000) for factor in (1, 2, 5))
    return next(factor * power for factor in factors if factor * power >= rough * (1 - TOLERANCE))


def _as_float(value: Fraction) -> float:
    """The nearest float; the largest one for what lies beyond it."""
    return float(max(min(value, Fraction(LARGEST)), Fraction(-LARGEST)))


def epoch_marks(low: float, high: float) -> list[int]:
    """A few whole epochs within a range."""
    step = max(1, *(round(mark) for mark in nice_marks(0, high - low, 5)[1:2]))
    whole = range(math.ceil(low), math.floor(high) + 1)
    return [epoch for epoch in whole if epoch % step == 0]
