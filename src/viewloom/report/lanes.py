"""Segments that overlap, drawn in lanes: as many as there are at once, predictions where the truth has theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from viewloom.metrics.segments import Flags, Segments
from viewloom.report.picking import Pick
from viewloom.report.reading import ItemResult
from viewloom.report.runs import Run
from viewloom.report.strips import Card, Strip, timelines


@dataclass(frozen=True)
class Laid:
    """Segments with the lane that each is drawn in.

    Attributes:
        rows: (start, end, class id, lane), in order of time; lanes count from 0.
        lanes: number of lanes, one at least.
    """

    rows: list[tuple[int, int, int, int]]
    lanes: int


@dataclass(frozen=True)
class LaidCard:
    """An item's truth and its strips in lanes, and where each strip is wrong."""

    truth: Laid
    strips: list[tuple[Strip, Laid, Segments]]


def lay(segments: Segments, truth: Laid | None = None) -> Laid:
    """Give each segment a lane in which nothing else is.

    The lane where the truth has its class at that time, if it is free; else the first free one.

    Args:
        segments: in order of their starts; they may overlap.
        truth: what is true at that time; None: these are the truth.
    """
    rows: list[tuple[int, int, int, int]] = []
    ends: list[int] = [0] * (truth.lanes if truth is not None else 1)
    for start, end, label in segments.rows:
        wanted = _lane_in(truth, start, end, label)
        free = [lane for lane, until in enumerate(ends) if until <= start]
        lane = wanted if wanted in free else next(iter(free), len(ends))
        assert lane is not None
        ends += [0] * (lane + 1 - len(ends))
        ends[lane] = end
        rows.append((start, end, label, lane))
    return Laid(rows, len(ends))


def _lane_in(truth: Laid | None, start: int, end: int, label: int) -> int | None:
    """The lane of the true segment of a class that shares most frames with a predicted one; None: no such segment."""
    rows = () if truth is None else truth.rows
    shared = [(min(end, e) - max(start, s), lane) for s, e, found, lane in rows if found == label]
    most, lane = max(shared, key=lambda pair: pair[0], default=(0, 0))
    return lane if most > 0 else None


def lay_card(card: Card) -> LaidCard:
    """An item's truth and predictions in lanes."""
    truth = lay(card.whole.truth)
    return LaidCard(
        truth, [(strip, lay(strip.result.prediction, truth), wrong_frames(strip.result)) for strip in card.strips]
    )


def lane_timelines(runs: Sequence[Run], colours: Mapping[int, str], picked: Sequence[Pick]) -> dict[str, Any]:
    """What `timelines` gives, and each card in lanes."""
    found = timelines(runs, colours, picked)
    return found | {"laid": [lay_card(card) for card in found["cards"]]} if found else {}


def wrong_frames(result: ItemResult) -> Segments:
    """Stretches of labelled frames whose classes aren't exactly those that are true; all get class id 1."""
    labels = [*result.truth.labels.tolist(), *result.prediction.labels.tolist()]
    off_T = np.zeros(result.end - result.start, np.bool_)
    for label in set(labels):
        off_T |= _frames_of(result.truth, label, result) != _frames_of(result.prediction, label, result)
    for start, end in result.ignored:
        off_T[start - result.start : end - result.start] = False
    found = Segments.of_frames(off_T, result.start)
    return found.select(found.labels == 1)


def _frames_of(segments: Segments, label: int, result: ItemResult) -> Flags:
    """Which frames of an item have a class."""
    own = segments.select(segments.labels == label)
    return np.asarray(own.frame_labels(result.start, result.end) == label)
