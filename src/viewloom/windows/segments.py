"""Windows as torch batches: rows that depend on (seed, epoch, row) alone, never on workers or processes."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.labels import LabelSet
from viewloom.errors import DataError
from viewloom.features.base import FeatureSource
from viewloom.features.pooling import pooled_dim
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import SegmentBatch, Window
from viewloom.windows.sampling import Sampling
from viewloom.windows.windows import (
    FILLER,
    drawn_window,
    pad_steps,
    plan_windows,
    pool_labels,
    pooled_window,
)


@dataclass(frozen=True)
class SegmentRow:
    """One window of one view: features (S, D), mask (S,), labels (S,), and the frames it lacked."""

    features_SD: NDArray[np.float32]
    mask_S: NDArray[np.bool_]
    labels_S: NDArray[np.int64]
    window: Window
    view: str
    missing_frames: int


class SegmentWindows(Dataset[SegmentRow]):
    """Windows of labelled (or unlabelled) items in each of several views.

    Index it with ``(epoch, row)``. When training, the row draws its chunk size from (seed, epoch, row), so
    every epoch differs and every run repeats.

    Args:
        source: where the features are.
        labels: where the labels are, or None: then every label is `IGNORE`.
        items: what to cut into windows.
        views: an item gives one set of windows for each view its recording has.
        sampling: sizes, augmentation, policy for missing frames.
        seed: of the augmentation; None switches it off.
        chunk_frames: chunk size when not ``sampling.chunk_frames``.
        known: (window, view) pairs whose features the caller has: they are not read, and zeros stand for them.

    Attributes:
        dim: size of a step's features.
    """

    def __init__(
        self,
        source: FeatureSource,
        labels: LabelSet | None,
        items: Sequence[Item],
        views: Sequence[str],
        sampling: Sampling,
        seed: int | None = None,
        chunk_frames: int | None = None,
        known: Container[tuple[Window, str]] = (),
    ) -> None:
        self.source = source
        self.known = known
        self.labels = labels
        self.sampling = sampling
        self.seed = seed
        self.dim = pooled_dim(source.dim, sampling.pooling)
        chunk = chunk_frames or sampling.chunk_frames
        planned = ((item, plan_windows(item, chunk, sampling.max_chunks)) for item in items)
        self.rows = tuple(
            (window, view)
            for item, windows in planned
            for view in views
            if view in source.views(item.recording)
            for window in windows
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> SegmentRow:
        window, view = self.drawn(*key)
        if not window.steps:
            nothing_1D, unlabelled_1 = np.zeros((1, self.dim), np.float32), np.full(1, IGNORE)
            return SegmentRow(nothing_1D, np.zeros(1, np.bool_), unlabelled_1, window, view, 0)
        if (window, view) in self.known:
            nothing_SD = np.broadcast_to(np.float32(0), (window.steps, self.dim))
            return SegmentRow(nothing_SD, np.ones(window.steps, np.bool_), self.labels_of(window), window, view, 0)
        pooled_SD, mask_S, missing = pooled_window(self.source, window, view, self.sampling)
        return SegmentRow(pooled_SD, mask_S, self.labels_of(window), window, view, missing)

    def drawn(self, epoch: int, row: int) -> tuple[Window, str]:
        """The window, with the chunk size it has in this epoch, and the view of a row."""
        window, view = self.rows[row]
        return drawn_window(window, self.sampling, self.seed, epoch, row), view

    def labels_of(self, window: Window) -> NDArray[np.int64]:
        """Label of each step of a window."""
        if self.labels is None or window.item not in self.labels.annotations:
            return np.full(window.steps, IGNORE, np.int64)
        annotation = self.labels.annotations[window.item]
        return pool_labels(annotation.frame_labels(window.start, window.end), window.chunk_frames)


def collate(rows: Sequence[SegmentRow]) -> SegmentBatch:
    """Rows into a batch, padded to the longest: zeros, mask False, label `IGNORE`."""
    return SegmentBatch(
        features_BTD=torch.from_numpy(pad_steps([row.features_SD for row in rows], 0, np.float32)),
        mask_BT=torch.from_numpy(pad_steps([row.mask_S for row in rows], False, np.bool_)),
        labels_BT=torch.from_numpy(pad_steps([row.labels_S for row in rows], IGNORE, np.int64)),
        windows=tuple(row.window for row in rows),
        views=tuple(row.view for row in rows),
        missing_frames=tuple(row.missing_frames for row in rows),
    )


class EpochBatches:
    """Batch sampler that yields lists of (epoch, row): shuffled by (seed, epoch), split over processes.

    A global batch holds ``batch_size`` rows whatever the number of processes; process ``rank`` takes every
    ``world``-th of them, and `FILLER` rows where they don't divide evenly. So two processes see together just what
    one would.

    Args:
        rows: number of rows in the data set.
        batch_size: rows in a global batch.
        seed: of the order; None keeps the order.
        rank: this process.
        world: number of processes.
    """

    def __init__(self, rows: int, batch_size: int, seed: int | None, rank: int = 0, world: int = 1) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.sampler = self  # Lightning calls ``batch_sampler.sampler.set_epoch`` before each epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration belongs to."""
        self.epoch = epoch

    def __len__(self) -> int:
        return int(np.ceil(self.rows / self.batch_size))

    def rows_in(self, batch: int) -> int:
        """Number of rows in a global batch, by its place in the epoch; the last one may be short."""
        return min(self.batch_size, self.rows - batch * self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.arange(self.rows)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        for start in range(0, self.rows, self.batch_size):
            batch = order[start : start + self.batch_size]
            # Every process gets as many rows, since one without any would leave the others waiting.
            batch = np.concatenate([batch, np.full(-len(batch) % self.world, FILLER)])
            yield [(self.epoch, int(row)) for row in batch[self.rank :: self.world]]


def make_loader(
    windows: SegmentWindows,
    batch_size: int,
    seed: int | None = None,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[SegmentRow]:
    """Loader of `SegmentBatch`; ``seed`` shuffles, None keeps the order of rows."""
    if not len(windows):
        raise DataError("There is not one window to read: no item of this split has one of the views asked for.")
    sampler = EpochBatches(len(windows), batch_size, seed, rank, world)
    return DataLoader(
        windows,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def dataset_windows(
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    sampling: Sampling,
    seed: int | None = None,
    known: Container[tuple[Window, str]] = (),
) -> SegmentWindows:
    """`SegmentWindows` of an opened data set."""
    return SegmentWindows(dataset.source, dataset.labels, items, views, sampling, seed, known=known)
