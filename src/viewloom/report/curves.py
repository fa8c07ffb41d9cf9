"""Training curves: one small plot for each quantity, one line a run, placed on the canvas that the template draws."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from viewloom.report.reading import Points, read_curves
from viewloom.report.runs import Run

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 340, 190, 46, 12, 26, 10

SCORES = ("loss", "total", "f1_50", "mof", "edit", "retrieval", "effective_rank")
FIRST = ("train/loss", *(f"val/{name}" for name in SCORES))
"""Quantities shown at once, in this order; others are folded away."""

LINES = 8
"""Colours of lines; from then on lines are dashed."""

LARGEST = 1e300
"""Values beyond it are drawn at it: ranges of larger ones overflow."""

SAME = 1e-5
"""Ranges of less than this share of their values would have marks that read alike; they are widened."""

Place = tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """One quantity: each run's value at the end and unbroken stretches of its line, by name of the run; places of
    round epochs and values, with them."""

    name: str
    last: dict[str, float]
    x_marks: list[tuple[float, int]]
    y_marks: list[Place]
    lines: dict[str, list[list[Place]]]


def curves(runs: Sequence[Run]) -> dict[str, Any]:
    """Plots of all that was logged: the first ones, and more; and styles, CSS classes of each run's line."""
    return named_curves({name: of for run in runs for name, of in {run.name: run.curves, **inner_curves(run)}.items()})


def inner_curves(run: Run) -> dict[str, dict[str, Points]]:
    """What the runs inside a run logged: of a student's teacher, and of the candidates of a choice."""
    paths = [*sorted(run.folder.glob("candidates/*/metrics.csv")), run.folder / "teacher" / "metrics.csv"]
    return {f"{run.name}, {path.parent.name}": read_curves(path) for path in paths if path.exists()}


def named_curves(runs: Mapping[str, Mapping[str, Points]]) -> dict[str, Any]:
    """The same of what was logged, by name of the run and of the quantity."""
    logged = list(dict.fromkeys(name for of in runs.values() for name in of))
    first = [name for name in FIRST if name in logged] or logged[:6]
    styles = {run: f"line{i % LINES}" + " dashed" * (i >= LINES) for i, (run, of) in enumerate(runs.items()) if of}
    plots = {name: plot(name, {run: of[name] for run, of in runs.items() if name in of}) for name in logged}
    more = [plots[name] for name in logged if name not in first]
    return {"styles": styles, "first": [plots[name] for name in first], "more": more} if logged else {}


def plot(name: str, lines: Mapping[str, Points]) -> Plot:
    """Lines of one quantity by run, at least a point each; values that are not finite interrupt their line."""
    finite = np.array([(x, y) for line in lines.values() for x, y in line if math.isfinite(y)]).reshape(-1, 2)
    last = {run: line[-1][1] for run, line in lines.items()}
    if not len(finite):
        return Plot(name, last, [], [], {})
    (low, bottom), (high, top) = finite.min(axis=0).tolist(), finite.max(axis=0).tolist()
    epochs, values = (low, max(high, low + 1)), round_marks(bottom, top, 4)
    across = {run: _places([x for x, _ in line], epochs, LEFT, WIDTH - RIGHT) for run, line in lines.items()}
    up = {run: _places([y for _, y in line], values, HEIGHT - BOTTOM, TOP) for run, line in lines.items()}
    shown = [mark for mark in round_marks(*epochs, 5, whole=True) if epochs[0] <= mark <= epochs[1]]
    return Plot(
        name,
        last,
        list(zip(_places(shown, epochs, LEFT, WIDTH - RIGHT), map(round, shown), strict=True)),
        list(zip(_places(values, values, HEIGHT - BOTTOM, TOP), values, strict=True)),
        {run: _stretches(list(zip(across[run], up[run], strict=True))) for run in lines},
    )


def round_marks(low: float, high: float, about: int, whole: bool = False) -> list[float]:
    """Round, evenly spaced values that enclose a range, two at least: multiples of 1, 2 or 5 times a power of ten."""
    from matplotlib.ticker import MaxNLocator

    low, high = (min(max(end, -LARGEST), LARGEST) for end in (low, high))
    most = max(abs(low), abs(high))
    room = 0.2 * (most or 1.0) if high - low <= SAME * most else 0.0
    locator = MaxNLocator(about, steps=[1, 2, 5, 10], integer=whole)
    return [float(mark) for mark in locator.tick_values(low - room, high + room)]


def _places(values: Sequence[float], marks: Sequence[float], start: float, end: float) -> list[float]:
    """Places of values on an axis from the first to the last mark; NaN for what isn't finite."""
    limits = [marks[0], marks[-1]]
    return [float(np.interp(value, limits, [start, end])) if math.isfinite(value) else math.nan for value in values]


def _stretches(places: Sequence[Place]) -> list[list[Place]]:
    """Unbroken stretches of a line."""
    return [list(stretch) for drawn, stretch in groupby(places, lambda place: math.isfinite(place[1])) if drawn]
