"""Windows as torch batches: rows that depend on (seed, epoch, row) alone, never on workers or processes."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import Classes
from viewloom.errors import DataError
from viewloom.features.base import FeatureSource, Pooled, pooled_dim
from viewloom.features.missing import with_policy
from viewloom.metrics.segments import IGNORE
from viewloom.parent import end_with_parent
from viewloom.windows.batch import SegmentBatch, Window
from viewloom.windows.multilabel import stack_classes, window_classes
from viewloom.windows.plan import FILLER, drawn_window, plan_windows, pool_labels
from viewloom.windows.sampling import Sampling


@dataclass(frozen=True)
class SegmentRow:
    """One window of one view.

    Attributes:
        pooled: what was read of it, or None where it was not.
        dim: its feature size.
        labels_S: its labels.
        window: what it is.
        view: in which view.
        taught_SK: a teacher's probabilities, of no step in a labelled window; None where there is no teacher at all.
        classes_SK: its classes where a step may have several, else None.
    """

    pooled: Pooled | None
    dim: int
    labels_S: NDArray[np.int64]
    window: Window
    view: str
    taught_SK: NDArray[np.float32] | None = None
    classes_SK: Classes | None = None


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
        unread: (window, view) pairs that need not be read, since their refined features are kept.

    Attributes:
        dims: size of a step's features in each view.
        multi: whether a step may have several labels.
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
        unread: Container[tuple[Window, str]] = (),
    ) -> None:
        self.source = source
        self.unread = unread
        self.labels = labels
        self.multi = labels is not None and labels.mode == "multi"
        self.sampling = sampling
        self.seed = seed
        chunk = chunk_frames or sampling.chunk_frames
        self.rows = planned_rows(source, items, views, chunk, sampling.max_chunks)
        used = dict.fromkeys(view for _, view in self.rows)
        self.dims = {view: pooled_dim(source.dim(view), sampling.pooling) for view in used}
        self._kept = sampling.fixed_chunks
        policy = sampling.missing_frames, sampling.nearest_within_frames
        self._reader, self._uncached = with_policy(source, *policy), with_policy(source.uncached, *policy)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> SegmentRow:
        epoch, row = key
        window, view = self.rows[row]
        window = drawn_window(window, self.sampling, self.seed, epoch, row)
        labels_S, taught_SK = self.targets_of(window, row)
        targets = labels_S, window, view, taught_SK, self.classes_of(window, row) if self.multi else None
        if window.start == window.end or (window, view) in self.unread:
            return SegmentRow(None, self.dims[view], *targets)
        reader = self._reader if window.chunk_frames in self._kept else self._uncached
        span = window.start, window.end, window.chunk_frames, self.sampling.pooling
        pooled = reader.read_pooled(window.recording, view, *span)
        return SegmentRow(pooled, self.dims[view], *targets)

    def targets_of(self, window: Window, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Labels (S,) of a row's window, and a teacher's probabilities (S, K) where there is one."""
        return self.labels_of(window), None

    def classes_of(self, window: Window, row: int) -> Classes:
        """Classes (S, K) of a row's window, where a step may have several."""
        assert self.labels is not None
        return window_classes(self.labels, window)

    def labels_of(self, window: Window) -> NDArray[np.int64]:
        """Label of each step of a window, that of most frames or of the first; one `IGNORE` where it has no step. All
        `IGNORE` where a step may have several: `classes_of`."""
        if self.labels is None or self.multi or window.start == window.end:
            return np.full(max(1, window.steps), IGNORE, np.int64)
        if window.item not in self.labels.annotations:
            return np.full(window.steps, IGNORE, np.int64)
        annotation = self.labels.annotations[window.item]
        labels_T = annotation.frame_labels(window.start, window.end)
        if self.sampling.pooling == "first":
            return labels_T[:: window.chunk_frames]
        return pool_labels(labels_T, window.chunk_frames)


def planned_rows(
    source: FeatureSource, items: Sequence[Item], views: Sequence[str], chunk_frames: int, max_chunks: int
) -> tuple[tuple[Window, str], ...]:
    """The windows of items in each of some views that their recordings have."""
    planned = ((item, plan_windows(item, chunk_frames, max_chunks)) for item in items)
    return tuple(
        (window, view)
        for item, windows in planned
        for view in views
        if view in source.views(item.recording)
        for window in windows
    )


def collate(rows: Sequence[SegmentRow]) -> SegmentBatch:
    """Rows into a batch, padded to the longest, and to the largest feature size: zeros, mask False, label `IGNORE`."""
    shape = len(rows), max(len(row.labels_S) for row in rows)
    x_BTD = np.zeros((*shape, max(row.dim for row in rows)), np.float32)
    mask_BT = np.zeros(shape, np.bool_)
    labels_BT = np.full(shape, IGNORE, np.int64)
    for place, row in enumerate(rows):
        labels_BT[place, : len(row.labels_S)] = row.labels_S
        if row.pooled is not None:
            x_SZ = row.pooled.features_SZ
            x_BTD[place, : len(x_SZ), : x_SZ.shape[1]] = x_SZ
            mask_BT[place, : len(x_SZ)] = row.pooled.mask_S
    taught = [row.taught_SK for row in rows if row.taught_SK is not None]
    classes = [row.classes_SK for row in rows if row.classes_SK is not None]
    return SegmentBatch(
        features_BTD=torch.from_numpy(x_BTD),
        mask_BT=torch.from_numpy(mask_BT),
        labels_BT=torch.from_numpy(labels_BT),
        windows=tuple(row.window for row in rows),
        views=tuple(row.view for row in rows),
        missing_frames=tuple(0 if row.pooled is None else len(row.pooled.missing) for row in rows),
        taught_BTK=torch.from_numpy(padded(taught, shape[1])) if taught else None,
        classes_BTK=torch.from_numpy(stack_classes(classes, shape[1])) if classes else None,
    )


def padded(taught: Sequence[NDArray[np.float32]], steps: int) -> NDArray[np.float32]:
    """A teacher's probabilities (S, K) of each row, as (B, T, K) with zeros behind them."""
    taught_BTK = np.zeros((len(taught), steps, taught[0].shape[1]), np.float32)
    for place, taught_SK in enumerate(taught):
        taught_BTK[place, : len(taught_SK)] = taught_SK
    return taught_BTK


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
        worker_init_fn=end_with_parent,
    )


def dataset_windows(
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    sampling: Sampling,
    seed: int | None = None,
    unread: Container[tuple[Window, str]] = (),
) -> SegmentWindows:
    """`SegmentWindows` of an opened data set."""
    return SegmentWindows(dataset.source, dataset.labels, items, views, sampling, seed, unread=unread)
