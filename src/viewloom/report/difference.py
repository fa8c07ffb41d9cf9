"""The difference of two runs, segment by segment: where one is right and the other is wrong, or both are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from viewloom.errors import ConfigError, listed
from viewloom.files import write_csv
from viewloom.metrics.class_segments import class_sequences
from viewloom.metrics.error_kinds import KINDS, TITLES, find_errors
from viewloom.metrics.overlaps import find_segments, join_frames
from viewloom.metrics.segments import IGNORE, Ints
from viewloom.report.picking import Pick
from viewloom.report.reading import ItemResult
from viewloom.report.runs import Run, load_runs

if TYPE_CHECKING:
    from pandas import DataFrame

OUTCOMES = ("first", "second", "neither")
"""Which run is right, where not both are; the number of an outcome is its place."""
NOTHING = ""
"""What is said where nothing is."""
SHOWN = 40
"""Stretches on the page, the longest ones."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of one true segment in which two runs say one thing each, and not both the right one.

    Attributes:
        view: name of the view.
        recording: the recording.
        item: the item in it.
        action: what is true; where a frame may have several actions, the one that a run is wrong about.
        start: first frame.
        end: frame after the last.
        start_s: seconds from the item's first frame.
        seconds: its length.
        right: first, second or neither.
        first: what the first run says; empty for nothing.
        second: the same of the second one.
        first_error: kind of the first run's error; empty where it is right.
        second_error: the same of the second one.
    """

    view: str
    recording: str
    item: str
    action: str
    start: int
    end: int
    start_s: float
    seconds: float
    right: str
    first: str
    second: str
    first_error: str
    second_error: str


FIELDS = [entry.name for entry in fields(Stretch)]


def differences(first: Run, second: Run) -> list[Stretch]:
    """All stretches in which one run of two is wrong, or both, the longest first.

    Args:
        first: a run with predictions.
        second: one of the same data set; items of views that both have, and of which both know the same truth, count.

    Raises:
        ConfigError: no such item.
    """
    found = [stretch for view in first.views if view in second.views for stretch in _in_view(first, second, view)]
    if not found and not any(_common(first, second, view) for view in first.views if view in second.views):
        raise ConfigError(
            f"{first.folder} and {second.folder} have no item of a view in common with the same truth. Evaluate both "
            "on the same items."
        )
    return sorted(found, key=lambda one: (-one.seconds, one.view, one.item, one.start, one.action))


def _common(first: Run, second: Run, view: str) -> list[tuple[ItemResult, ItemResult]]:
    """Both runs' results on items of which they know the same truth."""
    ours, theirs = (run.views[view].items for run in (first, second))
    pairs = [(item, theirs[name]) for name, item in ours.items() if name in theirs]
    return [(a, b) for a, b in pairs if (a.start, a.end, a.truth.rows) == (b.start, b.end, b.truth.rows)]


def _in_view(first: Run, second: Run, view: str) -> Iterator[Stretch]:
    """Stretches in one view."""
    pairs, scored = _common(first, second, view), first.scored
    multi = scored.labels_mode == "multi"
    sides, true, who = _class_sides(pairs) if multi else _sides(pairs)
    background = (0,) if multi else [scored.actions.index(name) for name in scored.background if name in scored.actions]
    names = ("not said", "said") if multi else scored.actions
    for place, start, end, label, says, right, kinds in _stretches(sides, true, background):
        item, action = pairs[who[place][0]][0], who[place][1] if multi else label
        yield Stretch(
            view,
            item.recording,
            item.name,
            scored.actions[action],
            item.start + start,
            item.start + end,
            round(start / scored.fps, 3),
            round((end - start) / scored.fps, 3),
            OUTCOMES[right],
            *(names[said] if said != IGNORE else NOTHING for said in says),
            *("" if kind is None else KINDS[kind] for kind in kinds),
        )


Sides = tuple[list[Ints], list[Ints]]


def _sides(pairs: Sequence[tuple[ItemResult, ItemResult]]) -> tuple[Sides, list[Ints], list[tuple[int, int]]]:
    """What both runs say of each frame of each item, what is true, and the item of each sequence."""
    said = [[one.prediction.frame_labels(one.start, one.end) for one in of] for of in zip(*pairs, strict=True)]
    true = [one.truth.frame_labels(one.start, one.end) for one, _ in pairs]
    return (said[0], said[1]) if said else ([], []), true, [(place, IGNORE) for place in range(len(pairs))]


def _class_sides(pairs: Sequence[tuple[ItemResult, ItemResult]]) -> tuple[Sides, list[Ints], list[tuple[int, int]]]:
    """The same where a frame may have several classes: a sequence for each item and class, 1 where it is there."""
    sides: Sides = ([], [])
    true, who = [], []
    for place, (one, other) in enumerate(pairs):
        of = [one.prediction, other.prediction, one.truth]
        labels, sequences = class_sequences(of, (one.start, one.end), one.ignored)
        for label, (a_T, b_T, true_T) in zip(labels, sequences, strict=True):
            sides[0].append(a_T)
            sides[1].append(b_T)
            true.append(true_T)
            who.append((place, label))
    return sides, true, who


