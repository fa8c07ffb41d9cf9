"""Truth and predictions as coloured strips: one card an item, one strip a run and view, one colour an action."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from viewloom.metrics.segments import IGNORE, Segments
from viewloom.report.colours import palette
from viewloom.report.packed import MANY
from viewloom.report.picking import Pick
from viewloom.report.reading import ItemResult
from viewloom.report.runs import Run
from viewloom.report.views import view_names

LAST_MARK = 0.96
"""Marks behind this share of a time axis would stick out."""

TICKS = 7
"""At most this many marks on a time axis."""


@dataclass(frozen=True)
class Strip:
    """A run's result on an item in one view."""

    run: Run
    view: str
    result: ItemResult

    @property
    def scores(self) -> dict[str, Any]:
        """Scores of the item."""
        rows = self.run.views[self.view].per_item
        return next((row for row in rows if row["item"] == self.result.name), {})

    def wrong(self) -> Segments:
        """Stretches of labelled frames where the prediction isn't the truth; all get class id 1."""
        result = self.result
        truth = result.truth.frame_labels(result.start, result.end)
        off = (truth != IGNORE) & (truth != result.prediction.frame_labels(result.start, result.end))
        found = Segments.of_frames(off, result.start)
        return found.select(found.labels == 1)


@dataclass(frozen=True)
class Card:
    """One item: its place in the ranking, and all results on it, view by view."""

    pick: Pick | None
    strips: list[Strip]
    fps: float

    @cached_property
    def whole(self) -> ItemResult:
        """The result whose truth is shown."""
        return longest(self.strips)

    @cached_property
    def start(self) -> int:
        """First frame of all results."""
        return min(strip.result.start for strip in self.strips)

    @cached_property
    def frames(self) -> int:
        """Length, over all results."""
        return max(strip.result.end for strip in self.strips) - self.start

    @property
    def marks(self) -> list[int]:
        """Round times in seconds, for the axis."""
        seconds = self.frames / self.fps
        return list(range(0, math.floor(LAST_MARK * seconds) + 1, time_step(seconds)))


def timelines(runs: Sequence[Run], colours: Mapping[int, str], picked: Sequence[Pick]) -> dict[str, Any]:
    """Cards of the items picked, and the class ids on them, those that get the clearest colours first."""
    fps, actions = runs[0].scored.fps, runs[0].scored.actions
    cards = [Card(one, item_strips(runs, one.item), fps) for one in picked]
    results = [strip.result for card in cards for strip in card.strips]
    shown = {label for result in results for of in (result.truth, result.prediction) for label in of.labels.tolist()}
    labels, total = [label for label in colours if label in shown], len(item_names(runs))
    many = sum(len(result.truth) + len(result.prediction) for result in results) >= MANY
    found = {"cards": cards, "labels": labels, "actions": actions, "fps": fps, "total": total, "packed": many}
    return found if cards else {}


def item_strips(runs: Sequence[Run], item: str) -> list[Strip]:
    """All results on one item, view by view."""
    return [
        Strip(run, view, run.views[view].items[item])
        for view in view_names(runs)
        for run in runs
        if view in run.views and item in run.views[view].items
    ]


def item_names(runs: Sequence[Run]) -> list[str]:
    """All items that some run has predictions of."""
    return list(dict.fromkeys(item for run in runs for view in run.views.values() for item in view.items))


def action_colours(runs: Sequence[Run]) -> dict[int, str]:
    """Colour of each class id that occurs, by the frames they truly fill, then by id: the first get the clearest.

    Ranked by the truth of the longest view of each item, so that pages about one test set agree on colours.
    """
    frames: dict[int, int] = {}
    predicted: set[int] = set()
    for item in item_names(runs):
        strips = item_strips(runs, item)
        for start, end, label in longest(strips).truth.rows:
            frames[label] = frames.get(label, 0) + end - start
        predicted.update(label for strip in strips for label in strip.result.prediction.labels.tolist())
    order = sorted(frames, key=lambda label: (-frames[label], label)) + sorted(predicted - set(frames))
    return dict(zip(order, palette(len(order)), strict=True))


def picture_colours(strips: Sequence[Strip]) -> dict[int, str]:
    """Colours for one item alone, clearer than the page's: actions of the truth first, the longest-lasting first."""
    truth, predicted = Counter[int](), Counter[int]()
    for frames, shown in ((truth, [longest(strips).truth]), (predicted, [s.result.prediction for s in strips])):
        for start, end, label in (row for of in shown for row in of.rows):
            frames[label] += end - start
    order = [label for of in (truth, predicted) for label in sorted(of, key=lambda label: (-of[label], label))]
    labels = list(dict.fromkeys(order))
    return dict(zip(labels, palette(len(labels)), strict=True))


def longest(strips: Sequence[Strip]) -> ItemResult:
    """The result over most frames, whose truth is shown; the first of several."""
    return max((strip.result for strip in strips), key=lambda result: result.end - result.start)


def time_step(seconds: float) -> int:
    """Seconds between the marks of a time axis."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((step for step in steps if seconds / step <= TICKS), 7200)
