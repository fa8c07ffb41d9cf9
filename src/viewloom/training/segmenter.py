"""A trained head with what stands before it, applied to whole items: frame-level probabilities and labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.data.dataset import Item
from viewloom.data.module import SegmentRow, SegmentWindows, collate
from viewloom.data.sources.base import FeatureSource
from viewloom.data.windows import SamplingConfig, unpool
from viewloom.errors import ConfigError
from viewloom.heads.base import Head
from viewloom.training.missing import MissingFrames

Encode = Callable[[Tensor, Tensor, str], Tensor]
"""A refiner's ``encode``: (x_BTD, mask_BT, view) to z_BTD."""


@dataclass
class Segmenter:
    """Refiner (or none) and head, in evaluation mode.

    Attributes:
        head: the segmentation head.
        encode: the frozen refiner's ``encode``, or None for plain features.
        sampling: chunk sizes and the policy for missing frames.
        device: where to compute.
        batch_size: windows computed at once; never changes a result.
        missing: frames that views lacked so far.
    """

    head: Head
    encode: Encode | None
    sampling: SamplingConfig
    device: torch.device
    batch_size: int = 8
    missing: MissingFrames = field(default_factory=MissingFrames)

    def probabilities(self, source: FeatureSource, item: Item, view: str) -> NDArray[np.float32]:
        """Class probabilities of every frame of an item in one view, (frames, K), averaged over chunk sizes."""
        if source.dim != self.head_input_dim:
            raise ConfigError(
                f"The model takes features of size {self.head_input_dim}, but these have {source.dim}. "
                "Use the features it was trained on, or train on these."
            )
        total = np.zeros((item.end - item.start, self.head.classes), np.float32)
        for row, probs_SK in self._rows(source, item, view):
            if row.window.chunk_frames == self.sampling.test_chunks[0]:  # each frame is read at every chunk size
                self.missing.note(item.name, view, row.missing_frames)
            frames = unpool(probs_SK, row.window)
            offset = row.window.start - item.start
            total[offset : offset + len(frames)] += frames
        total /= len(self.sampling.test_chunks)
        return total

    @property
    def head_input_dim(self) -> int:
        """Feature size the whole chain takes."""
        refiner = getattr(self.encode, "__self__", None)
        return self.head.dim if refiner is None else int(refiner.dim)

    def _rows(self, source: FeatureSource, item: Item, view: str) -> Iterator[tuple[SegmentRow, NDArray[np.float32]]]:
        """Each window of the item, at each chunk size, with its step probabilities."""
        pending: list[SegmentRow] = []
        for chunk in self.sampling.test_chunks:
            windows = SegmentWindows(source, None, [item], [view], self.sampling, chunk_frames=chunk)
            for index in range(len(windows)):
                pending.append(windows[0, index])
                if len(pending) == self.batch_size:
                    yield from self._compute(pending)
                    pending = []
        if pending:
            yield from self._compute(pending)

    @torch.inference_mode()
    def _compute(self, rows: Sequence[SegmentRow]) -> Iterator[tuple[SegmentRow, NDArray[np.float32]]]:
        batch = collate(rows)
        dtype = next(self.head.parameters()).dtype  # float64 while a run with precision 64-true is validated
        x_BTD, mask_BT = batch.features_BTD.to(self.device, dtype), batch.mask_BT.to(self.device)
        if self.encode is not None:
            x_BTD = self.encode(x_BTD, mask_BT, rows[0].view)
        probs_BTK = self.head.decode(self.head(x_BTD, mask_BT), mask_BT).float().cpu().numpy()
        for row, probs_TK in zip(rows, probs_BTK, strict=True):
            yield row, probs_TK[: row.window.steps]


def pick_device(accelerator: str) -> torch.device:
    """The device for inference: 'auto' takes a GPU where there is one."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=accelerator).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"Device {accelerator!r} can't be used here ({reason}). Try auto or cpu.") from None
