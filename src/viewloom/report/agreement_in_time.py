"""Whether a run says the same in all views of one moment: over the time of items, and item by item."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from viewloom.metrics.class_segments import class_sequences
from viewloom.metrics.segments import IGNORE, Floats, Ints, Segments
from viewloom.report.curves import Plot, plot
from viewloom.report.picking import Pick
from viewloom.report.reading import ItemResult
from viewloom.report.runs import Run
from viewloom.report.views import view_names

BINS = 20
"""Of the relative time of items, in the curve."""
CELLS = 120
"""Of an item's strip, at most."""
LEVELS = 5
"""Shades of a strip."""
ITEMS = 6
"""Items whose strips are shown, at most."""


@dataclass(frozen=True)
class Seen:
    """One item as several views of a run have it, over the frames that all have.

    Attributes:
        name: of the item.
        agreement_T: share of the pairs of views that say the same, frame by frame.
        right_T: how many views are right, frame by frame; -1 where there is no label.
        views: number of views.
    """

    name: str
    agreement_T: Floats
    right_T: Ints
    views: int

    def cells(self, most: int) -> Floats:
        """Mean agreement of ``most`` stretches of equal length, or of each frame where there are fewer."""
        edges = np.linspace(0, len(self.agreement_T), min(most, len(self.agreement_T)) + 1).astype(np.int64)
        sums: Floats = np.add.reduceat(self.agreement_T, edges[:-1]) / np.diff(edges)
        return sums


@dataclass(frozen=True)
class InTime:
    """Agreement of one run's views.

    Attributes:
        run: the run.
        views: the views.
        agree: percent of pairs of views and frames that say the same.
        shares: percent of the labelled frames in which all views are right, some, all wrong alike, all wrong otherwise.
        items: by name.
    """

    run: Run
    views: list[str]
    agree: float
    shares: tuple[float, float, float, float]
    items: dict[str, Seen]


def agreement_in_time(runs: Sequence[Run], picked: Sequence[Pick]) -> dict[str, Any]:
    """The section; empty where no run has two views of one item."""
    found = [of for run in runs if (of := in_time(run)) is not None]
    if not found:
        return {}
    names = [one.item for one in picked if any(one.item in of.items for of in found)][:ITEMS]
    styles = {of.run.name: f"line{i % 8}" + " dashed" * (i >= 8) for i, of in enumerate(found)}
    return {
        "runs": found,
        "styles": styles,
        "plot": relative_time(found),
        "items": [(name, [(of, strip(of.items[name])) for of in found if name in of.items]) for name in names],
        "levels": LEVELS,
    }


def in_time(run: Run) -> InTime | None:
    """Agreement of the views of a run with predictions; None where it has only one of each item, and for a control that
    learned from none: it says the same in all."""
    if run.metrics is None or not run.scored.trained_on:
        return None
    views = [view for view in view_names([run]) if run.views[view].items]
    names = dict.fromkeys(name for view in views for name in run.views[view].items)
    of_names = {
        name: [run.views[view].items[name] for view in views if name in run.views[view].items] for name in names
    }
    multi = run.scored.labels_mode == "multi"
    items = {name: seen for name, of in of_names.items() if (seen := _seen(name, of, multi)) is not None}
    if not items:
        return None
    agreement = np.concatenate([of.agreement_T for of in items.values()])
    return InTime(run, views, 100 * float(agreement.mean()), _shares(list(items.values())), items)


def _seen(name: str, results: Sequence[ItemResult], multi: bool) -> Seen | None:
    """One item, if two views of it share frames."""
    start, end = max(of.start for of in results), min(of.end for of in results)
    if len(results) < 2 or end <= start:
        return None
    said_VT, true_T = _said(results, start, end, multi)
    pairs = list(combinations(range(len(results)), 2))
    agreement_T = np.mean([said_VT[a] == said_VT[b] for a, b in pairs], axis=0)
    right_T = np.where(true_T == IGNORE, -1, (said_VT == true_T).sum(axis=0))
    return Seen(name, agreement_T, right_T, len(results))


def _said(results: Sequence[ItemResult], start: int, end: int, multi: bool) -> tuple[Ints, Ints]:
    """What each view says of each frame, (V, T), and what is true, (T,); sets of classes by numbers of their own."""
    every: list[Segments] = [*(of.prediction for of in results), results[0].truth]
    if not multi:
        labels = np.stack([of.frame_labels(start, end) for of in every])
        return labels[:-1], labels[-1]
    _, found = class_sequences(every, (start, end))
    sets_VTK = np.moveaxis(np.array(found, np.int8).reshape(-1, len(every), end - start), 0, 2)
    _, numbers = np.unique(sets_VTK.reshape(-1, sets_VTK.shape[2]), axis=0, return_inverse=True)
    numbers_VT = numbers.reshape(len(every), end - start).astype(np.int64)
    for first, last in results[0].ignored:
        numbers_VT[-1, max(first - start, 0) : max(last - start, 0)] = IGNORE
    return numbers_VT[:-1], numbers_VT[-1]


def _shares(items: Sequence[Seen]) -> tuple[float, float, float, float]:
    """Percent of labelled frames: all views right, some right, none right and all the same, none right and not."""
    right = np.concatenate([of.right_T for of in items])
    whole = np.concatenate([np.full(len(of.right_T), of.views) for of in items])
    alike = np.concatenate([of.agreement_T for of in items]) == 1
    flags = (right == whole, (right > 0) & (right < whole), (right == 0) & alike, (right == 0) & ~alike)
    labelled = max(int((right >= 0).sum()), 1)
    one, some, same, others = (100 * float(of.sum()) / labelled for of in flags)
    return one, some, same, others


def relative_time(found: Sequence[InTime]) -> Plot:
    """Mean agreement over items by relative time: items begin at 0 and end at 100 percent."""
    lines = {}
    for of in found:
        cells = [item.cells(BINS) for item in of.items.values() if len(item.agreement_T) >= BINS]
        if cells:
            mean = 100 * np.mean(cells, axis=0)
            lines[of.run.name] = [(100 * (i + 0.5) / BINS, float(value)) for i, value in enumerate(mean)]
    return plot("views that agree, percent", lines)


def strip(item: Seen) -> list[tuple[int, int, int]]:
    """Start, length and shade of each stretch of an item's strip, in cells of the strip."""
    shades = np.minimum((item.cells(CELLS) * LEVELS).astype(np.int64), LEVELS - 1)
    found = Segments.of_frames(shades)
    return [(start, end - start, shade) for start, end, shade in found.rows]
