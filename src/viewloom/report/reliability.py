"""Whether runs are as sure as they are right: a table, and a reliability diagram of each run and view.

The diagram is that of Guo et al. (ICML 2017, fig. 1): a bar a bin of confidence, as high as the share of its frames
that are right; on the diagonal both are equal. Beneath stands how many frames each bin holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viewloom.errors import DataError
from viewloom.report.reading import AGAIN, ViewResult
from viewloom.report.runs import Run

LEFT, TOP, SIDE, GAP, LOW, BOTTOM = 48.0, 8.0, 230.0, 12.0, 46.0, 32.0
"""Of the drawing: room beside and above the square, its side, room below it, height of the histogram, of its axis."""
WIDTH, HEIGHT = LEFT + SIDE + 12, TOP + SIDE + GAP + LOW + BOTTOM
FLOOR, GROUND = TOP + SIDE, TOP + SIDE + GAP + LOW
"""Where the square and the histogram end below."""

FEW = 0.005
"""Bins that hold a smaller share of the frames are drawn fainter: what they say is mostly chance."""

SHOWN, OR_NULL = ("confidence", "right", "ece", "log_loss", "brier"), ("interval", "ece_equal_mass")
"""Figures of the table; the latter are null where there are too few recordings, or folds were pooled."""

HERE, ELSEWHERE, NOWHERE = "here", "extrapolated", "none"


@dataclass(frozen=True)
class Bar:
    """One bin of confidence, placed on the drawing.

    Attributes:
        x: left end, and ``width``.
        top: of the bar: share right.
        gap: top and height of the distance to the mean confidence; ``over`` where the head is too sure.
        low: height of the histogram's bar.
        faint: whether it holds few frames.
        text: the figures, in words.
    """

    x: float
    width: float
    top: float
    gap: tuple[float, float]
    over: bool
    low: float
    faint: bool
    text: str


@dataclass(frozen=True)
class Diagram:
    """One run in one view.

    Attributes:
        view: its name.
        bars: bins that hold frames.
        before: places of the bins (mean confidence, share right) without the temperature; none where it is 1.
        text: the whole, in words.
    """

    view: str
    bars: list[Bar]
    before: list[tuple[float, float]]
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the table: one run in one view; ``fitted`` says where its temperature comes from, which is None where
    each fold has one."""

    run: str
    view: str
    fitted: str
    temperature: float | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    segments: Mapping[str, Any]


def reliability(runs: Sequence[Run]) -> dict[str, Any]:
    """Lines of the table, diagrams by run, and notes; empty where no run says how sure it was.

    Raises:
        DataError: a ``metrics.json`` that doesn't hold what `viewloom evaluate` writes.
    """
    lines: list[Line] = []
    diagrams: dict[str, list[Diagram]] = {}
    for run in runs:
        try:
            found = [(line_of(run, view), diagram_of(view.name, view.reliability)) for view in with_confidence(run)]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                f"{run.folder / 'metrics.json'}: what it says of confidence can't be read ({error!r}). {AGAIN}"
            ) from None
        if found:
            lines += [line for line, _ in found]
            diagrams[run.name] = [diagram for _, diagram in found]
    return {"lines": lines, "diagrams": diagrams, "notes": notes(runs, lines)} if lines else {}


def with_confidence(run: Run) -> list[ViewResult]:
    """The views of a run that say how sure it was."""
    return [view for view in run.views.values() if view.reliability]


def line_of(run: Run, view: ViewResult) -> Line:
    """The figures of a run in a view; an error of Python's own where one is missing, or is no number."""
    calibration, sides = run.scored.calibration, view.reliability
    fitted = NOWHERE if not calibration.get("views") else HERE if view.name in calibration["views"] else ELSEWHERE
    temperature = calibration.get("temperature", 1.0)
    temperature = None if temperature is None else float(temperature)
    before, after = (_numbers(sides[side]["frames"]) for side in ("before", "after"))
    segments = {"ece": float(sides["after"]["segments"]["ece"])}
    return Line(run.name, view.name, fitted, temperature, before, after, segments)


def _numbers(frames: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of frames that the table shows."""
    return {name: float(frames[name]) for name in SHOWN} | {name: frames[name] for name in OR_NULL}


def diagram_of(view: str, sides: Mapping[str, Any]) -> Diagram:
    """The diagram of one view."""
    after, before = sides["after"]["frames"], sides["before"]["frames"]
    text = f"{view}: {after['confidence']:.0f} % sure and {after['right']:.0f} % right on average."
    changed = after["bins"] != before["bins"]
    return Diagram(view, bars(after["bins"]), places(before["bins"]) if changed else [], text)


def bars(bins: Mapping[str, Sequence[Any]]) -> list[Bar]:
    """Bins that hold frames, placed."""
    counts, width = bins["counts"], SIDE / len(bins["counts"])
    most, total = max(counts), sum(counts)
    found = []
    for place, (count, sure, right) in enumerate(zip(counts, bins["confidence"], bins["right"], strict=True)):
        if count:
            ends = sorted((up(sure), up(right)))
            said = f"{count} frames ({100 * count / total:.1f} %), {sure:.1f} % sure, {right:.1f} % right"
            gap = (ends[0], ends[1] - ends[0])
            left, low, faint = LEFT + place * width, LOW * count / most, count < FEW * total
            found.append(Bar(left, width, up(right), gap, sure > right, low, faint, said))
    return found


def places(bins: Mapping[str, Sequence[Any]]) -> list[tuple[float, float]]:
    """Mean confidence and share right of bins that hold frames, placed."""
    pairs = zip(bins["confidence"], bins["right"], strict=True)
    return [(LEFT + SIDE * sure / 100, up(right)) for sure, right in pairs if sure is not None]


def up(percent: float) -> float:
    """Place of a percentage on the square's upright axis."""
    return FLOOR - SIDE * percent / 100


def notes(runs: Sequence[Run], lines: Sequence[Line]) -> list[str]:
    """What a reader must know before trusting a confidence."""
    found = []
    if any(line.fitted == ELSEWHERE for line in lines):
        found.append(
            "Extrapolated: no validation label is of that view. The temperature comes from other views, and nothing "
            "but labels can tell whether it holds there; students too have validation labels of labelled views alone."
        )
    if any(line.fitted == NOWHERE for line in lines):
        names = ", ".join(dict.fromkeys(line.run for line in lines if line.fitted == NOWHERE))
        found.append(f"No temperature was fitted for {names}: confidences are as the head gives them.")
    for line in lines:
        low = (line.after["interval"] or [line.after["ece"]])[0]
        if line.before["ece"] < low:
            found.append(
                f"{line.run} on {line.view}: the temperature takes confidence further from the truth (calibration "
                f"error {line.before['ece']:.1f} to {line.after['ece']:.1f}). Don't trust its confidences there."
            )
    fitted = [run for run in runs if with_confidence(run) and run.scored.calibration.get("views")]
    on_validation = [run.name for run in fitted if run.scored.split == "val"]
    if on_validation:
        found.append(f"{', '.join(on_validation)}: scored on the items that the temperature was fitted on.")
    return found
