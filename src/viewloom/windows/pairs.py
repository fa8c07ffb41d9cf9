"""Windows seen by several synchronised views at once, for pre-training; with labels for a method that asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from viewloom.dataset.dataset import Item
from viewloom.dataset.labels import LabelSet
from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource, Pooled, pooled_dim
from viewloom.features.missing import with_policy
from viewloom.metrics.segments import IGNORE
from viewloom.parent import end_with_parent
from viewloom.windows.batch import ViewBatch, Window
from viewloom.windows.plan import drawn_window, plan_windows, recording_labels
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches


@dataclass(frozen=True)
class ViewRow:
    """One window in the views that its recording has."""

    pooled: Mapping[str, Pooled]
    window: Window
    labels_S: NDArray[np.int64] | None = None


class ViewWindows(Dataset[ViewRow]):
    """Windows of items in several views at once, all pooled with the same chunk size.

    Index it with ``(epoch, row)``. A view that a recording lacks is masked; items with fewer than two of the
    views have nothing to compare and are left out (see `skipped`), unless ``least_views`` is 1.

    Args:
        source: where the features are.
        items: what to cut into windows.
        views: logical views, the order of axis V.
        sampling: sizes, augmentation, policy for missing frames.
        seed: of the augmentation; None switches it off.
        labels: where labels are, for batches that have them; None: batches without.
        least_views: of the views that an item must have; 1 for a method that compares recordings.

    Attributes:
        dims: size of a step's features in each view.
    """

    def __init__(
        self,
        source: FeatureSource,
        items: Sequence[Item],
        views: Sequence[str],
        sampling: Sampling,
        seed: int | None = None,
        labels: LabelSet | None = None,
        least_views: int = 2,
    ) -> None:
        self.source, self.views, self.sampling, self.seed = source, tuple(views), sampling, seed
        self.labels, self.least_views = labels, least_views
        several = [len(set(source.views(item.recording)) & set(views)) >= least_views for item in items]
        paired = [item for item, good in zip(items, several, strict=True) if good]
        self.items = tuple(paired)
        self.skipped = tuple(item.name for item, good in zip(items, several, strict=True) if not good)
        if not paired:
            least = "two" if least_views > 1 else "one"
            raise DataError(
                f"None of {len(items)} items has {least} of the views {listed(views)}, so there is no pair to learn "
                "from. `viewloom check` shows which views each recording has."
            )
        self.dims = {view: pooled_dim(source.dim(view), sampling.pooling) for view in self.views}
        self.rows = tuple(
            window for item in paired for window in plan_windows(item, sampling.chunk_frames, sampling.max_chunks)
        )
        self._kept = sampling.fixed_chunks
        policy = sampling.missing_frames, sampling.nearest_within_frames
        self._reader, self._uncached = with_policy(source, *policy), with_policy(source.uncached, *policy)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> ViewRow:
        epoch, row = key
        window = drawn_window(self.rows[row], self.sampling, self.seed, epoch, row)
        reader = self._reader if window.chunk_frames in self._kept else self._uncached
        span = window.start, window.end, window.chunk_frames, self.sampling.pooling
        there = self.source.views(window.recording) if window.start < window.end else ()
        views = [view for view in self.views if view in there]
        pooled = {view: reader.read_pooled(window.recording, view, *span) for view in views}
        return ViewRow(pooled, window, None if self.labels is None else recording_labels(self.labels, window))


class CollateViews:
    """Rows into a `ViewBatch`, padded to the longest; ``dims`` is the feature size of each view."""

    def __init__(self, dims: Mapping[str, int]) -> None:
        self.dims = dict(dims)

    def __call__(self, rows: Sequence[ViewRow]) -> ViewBatch:
        shape = len(rows), max(1, *(row.window.steps for row in rows))
        features: dict[str, NDArray[np.float32]] = {
            view: np.zeros((*shape, dim), np.float32) for view, dim in self.dims.items()
        }
        mask_BVT = np.zeros((shape[0], len(features), shape[1]), np.bool_)
        for place, row in enumerate(rows):
            for at, (view, x_BTD) in enumerate(features.items()):
                if view in row.pooled:
                    x_BTD[place, : row.window.steps] = row.pooled[view].features_SZ
                    mask_BVT[place, at, : row.window.steps] = row.pooled[view].mask_S
        labels = [row.labels_S for row in rows if row.labels_S is not None]
        return ViewBatch(
            features={view: torch.from_numpy(x_BTD) for view, x_BTD in features.items()},
            mask_BVT=torch.from_numpy(mask_BVT),
            windows=tuple(row.window for row in rows),
            missing_frames=tuple(
                tuple((view, len(pooled.missing)) for view, pooled in row.pooled.items()) for row in rows
            ),
            labels_BT=stack_labels(labels, shape[1]) if len(labels) == len(rows) else None,
        )


def stack_labels(labels: Sequence[NDArray[np.int64]], steps: int) -> torch.Tensor:
    """Labels of rows (B, T), `IGNORE` behind them."""
    labels_BT = np.full((len(labels), steps), IGNORE, np.int64)
    for place, labels_S in enumerate(labels):
        labels_BT[place, : len(labels_S)] = labels_S
    return torch.from_numpy(labels_BT)


def make_view_loader(
    windows: ViewWindows,
    batch_size: int,
    seed: int | None = None,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[ViewRow]:
    """Loader of `ViewBatch`; ``seed`` shuffles, None keeps the order of rows."""
    sampler = EpochBatches(len(windows), batch_size, seed, rank, world)
    return DataLoader(
        windows,
        batch_sampler=sampler,
        collate_fn=CollateViews(windows.dims),
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=end_with_parent,
    )
