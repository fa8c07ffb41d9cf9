"""The predicted segments that a head is least sure of: those to label first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewloom.files import from_cell, write_csv
from viewloom.metrics.segments import Floats, Ints, Segments
from viewloom.metrics.temperature import Probs

if TYPE_CHECKING:
    from rich.table import Table

FILE = "uncertain.csv"
COLUMNS = (
    *("recording", "view", "start", "end", "start_s", "end_s", "label", "confidence"),
    *("runner_up", "runner_up_confidence"),
)
SHOWN = 10
"""Segments that are shown on the console."""
TIE = 6
"""Decimals of confidences that are compared: beyond them lies what batch mates and threads round otherwise."""


@dataclass(frozen=True, eq=False)
class PredictedSegments(Segments):
    """Predicted segments.

    Attributes:
        confidences: (S,) mean probability of the segment's class over its frames.
        runners_up: (S,) class of the second highest mean probability; the segment's own where there is no other.
        runner_up_confidences: (S,) that probability; 0 where there is no other.
    """

    confidences: Floats
    runners_up: Ints
    runner_up_confidences: Floats


def second_best(probs_TK: Probs, starts: Ints, labels: Ints) -> tuple[Ints, Floats]:
    """Of each segment the class of the highest mean probability but for its own, and that probability: (S,), (S,).

    Args:
        probs_TK: of each frame.
        starts: (S,) place of each segment's first frame.
        labels: (S,) its class.
    """
    lengths_S = np.diff(starts, append=len(probs_TK))
    means_SK = np.add.reduceat(probs_TK, starts, dtype=np.float64) / lengths_S[:, None]
    every_S = np.arange(len(starts))
    means_SK[every_S, labels] = -1.0
    second_S = means_SK.argmax(axis=1)
    return second_S, np.maximum(means_SK[every_S, second_S], 0.0)


@dataclass(frozen=True)
class Doubt:
    """A predicted segment, and what else it may be; fields by `COLUMNS`."""

    recording: str
    view: str
    start: int
    end: int
    start_s: float
    end_s: float
    label: str
    confidence: float
    runner_up: str
    runner_up_confidence: float

    @property
    def place(self) -> tuple[float, str, str, int]:
        """What they are sorted by: confidence, and where they are equal recording, view and start."""
        return round(self.confidence, TIE), self.recording, self.view, self.start

    @property
    def row(self) -> tuple[str | int | float, ...]:
        """Values by `COLUMNS`, as the files have them."""
        ends = round(self.start_s, 3), round(self.end_s, 3)
        head = (self.recording, self.view, self.start, self.end, *ends, self.label, round(self.confidence, 4))
        return *head, self.runner_up, round(self.runner_up_confidence, 4)


def doubts(recording: str, view: str, found: PredictedSegments, actions: Sequence[str], fps: float) -> Iterator[Doubt]:
    """Predicted segments of a recording in a view, with seconds and names."""
    columns = (found.confidences.tolist(), found.runners_up.tolist(), found.runner_up_confidences.tolist())
    for (start, end, label), sure, second, second_sure in zip(found.rows, *columns, strict=True):
        other = actions[second] if second != label else ""
        yield Doubt(recording, view, start, end, start / fps, end / fps, actions[label], sure, other, second_sure)


def least_sure(found: Iterable[Doubt], count: int) -> list[Doubt]:
    """The ``count`` segments of lowest confidence, the lowest first; in whatever order they come, the same."""
    return sorted(found, key=lambda doubt: doubt.place)[:count]


def write_uncertain(folder: Path, found: Sequence[Doubt]) -> None:
    """Write ``uncertain.csv`` into a folder."""
    write_csv(folder / FILE, COLUMNS, [doubt.row for doubt in found])


def uncertain_table(folder: Path, count: int | None) -> "list[Table]":
    """The first lines of ``uncertain.csv`` for the console; no table where none were asked for."""
    if count is None:
        return []
    import csv

    from rich.table import Table

    with (folder / FILE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    title = f"Least certain segments, to label first ({min(SHOWN, len(rows))} of the {len(rows)} in {folder / FILE})"
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("recording", "view", "from s", "to s", "action", "sure", "or else", "sure"):
        table.add_column(name, justify="right" if name in ("from s", "to s", "sure") else "left", overflow="fold")
    columns = ("recording", "view", "start_s", "end_s", "label", "confidence", "runner_up", "runner_up_confidence")
    for row in rows[:SHOWN]:
        table.add_row(*(from_cell(row[name]) for name in columns))
    return [table]