def _stretches(sides: Sides, true: Sequence[Ints], background: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Sequence, start, end, true label, what both say, which is right, and kinds of their errors, of each stretch."""
    joined = [join_frames(of, true) for of in sides]
    true_T, ends = joined[0].true, joined[0].ends
    said = [np.where(true_T == IGNORE, IGNORE, of.predicted) for of in joined]
    starts = np.unique(np.concatenate([find_segments(of, ends).starts for of in (true_T, *said)]))
    lasts, begins = np.append(starts, len(true_T))[1:], np.append(0, ends)
    sequences = np.searchsorted(ends, starts, side="right")
    right = [of[starts] == true_T[starts] for of in said]
    kinds = [_kinds_at(of, true, background, begins, starts) for of in sides]
    for i in np.flatnonzero((true_T[starts] != IGNORE) & ~(right[0] & right[1])).tolist():
        begin, outcome = int(begins[sequences[i]]), 0 if right[0][i] else 1 if right[1][i] else 2
        yield (
            int(sequences[i]),
            int(starts[i]) - begin,
            int(lasts[i]) - begin,
            int(true_T[starts[i]]),
            [int(of[starts[i]]) for of in said],
            outcome,
            [None if ok[i] else int(kind[i]) for ok, kind in zip(right, kinds, strict=True)],
        )


def _kinds_at(
    said: Sequence[Ints], true: Sequence[Ints], background: Sequence[int], begins: Ints, starts: Ints
) -> Ints:
    """Kind of the error that holds at each place of all sequences together; whatever where there is none."""
    errors = find_errors(said, true, background)
    at = np.searchsorted(errors.starts + begins[errors.sequences], starts, side="right") - 1
    return errors.kinds[np.maximum(at, 0)] if len(errors) else np.zeros(len(starts), np.int64)


def write_differences(path: Path, first: Run, second: Run, found: Sequence[Stretch]) -> None:
    """All stretches as CSV: the columns of `difference`, and behind them the names of both runs."""
    rows = [[*asdict(one).values(), first.name, second.name] for one in found]
    write_csv(path, [*FIELDS, "first_run", "second_run"], rows)


def two_runs(runs: Sequence[Run], names: str | None) -> tuple[Run, Run] | None:
    """The two runs that are named, comma-separated; without names the two that there are, or None.

    Raises:
        ConfigError: other names than those of two runs with scores.
    """
    scored = [run for run in runs if run.metrics is not None]
    if names is None:
        return (scored[0], scored[1]) if len(scored) == 2 else None
    parts, by_name = names.split(","), {run.name: run for run in scored}
    for at in range(1, len(parts)):  # names may have commas themselves
        first, second = (",".join(of).strip() for of in (parts[:at], parts[at:]))
        if first in by_name and second in by_name and first != second:
            return by_name[first], by_name[second]
    raise ConfigError(
        f"--difference must name two of the runs, comma-separated, but is {names!r}; they are: {listed(by_name, 20)}."
    )


def difference_section(pair: tuple[Run, Run] | None, picked: Sequence[Pick]) -> dict[str, Any]:
    """What the page shows of two runs; empty where there are no two, or they have no predictions."""
    if pair is None or not all(any(view.items for view in run.views.values()) for run in pair):
        return {}
    first, second = pair
    found = differences(first, second)
    return {
        "first": first,
        "second": second,
        "views": _by_view(first, found),
        "actions": _by_action(found),
        "rows": found[:SHOWN],
        "all": len(found),
        "titles": TITLES,
        "links": {one.item: one.rank for one in picked},
    }


def _by_view(first: Run, found: Sequence[Stretch]) -> list[tuple[str, dict[str, tuple[float, int]]]]:
    """Seconds and stretches of each outcome in each view."""
    return [
        (view, {right: _sum([one for one in found if (one.view, one.right) == (view, right)]) for right in OUTCOMES})
        for view in first.views
        if any(one.view == view for one in found)
    ]


def _sum(stretches: Sequence[Stretch]) -> tuple[float, int]:
    return sum(one.seconds for one in stretches), len(stretches)


def _by_action(found: Sequence[Stretch]) -> list[tuple[str, Mapping[str, float], float]]:
    """Seconds of each outcome by action, and those that the second run wins; largest change first."""
    sums: dict[str, dict[str, float]] = {}
    for one in found:
        of = sums.setdefault(one.action, dict.fromkeys(OUTCOMES, 0.0))
        of[one.right] += one.seconds
    rows = [(action, of, of["second"] - of["first"]) for action, of in sums.items()]
    return sorted(rows, key=lambda row: (-abs(row[2]), row[0]))


def difference(first: str | Path, second: str | Path) -> "DataFrame":
    """Where two evaluated runs differ, segment by segment.

    Args:
        first: run folder.
        second: another, evaluated on the same items.

    Returns:
        One line a stretch of one true segment in which not both are right: view, recording, item, action (what is
        true), start and end (frames, end exclusive), start_s (seconds from the item's beginning), seconds, right
        (first, second, neither), first and second (what they say), first_error and second_error (kinds of errors,
        `viewloom.metrics.error_kinds`). Longest first.

    Raises:
        ConfigError: a folder that is no run, or runs without an item in common.
        DataError: a file of a run that can't be read.
    """
    from pandas import DataFrame

    one, other = load_runs([first, second])
    table: DataFrame = DataFrame([asdict(entry) for entry in differences(one, other)], columns=FIELDS)
    return table
