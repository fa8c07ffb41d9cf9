"""What the points of a curve learn from: a share of the pairs or labels, views out of step, a number of views."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.label_files import recording_in
from viewloom.errors import DataError
from viewloom.features.shifted import ShiftedSource
from viewloom.features.stretches import StretchSource, equal_stretches
from viewloom.recipes.settings import CurveConfig

STRETCHES = 40
"""Into so many stretches a single pair recording is cut: 5 % are two, one to learn from and one held out."""
STRETCH_CHUNKS = 5
"""Chunks that a stretch has at least."""


@dataclass(frozen=True)
class Point:
    """A point of a curve with one seed.

    Attributes:
        asked: its place as it was asked for (percent, frames, views).
        value: where it really lies: recordings are whole.
        pairs: what the refiner learns from.
        labels: what the head learns from.
        views: views of the pairs.
        learned: recordings (or stretches) that it has of those that there are.
    """

    asked: float
    value: float
    pairs: MultiViewDataset
    labels: MultiViewDataset
    views: tuple[str, ...]
    learned: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """For folders and messages."""
        return f"{self.value:g}"

    @property
    def taught(self) -> MultiViewDataset:
        """What a student learns from: the point's labels, and of pairs the point's own."""
        assert self.labels.splits is not None and self.pairs.splits is not None
        splits = replace(self.labels.splits, pairs=self.pairs.splits.pairs)
        return replace(self.labels, source=self.pairs.source, splits=splits)


def points_of(config: CurveConfig, dataset: MultiViewDataset, seed: int, chunk_frames: int) -> list[Point]:
    """The points of a seed, ascending; of several shares that come to the same recordings the first.

    Args:
        config: the curve.
        dataset: all there is.
        seed: of the order in which recordings are drawn: what a smaller share has, a larger one has too.
        chunk_frames: frames of a step, for the least length of stretches.
    """
    views, values = config.names, config.values
    if config.kind == "views":
        return [Point(value, value, dataset, dataset, views[: int(value)]) for value in values]
    if config.kind == "offset":
        return [Point(value, value, _late(dataset, views[1], int(value)), dataset, views) for value in values]
    if config.kind == "labels":
        return [
            Point(asked, 100 * have / there, dataset, share, views, (have, there))
            for asked, share, have, there in _shares(dataset, "train", values, seed, 1, ())
        ]
    whole = with_stretches(dataset, views, chunk_frames)
    complete = [name for name in whole.recordings if set(views) <= set(whole.views_of(name))]
    return [
        Point(asked, 100 * have / there, share, dataset, views, (have, there))
        for asked, share, have, there in _shares(whole, "pairs", values, seed, 2, complete)
    ]


def _late(dataset: MultiViewDataset, view: str, frames: int) -> MultiViewDataset:
    """The data set with a view so many frames late."""
    return replace(dataset, source=ShiftedSource(dataset.source, {view: frames})) if frames else dataset


def _shares(
    dataset: MultiViewDataset, role: str, percents: Sequence[float], seed: int, least: int, first: Sequence[str]
) -> list[tuple[float, MultiViewDataset, int, int]]:
    """Percent asked for, the data set with that share of a role's recordings, their number, and that of all.

    Args:
        dataset: all there is.
        role: pairs or train.
        percents: ascending.
        seed: of the order.
        least: recordings in any share.
        first: names one of which begins the order, where there are some: what is held out must have all views.
    """
    assert dataset.splits is not None
    of, names = recording_in(dataset.labels), getattr(dataset.splits, role)
    recordings = sorted({of(name) for name in names})
    if len(recordings) < least:
        raise DataError(f"A curve over {role} needs {least} recordings at least, but the list has {len(recordings)}.")
    order = [recordings[place] for place in np.random.default_rng([seed, 3]).permutation(len(recordings))]
    begin = next((name for name in order if name in first), order[0])
    order = [begin, *(name for name in order if name != begin)]
    found: list[tuple[float, MultiViewDataset, int, int]] = []
    for percent in percents:
        count = min(len(order), max(least, round(percent / 100 * len(order))))
        if not found or found[-1][2] != count:
            kept = tuple(name for name in names if of(name) in order[:count])
            splits = replace(dataset.splits, **{role: kept})
            found.append((percent, replace(dataset, splits=splits), count, len(order)))
    return found


def with_stretches(dataset: MultiViewDataset, views: Sequence[str], chunk_frames: int) -> MultiViewDataset:
    """The data set, but for one with a single pair recording, whose stretches are pairs then."""
    items = dataset.items("pairs", views)
    if len({item.recording for item in items}) > 1:
        return dataset
    assert dataset.splits is not None
    first, end = min(item.start for item in items), max(item.end for item in items)
    count = min(STRETCHES, (end - first) // (STRETCH_CHUNKS * chunk_frames))
    if count < 2:
        raise DataError(
            f"The one pair recording {items[0].recording} has {end - first} frames, too few to learn from shares of it."
        )
    stretches = equal_stretches(items[0].recording, first, end, count)
    splits = replace(dataset.splits, pairs=tuple(stretches))
    return replace(dataset, source=StretchSource(dataset.source, stretches), splits=splits)
