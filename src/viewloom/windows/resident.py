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
from viewloom.features.settings import Pooling
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Batch, SegmentBatch, ViewBatch, Window
from viewloom.windows.pairs import ViewWindows
from viewloom.windows.segments import EpochBatches, SegmentWindows
from viewloom.windows.settings import DeviceData
from viewloom.windows.windows import pad_steps, pooled_window, read_window

FREE_SHARE = 0.5
"""Share of a GPU's free memory that features may take; the rest is for gradients and activations."""

Part = tuple[int, Window, str]
"""Row of the windows, its window as planned, and a view."""

B = TypeVar("B", bound=Batch)
W = TypeVar("W", SegmentWindows, ViewWindows)


@dataclass(frozen=True)
class Stretch:
    """Features of a window in one view.

    Attributes:
        x_ND: frames, or steps pooled from them; float16 or float32, minus infinity in rows that are missing.
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
        rows = chunk_frames // self.frames
        both = {"max": (True, False), "mean": (False, True), "both": (True, True)}[self.pooling]
        halves = [_pool(self.x_ND, rows).float()] if both[0] else []
        halves += [_pool_mean(self.x_ND, self.there_N, rows)] if both[1] else []
        x_SZ = torch.cat(halves, dim=1) + 0.0  # -0.0 + 0.0 is 0.0, as the readers have it
        if self.there_N is None:
            return x_SZ, torch.ones(len(x_SZ), dtype=torch.bool, device=x_SZ.device)
        mask_S = _pool(self.there_N[:, None].byte(), rows)[:, 0] > 0
        return x_SZ.masked_fill(~mask_S[:, None], 0.0), mask_S


def _pool_mean(x_ND: Tensor, there_N: Tensor | None, rows: int) -> Tensor:
    """Float32 mean of the rows there are of each run, added up one row after the other as the readers do."""
    there_N = torch.ones(len(x_ND), dtype=torch.bool, device=x_ND.device) if there_N is None else there_N
    x_ND = x_ND.float().masked_fill(~there_N[:, None], 0.0)
    steps, full = -(-len(x_ND) // rows), len(x_ND) // rows
    total_SD, count_S = x_ND.new_zeros(steps, x_ND.shape[1]), x_ND.new_zeros(steps)
    for place in range(min(rows, len(x_ND))):
        at = slice(None, steps if place < len(x_ND) - full * rows else full)
        total_SD[at] += x_ND[place::rows]
        count_S[at] += there_N[place::rows]
    return total_SD / count_S.clamp(min=1)[:, None]  # by a tensor: by a number, a GPU multiplies with the reciprocal


def _pool(x_ND: Tensor, rows: int) -> Tensor:
    """Maximum of each run of ``rows`` rows, the last one shorter."""
    full = len(x_ND) // rows
    whole_SD = x_ND[: full * rows].view(full, rows, x_ND.shape[1]).amax(dim=1)
    rest_RD = x_ND[full * rows :]
    return torch.cat([whole_SD, rest_RD.amax(dim=0, keepdim=True)]) if len(rest_RD) else whole_SD


def load(windows: SegmentWindows | ViewWindows, window: Window, view: str, device: torch.device) -> Stretch:
    """Read one window in one view onto the device: its frames, or its steps where their size never changes."""
    source, sampling = windows.source, windows.sampling
    if fixed_chunks(windows):
        x_ND, there_N, missing = pooled_window(source, window, view, sampling)
    else:
        x_ND, missing = read_window(source, window, view, sampling)
        there_N = ~np.isnan(x_ND[:, 0])
    x_ND = np.where(there_N[:, None], x_ND, np.float32(-np.inf))
    with np.errstate(over="ignore"):
        half_ND = x_ND.astype(np.float16)
    kept_ND = torch.from_numpy(half_ND if np.array_equal(half_ND, x_ND) else x_ND)
    there = None if there_N.all() else torch.from_numpy(there_N).to(device)
    if fixed_chunks(windows):  # pooled by now: a step is its own maximum
        return Stretch(kept_ND.to(device), there, window.chunk_frames, missing)
    return Stretch(kept_ND.to(device), there, 1, missing, sampling.pooling)


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
        parts = track(self.parts(windows), "Loading features onto the device")
        self.stretches = {(row, view): load(windows, window, view, device) for row, window, view in parts}

    @staticmethod
    @abstractmethod
    def parts(windows: W) -> list[Part]:
        """What has to be read."""

    @abstractmethod
    def batch(self, keys: Sequence[tuple[int, int]]) -> B:
        """The batch of some (epoch, row) keys."""

    @property
    def batch_sampler(self) -> EpochBatches:
        """The sampler, by the name it has in torch's loader."""
        return self.sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[B]:
        yield from map(self.batch, self.sampler)


