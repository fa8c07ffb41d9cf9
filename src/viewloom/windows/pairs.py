"""Windows seen by several synchronised views at once, without labels, for pre-training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from viewloom.dataset.dataset import Item
from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource
from viewloom.features.pooling import pooled_dim
from viewloom.windows.batch import ViewBatch, Window
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import EpochBatches
from viewloom.windows.windows import drawn_window, plan_windows, pooled_window


@dataclass(frozen=True)
class ViewRow:
    """One window in V views: features (S, V, D), zeros where the mask (S, V) is False."""

    features_SVD: NDArray[np.float32]
    mask_SV: NDArray[np.bool_]
    window: Window
    missing_frames: tuple[tuple[str, int], ...] = ()


class ViewWindows(Dataset[ViewRow]):
    """Windows of items in several views at once, all pooled with the same chunk size.

    Index it with ``(epoch, row)``. A view that a recording lacks is masked; items with fewer than two of the
    views have nothing to compare and are left out (see `skipped`).

    Args:
        source: where the features are.
        items: what to cut into windows.
        views: logical views, the order of axis V.
        sampling: sizes, augmentation, policy for missing frames.
        seed: of the augmentation; None switches it off.

    Attributes:
        dim: size of a step's features.
    """

    def __init__(
        self,
        source: FeatureSource,
        items: Sequence[Item],
        views: Sequence[str],
        sampling: Sampling,
        seed: int | None = None,
    ) -> None:
        self.source, self.views, self.sampling, self.seed = source, tuple(views), sampling, seed
        self.dim = pooled_dim(source.dim, sampling.pooling)
        several = [len(set(source.views(item.recording)) & set(views)) >= 2 for item in items]
        paired = [item for item, good in zip(items, several, strict=True) if good]
        self.items = tuple(paired)
        self.skipped = tuple(item.name for item, good in zip(items, several, strict=True) if not good)
        if not paired:
            raise DataError(
                f"None of {len(items)} items has two of the views {listed(views)}, so there is no pair to learn "
                "from. `viewloom check` shows which views each recording has."
            )
        self.rows = tuple(
            window for item in paired for window in plan_windows(item, sampling.chunk_frames, sampling.max_chunks)
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> ViewRow:
        window = self.drawn(*key)
        if not window.steps:
            views = len(self.views)
            nothing_1VD = np.zeros((1, views, self.dim), np.float32)
            return ViewRow(nothing_1VD, np.zeros((1, views), np.bool_), window)
        # View after view in memory, as the batch wants them.
        features_SVD = np.zeros((len(self.views), window.steps, self.dim), np.float32).transpose(1, 0, 2)
        mask_SV = np.zeros((window.steps, len(self.views)), np.bool_)
        present = self.source.views(window.recording)
        lacking: list[tuple[str, int]] = []
        for place, view in enumerate(self.views):
            if view in present:
                features_SVD[:, place], mask_SV[:, place], missing = pooled_window(
                    self.source, window, view, self.sampling
                )
                lacking.append((view, missing))
        return ViewRow(features_SVD, mask_SV, window, tuple(lacking))

    def drawn(self, epoch: int, row: int) -> Window:
        """The window of a row, with the chunk size it has in this epoch."""
        return drawn_window(self.rows[row], self.sampling, self.seed, epoch, row)


class CollateViews:
    """Rows into a `ViewBatch`, padded to the longest."""

    def __init__(self, views: tuple[str, ...]) -> None:
        self.views = views

    def __call__(self, rows: Sequence[ViewRow]) -> ViewBatch:
        steps, views, dim = max(len(row.mask_SV) for row in rows), *rows[0].features_SVD.shape[1:]
        features_BVTD = np.zeros((len(rows), views, steps, dim), np.float32)
        mask_BVT = np.zeros((len(rows), views, steps), np.bool_)
        for row, features_VTD, mask_VT in zip(rows, features_BVTD, mask_BVT, strict=True):
            features_VTD[:, : len(row.mask_SV)] = row.features_SVD.transpose(1, 0, 2)
            mask_VT[:, : len(row.mask_SV)] = row.mask_SV.T
        return ViewBatch(
            features_BVTD=torch.from_numpy(features_BVTD),
            mask_BVT=torch.from_numpy(mask_BVT),
            windows=tuple(row.window for row in rows),
            views=self.views,
            missing_frames=tuple(row.missing_frames for row in rows),
        )


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
        collate_fn=CollateViews(windows.views),
        num_workers=workers,
        persistent_workers=workers > 0,
    )
