"""Steps of items as several views see them at the same moments, plain and refined, thinned out evenly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.console import track
from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import DataError, listed
from viewloom.features.base import pooled_dim
from viewloom.methods.refiner import Refiner
from viewloom.metrics.progress import item_progress, segment_progress
from viewloom.metrics.segments import Flags, Floats, Ints
from viewloom.training.runs import say
from viewloom.windows.plan import plan_windows
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows

Kind = Literal["plain", "refined"]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class ItemSteps:
    """Kept steps of one item.

    Attributes:
        item: what they are of.
        frames_S: first frame of each step.
        labels_S: class ids; `IGNORE` where there is no label.
        progress_S2: how far the segment, and the item, has come at each step, from 0 to 1; NaN without a label.
        there: {view: True where it has features (S,)}; views that the recording lacks are left out.
        features: {kind: {view: (S, D or Z)}}.
    """

    item: Item
    frames_S: Ints
    labels_S: Ints
    progress_S2: Floats
    there: dict[str, Flags]
    features: dict[Kind, dict[str, Features]]

    def common(self, views: Sequence[str]) -> Flags | None:
        """Steps at which all of some views have features; None where the recording lacks one of them."""
        if not set(views) <= set(self.there):
            return None
        return np.asarray(np.logical_and.reduce([self.there[view] for view in views]))


def kept_places(steps: int, wanted: int) -> Ints:
    """Places of as many of an item's steps, evenly from the first to the last; all where there are no more."""
    places: Ints = np.linspace(0, steps - 1, min(steps, wanted)).round().astype(np.int64)
    return places


def read_steps(
    dataset: MultiViewDataset,
    items: Sequence[Item],
    views: Sequence[str],
    sampling: Sampling,
    refiner: Refiner | None,
    device: torch.device,
    max_steps: int,
    what: str,
) -> list[ItemSteps]:
    """The steps of items, of which each keeps its share of ``max_steps``, two at least.

    Args:
        dataset: where they are.
        items: what to read.
        views: views to read of each, as far as its recording has them.
        sampling: chunks, windows and policy for missing frames.
        refiner: what refines them, window by window, before any are left out; None: plain features alone.
        device: where it is.
        max_steps: steps kept of a view, over all items.
        what: for the progress bar.
    """
    counts = [_steps_of(item, sampling) for item in items]
    share = min(1.0, max_steps / max(1, sum(counts)))
    reader = Reader(dataset, views, sampling, refiner, device)
    places = [kept_places(count, max(2, int(count * share))) for count in counts]
    each = zip(items, places, strict=True)
    return [reader.item(item, kept_S) for item, kept_S in track(each, f"Reading {what}", len(items))]


def _steps_of(item: Item, sampling: Sampling) -> int:
    return sum(window.steps for window in plan_windows(item, sampling.chunk_frames, sampling.max_chunks))


@dataclass(frozen=True)
class Reader:
    """Reads and refines whole items; arguments as `read_steps`."""

    dataset: MultiViewDataset
    views: Sequence[str]
    sampling: Sampling
    refiner: Refiner | None
    device: torch.device

    def item(self, item: Item, kept_S: Ints) -> ItemSteps:
        """The steps of an item at some places."""
        source = self.dataset.source
        views = [view for view in self.views if view in source.views(item.recording)]
        there: dict[str, Flags] = {}
        features: dict[Kind, dict[str, Features]] = {"plain": {}, "refined": {}}
        for view in views:
            windows = list(self._windows(item, view))
            there[view] = np.concatenate([mask_S for _, _, mask_S in windows])[kept_S]
            features["plain"][view] = np.concatenate([x_SD for x_SD, _, _ in windows])[kept_S]
            if self.refiner is not None:
                features["refined"][view] = np.concatenate([z_SZ for _, z_SZ, _ in windows])[kept_S]
        rows, plan = self._rows(item, ()), plan_windows(item, self.sampling.chunk_frames, self.sampling.max_chunks)
        labels_S = np.concatenate([rows.labels_of(window) for window in plan])
        frames_S = np.concatenate([window.start + np.arange(window.steps) * window.chunk_frames for window in plan])
        progress_S2 = np.stack([segment_progress(labels_S), item_progress(len(labels_S))], axis=1)
        return ItemSteps(item, frames_S[kept_S], labels_S[kept_S], progress_S2[kept_S], there, features)

    def _rows(self, item: Item, views: Sequence[str]) -> SegmentWindows:
        return SegmentWindows(self.dataset.source, self.dataset.labels, [item], views, self.sampling)

    @torch.inference_mode()
    def _windows(self, item: Item, view: str) -> Iterator[tuple[Features, Features, Flags]]:
        """Plain and refined features and mask of each window of an item in a view."""
        rows = self._rows(item, [view])
        for place in range(len(rows)):
            pooled = rows[0, place].pooled
            assert pooled is not None, "nothing is left unread"
            z_SZ = pooled.features_SZ
            if self.refiner is not None:
                x_1SD = torch.from_numpy(pooled.features_SZ)[None].to(self.device)
                mask_1S = torch.from_numpy(pooled.mask_S)[None].to(self.device)
                z_SZ = self.refiner.encode(x_1SD, mask_1S, view)[0].float().cpu().numpy()
            yield pooled.features_SZ, z_SZ, pooled.mask_S


def fitting(
    dataset: MultiViewDataset, views: Sequence[str], named: bool, sampling: Sampling, refiner: Refiner | None
) -> tuple[str, ...]:
    """The views that the refiner takes; those left out are said.

    Raises:
        DataError: one that the user named doesn't fit, or fewer than two views do.
    """
    dims = {view: pooled_dim(dataset.source.dim(view), sampling.pooling) for view in views}
    unfit = {} if refiner is None else {v: why for v, d in dims.items() if (why := refiner.misfit(v, d)) is not None}
    if unfit and named:
        raise DataError(next(iter(unfit.values())))
    if unfit:
        reasons = "; ".join(reason.split(". ")[0] for reason in unfit.values())
        say(f"note: {listed(unfit)} left out. {reasons}.")
    found = tuple(view for view in views if view not in unfit)
    if len(found) < 2:
        raise DataError(
            f"Two views at least can be compared, but there is {listed(found) or 'none'}. Pass other --views."
        )
    return found
