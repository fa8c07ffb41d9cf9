"""A trained head with what stands before it, applied to whole items: frame-level probabilities and labels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item
from viewloom.errors import ConfigError
from viewloom.features.base import FeatureSource, pooled_dim
from viewloom.heads.base import Head
from viewloom.heads.multilabel import probabilities
from viewloom.training.missing import MissingFrames
from viewloom.training.provenance import Learned, together
from viewloom.training.refined import FrozenRefiner
from viewloom.training.streamed import Chain, StepStream, whole
from viewloom.training.threads import inference_threads, using_threads
from viewloom.windows.batch import Window
from viewloom.windows.plan import unpool
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentRow, SegmentWindows, collate


@dataclass
class _Sum:
    """Probabilities of an item's frames, added up over chunk sizes, and how many windows are still to come."""

    item: Item
    total_TK: NDArray[np.float32]
    windows_left: int

    def add(self, window: Window, probs_SK: NDArray[np.float32]) -> None:
        """Add a window's, repeated over its frames."""
        frames_TK = unpool(probs_SK, window)
        offset = window.start - self.item.start
        self.total_TK[offset : offset + len(frames_TK)] += frames_TK
        self.windows_left -= 1


@dataclass
class Segmenter:
    """Refiner (or none) and head, in evaluation mode.

    Attributes:
        head: the segmentation head.
        refiner: what stands before it, or None for plain features.
        sampling: chunk sizes and the policy for missing frames.
        device: where to compute.
        batch_size: windows computed at once, of several items where one has fewer; never changes a result.
        missing: frames that views lacked so far.
        streamed: compute each item as a stream, in one go from its beginning; the chain must look back only.
    """

    head: Head
    refiner: FrozenRefiner | None
    sampling: Sampling
    device: torch.device
    batch_size: int = 8
    missing: MissingFrames = field(default_factory=MissingFrames)
    streamed: bool = False

    def each(
        self, source: FeatureSource, items: Iterable[Item], view: str
    ) -> Iterator[tuple[Item, NDArray[np.float32]]]:
        """Items and class probabilities of every frame of theirs in one view, (frames, K), averaged over chunk sizes.

        In the order of the items, as soon as each one's last window is computed.
        """
        if (reason := self.misfit(source, view)) is not None:
            raise ConfigError(reason)
        if self.streamed:
            yield from ((item, self._as_stream(source, item, view)) for item in items)
            return
        rows = self._rows(source, items, view)
        while batch := list(islice(rows, self.batch_size)):
            probs_BTK = self._compute([row for _, row in batch])
            for (running, row), probs_TK in zip(batch, probs_BTK, strict=True):
                running.add(row.window, probs_TK[: row.window.steps])
                if not running.windows_left:
                    running.total_TK /= len(self.sampling.test_chunks)
                    yield running.item, running.total_TK

    def misfit(self, source: FeatureSource, view: str) -> str | None:
        """Why a view can't be segmented: the refiner has no map for it, or its size is another; None where it can."""
        dim = pooled_dim(source.dim(view), self.sampling.pooling)
        if self.refiner is not None:
            return self.refiner.refiner.misfit(view, dim)
        if dim == self.head.dim:
            return None
        return (
            f"The model takes features of size {self.head.dim}, but those of view {view!r} have {dim} with pooling "
            f"{self.sampling.pooling}. Use the features and the pooling it was trained on, or train on these."
        )

    def learned_from(self, head: Mapping[str, Any]) -> Learned:
        """What head and refiner learned from; ``head`` is what was stored with the head."""
        refiner = {} if self.refiner is None else self.refiner.refiner.extra
        return together(head.get("learned_from", {}), refiner.get("learned_from", {}))

    def _rows(self, source: FeatureSource, items: Iterable[Item], view: str) -> Iterator[tuple[_Sum, SegmentRow]]:
        """Each window of the items, at each chunk size."""
        kept = self.refiner.kept if self.refiner is not None else ()
        for item in items:
            by_chunk = [
                SegmentWindows(source, None, [item], [view], self.sampling, chunk_frames=chunk, unread=kept)
                for chunk in self.sampling.test_chunks
            ]
            total_TK = np.zeros((item.end - item.start, self.head.classes), np.float32)
            running = _Sum(item, total_TK, sum(map(len, by_chunk)))
            for place, windows in enumerate(by_chunk):
                for index in range(len(windows)):
                    row = windows[0, index]
                    if place == 0:  # each frame is read at every chunk size
                        self.missing.note(item.name, view, 0 if row.pooled is None else len(row.pooled.missing))
                    yield running, row

    def _as_stream(self, source: FeatureSource, item: Item, view: str) -> NDArray[np.float32]:
        """Class probabilities (frames, K) of an item, as `viewloom.training.streamed` says."""
        chain = Chain(self.head, None if self.refiner is None else self.refiner.refiner, view, self.device)
        total_TK = np.zeros((item.end - item.start, self.head.classes), np.float32)
        for place, chunk in enumerate(self.sampling.test_chunks):
            windows = SegmentWindows(source, None, [item], [view], self.sampling, chunk_frames=chunk)
            read = [pooled for index in range(len(windows)) if (pooled := windows[0, index].pooled) is not None]
            if place == 0:  # each frame is read at every chunk size
                self.missing.note(item.name, view, sum(len(pooled.missing) for pooled in read))
            stream = StepStream(chain, None if self.refiner is None else self.refiner.step_s(chunk))
            probs_SK = whole(stream, ((pooled.features_SZ, pooled.mask_S) for pooled in read))
            total_TK += np.repeat(probs_SK, chunk, axis=0)[: len(total_TK)]
        total_TK /= len(self.sampling.test_chunks)
        return total_TK

    @torch.inference_mode()
    def _compute(self, rows: Sequence[SegmentRow]) -> NDArray[np.float32]:
        """Class probabilities (B, T, K) of the steps of windows."""
        dtype = next(self.head.parameters()).dtype  # float64 while a run with precision 64-true is validated
        batch = collate(rows).to(self.device).with_numbers(dtype)
        parts = [self.head] if self.refiner is None else [self.head, self.refiner.refiner]
        with using_threads(inference_threads(self.device, *parts)):
            if self.refiner is not None:
                batch = self.refiner.refine(batch)
            probs_BTK = probabilities(self.head, self.head(batch.features_BTD, batch.mask_BT), batch.mask_BT)
        return probs_BTK.float().cpu().numpy()


def pick_device(accelerator: str) -> torch.device:
    """The device for inference: 'auto' takes a GPU where there is one."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=accelerator).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"Device {accelerator!r} can't be used here ({reason}). Try auto or cpu.") from None
