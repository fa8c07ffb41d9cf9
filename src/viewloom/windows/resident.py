"""A whole training set on the device: windows are cut and pooled there, so that no step waits for a reader.

Where every window has one chunk size, its pooled steps are kept; where chunk sizes are drawn, its frames are, in
float16 if that holds them exactly, else in float32. Batches equal those of the loaders to the bit: a maximum rounds
nothing, and a mean adds up frame after frame here as there.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from viewloom.console import track
from viewloom.features.missing import read_filled, with_policy
from viewloom.features.pooling import pool
from viewloom.features.settings import Pooling
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Batch, SegmentBatch, ViewBatch, Window
from viewloom.windows.multilabel import stack_classes
from viewloom.windows.pairs import ViewWindows, stack_labels
from viewloom.windows.plan import drawn_window, recording_labels
from viewloom.windows.segments import EpochBatches, SegmentWindows, padded
from viewloom.windows.settings import DeviceData

FREE_SHARE = 0.5
"""Share of a GPU's free memory that features may take; the rest is for gradients and activations."""

ToRead = tuple[int, Window, str]
"""Row of the windows, its window as planned, and a view."""

B = TypeVar("B", bound=Batch)
W = TypeVar("W", SegmentWindows, ViewWindows)


@dataclass(frozen=True)
class Stretch:
    """Features of a window in one view.

    Attributes:
        x_ND: frames, or steps pooled from them; float16 or float32.
        there_N: bool, False in rows that are missing; None if all are there.
        frames: frames that a row stands for.
        missing_frames: number of frames the view lacks.
        pooling: what a step keeps of the rows.
    """

    x_ND: Tensor
    there_N: Tensor | None
    frames: int
    missing_frames: int
    pooling: Pooling = "max"

    def pooled(self, chunk_frames: int) -> tuple[Tensor, Tensor]:
        """Float32 steps (S, Z) of chunks, zeros in chunks without a single frame, and the mask (S,) of the others."""
        return pool(self.x_ND, chunk_frames // self.frames, self.pooling, self.there_N)


def load(windows: SegmentWindows | ViewWindows, window: Window, view: str, device: torch.device) -> Stretch:
    """Read one window in one view onto the device: its frames, or its steps where their size never changes."""
    sampling, span = windows.sampling, (window.start, window.end)
    policy = sampling.missing_frames, sampling.nearest_within_frames
    frames, pooling = 1, sampling.pooling
    if fixed_chunks(windows):
        frames, pooling = window.chunk_frames, "max"  # pooled by now: a step is its own maximum
        reader = with_policy(windows.source, *policy)
        x_ND, there_N, missing = reader.read_pooled(window.recording, view, *span, frames, sampling.pooling)
    else:
        x_ND, missing = read_filled(windows.source, window.recording, view, *span, *policy)
        there_N = ~np.isnan(x_ND[:, 0])
        x_ND = np.where(there_N[:, None], x_ND, np.float32(0))
    with np.errstate(over="ignore"):
        half_ND = x_ND.astype(np.float16)
    kept_ND = torch.from_numpy(half_ND if np.array_equal(half_ND, x_ND) else x_ND)
    there = None if there_N.all() else torch.from_numpy(there_N).to(device)
    return Stretch(kept_ND.to(device), there, frames, len(missing), pooling)


def fixed_chunks(windows: SegmentWindows | ViewWindows) -> bool:
    """Whether a window has the same chunk size in every epoch."""
    return windows.seed is None or windows.sampling.augment_probability == 0


class ResidentLoader(ABC, Generic[W, B]):
    """Batches of windows whose features are all on one device; they equal the loader's.

    Args:
        windows: what to hold.
        sampler: which rows make a batch.
        device: where to hold them.
    """

    def __init__(self, windows: W, sampler: EpochBatches, device: torch.device) -> None:
        self.windows: W = windows
        self.sampler = sampler  # Lightning tells it the epoch
        self.device = device
        wanted = track(self.to_read(windows), "Loading features onto the device")
        self.stretches = {(row, view): load(windows, window, view, device) for row, window, view in wanted}

    @staticmethod
    @abstractmethod
    def to_read(windows: W) -> list[ToRead]:
        """What has to be read."""

    @abstractmethod
    def batch(self, keys: Sequence[tuple[int, int]]) -> B:
        """The batch of some (epoch, row) keys."""

    def drawn(self, window: Window, epoch: int, row: int) -> Window:
        """A row's window with the chunk size it has in an epoch."""
        return drawn_window(window, self.windows.sampling, self.windows.seed, epoch, row)

    @property
    def batch_sampler(self) -> EpochBatches:
        """The sampler, by the name it has in torch's loader."""
        return self.sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[B]:
        yield from map(self.batch, self.sampler)


class ResidentSegments(ResidentLoader[SegmentWindows, SegmentBatch]):
    """Single views with labels."""

    @staticmethod
    def to_read(windows: SegmentWindows) -> list[ToRead]:
        """Every row in its view."""
        return [(row, window, view) for row, (window, view) in enumerate(windows.rows)]

    def batch(self, keys: Sequence[tuple[int, int]]) -> SegmentBatch:
        """The batch of some (epoch, row) keys."""
        windows = self.windows
        drawn = [(self.drawn(windows.rows[row][0], epoch, row), windows.rows[row][1]) for epoch, row in keys]
        cut = [(window, row) for (window, _), (_, row) in zip(drawn, keys, strict=True)]
        targets = [windows.targets_of(window, row) for window, row in cut]
        classes = [windows.classes_of(window, row) for window, row in cut] if windows.multi else []
        labels, taught = [label for label, _ in targets], [soft for _, soft in targets if soft is not None]
        shape = len(keys), max(map(len, labels))
        x_BTD = torch.zeros(*shape, max(windows.dims[view] for _, view in drawn), device=self.device)
        mask_BT = torch.zeros(shape, dtype=torch.bool, device=self.device)
        labels_BT = torch.full(shape, IGNORE)
        missing = [0] * len(keys)
        for place, ((_, row), (window, view)) in enumerate(zip(keys, drawn, strict=True)):
            labels_BT[place, : len(labels[place])] = torch.from_numpy(labels[place])
            if window.steps and (window, view) not in windows.unread:
                stretch = self.stretches[row, view]
                x_SD, mask_BT[place, : window.steps] = stretch.pooled(window.chunk_frames)
                x_BTD[place, : window.steps, : x_SD.shape[1]] = x_SD
                missing[place] = stretch.missing_frames
        return SegmentBatch(
            features_BTD=x_BTD,
            mask_BT=mask_BT,
            labels_BT=labels_BT.to(self.device),
            windows=tuple(window for window, _ in drawn),
            views=tuple(view for _, view in drawn),
            missing_frames=tuple(missing),
            taught_BTK=torch.from_numpy(padded(taught, shape[1])).to(self.device) if taught else None,
            classes_BTK=torch.from_numpy(stack_classes(classes, shape[1])).to(self.device) if classes else None,
        )


class ResidentViews(ResidentLoader[ViewWindows, ViewBatch]):
    """Several views at once, without labels."""

    @staticmethod
    def to_read(windows: ViewWindows) -> list[ToRead]:
        """Every row in each view its recording has."""
        return [
            (row, window, view)
            for row, window in enumerate(windows.rows)
            for view in windows.views
            if view in windows.source.views(window.recording)
        ]

    def batch(self, keys: Sequence[tuple[int, int]]) -> ViewBatch:
        """The batch of some (epoch, row) keys."""
        views, drawn = self.windows.views, [self.drawn(self.windows.rows[row], epoch, row) for epoch, row in keys]
        shape = (len(keys), len(views), max(1, *(window.steps for window in drawn)))
        features = {v: torch.zeros(shape[0], shape[2], dim, device=self.device) for v, dim in self.windows.dims.items()}
        mask_BVT = torch.zeros(shape, dtype=torch.bool, device=self.device)
        missing = []
        for place, ((_, row), window) in enumerate(zip(keys, drawn, strict=True)):
            present = [(at, view, self.stretches[row, view]) for at, view in enumerate(views) if (row, view) in self]
            for at, view, stretch in present if window.steps else ():
                steps = slice(window.steps)
                features[view][place, steps], mask_BVT[place, at, steps] = stretch.pooled(window.chunk_frames)
            missing.append(tuple((view, stretch.missing_frames) for _, view, stretch in present))
        labels = self.windows.labels
        rows = [] if labels is None else [recording_labels(labels, window) for window in drawn]
        labels_BT = stack_labels(rows, shape[2]).to(self.device) if rows else None
        return ViewBatch(features, mask_BVT, tuple(drawn), tuple(missing), labels_BT)

    def __contains__(self, key: object) -> bool:
        return key in self.stretches


L = TypeVar("L", ResidentSegments, ResidentViews)


def resident(
    cls: type[L], windows: SegmentWindows | ViewWindows, sampler: EpochBatches, device: torch.device, when: DeviceData
) -> L | None:
    """A loader with everything on the device, or None where the caller should read from the store.

    Args:
        cls: the kind of loader.
        windows: what to hold.
        sampler: which rows make a batch.
        device: where to hold them.
        when: auto: on a GPU, if they fit into half of its free memory; always; never.
    """
    if when == "never" or (when == "auto" and not _fits(cls, windows, device)):
        return None
    return cls(windows, sampler, device)  # type: ignore[arg-type]


def _fits(cls: type[L], windows: SegmentWindows | ViewWindows, device: torch.device) -> bool:
    """Whether the features take at most their share of a GPU's free memory; False on a CPU, which has them cached."""
    if device.type != "cuda":
        return False
    return 0 < needed_bytes(cls, windows, device) <= FREE_SHARE * torch.cuda.mem_get_info(device)[0]


def needed_bytes(cls: type[L], windows: SegmentWindows | ViewWindows, device: torch.device) -> int:
    """Memory that all features take, by the first window of each view; 0 where there is nothing to hold."""
    needed, first = 0, dict[str, Stretch]()
    for _, window, view in cls.to_read(windows):  # type: ignore[arg-type]
        one = first[view] = first.get(view) or load(windows, window, view, device)
        needed += -(-window.frames // one.frames) * one.x_ND[0].nbytes
    return needed