class ResidentSegments(ResidentLoader[SegmentWindows, SegmentBatch]):
    """Single views with labels; windows that the caller knows refined features of come with zeros."""

    @staticmethod
    def parts(windows: SegmentWindows) -> list[Part]:
        """Every row in its view."""
        return [(row, window, view) for row, (window, view) in enumerate(windows.rows)]

    def batch(self, keys: Sequence[tuple[int, int]]) -> SegmentBatch:
        """The batch of some (epoch, row) keys."""
        windows, drawn = self.windows, [self.windows.drawn(*key) for key in keys]
        shape = (len(keys), max(1, *(window.steps for window, _ in drawn)))
        x_BTD = torch.zeros(*shape, windows.dim, device=self.device)
        mask_BT = torch.zeros(shape, dtype=torch.bool, device=self.device)
        missing = []
        for place, ((_, row), (window, view)) in enumerate(zip(keys, drawn, strict=True)):
            if not window.steps:
                missing.append(0)
                continue
            stretch, known = self.stretches[row, view], (window, view) in windows.known
            missing.append(0 if known else stretch.missing_frames)
            at = place, slice(window.steps)
            x_BTD[at], mask_BT[at] = (0.0, True) if known else stretch.pooled(window.chunk_frames)
        labels = [windows.labels_of(window) if window.steps else np.full(1, IGNORE) for window, _ in drawn]
        return SegmentBatch(
            features_BTD=x_BTD,
            mask_BT=mask_BT,
            labels_BT=torch.from_numpy(pad_steps(labels, IGNORE, np.int64)).to(self.device),
            windows=tuple(window for window, _ in drawn),
            views=tuple(view for _, view in drawn),
            missing_frames=tuple(missing),
        )


class ResidentViews(ResidentLoader[ViewWindows, ViewBatch]):
    """Several views at once, without labels."""

    @staticmethod
    def parts(windows: ViewWindows) -> list[Part]:
        """Every row in each view its recording has."""
        return [
            (row, window, view)
            for row, window in enumerate(windows.rows)
            for view in windows.views
            if view in windows.source.views(window.recording)
        ]

    def batch(self, keys: Sequence[tuple[int, int]]) -> ViewBatch:
        """The batch of some (epoch, row) keys."""
        views, drawn = self.windows.views, [self.windows.drawn(*key) for key in keys]
        shape = (len(keys), len(views), max(1, *(window.steps for window in drawn)))
        x_BVTD = torch.zeros(*shape, self.windows.dim, device=self.device)
        mask_BVT = torch.zeros(shape, dtype=torch.bool, device=self.device)
        missing = []
        for place, ((_, row), window) in enumerate(zip(keys, drawn, strict=True)):
            present = [(at, view, self.stretches[row, view]) for at, view in enumerate(views) if (row, view) in self]
            for at, _, stretch in present:
                where = place, at, slice(window.steps)
                x_BVTD[where], mask_BVT[where] = stretch.pooled(window.chunk_frames)
            missing.append(tuple((view, stretch.missing_frames) for _, view, stretch in present))
        return ViewBatch(
            features_BVTD=x_BVTD,
            mask_BVT=mask_BVT,
            windows=tuple(drawn),
            views=views,
            missing_frames=tuple(missing),
        )

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
    parts = cls.parts(windows)  # type: ignore[arg-type]
    if device.type != "cuda" or not parts:
        return False
    first = load(windows, *parts[0][1:], device)
    rows = sum(-(-window.frames // first.frames) for _, window, _ in parts)
    needed = rows * first.x_ND.shape[1] * first.x_ND.element_size()
    return needed <= FREE_SHARE * torch.cuda.mem_get_info(device)[0]
