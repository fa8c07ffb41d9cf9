"""Contrastive learning over views: a step of one view finds the same moment in another.

After Sermanet et al.: "Time-Contrastive Networks: Self-Supervised Learning from Video" (arXiv:1704.06888): moments of
other views attract, other times of the same recording repel; with InfoNCE for their triplets, and with steps near in
time left out, since they show the same.
"""

import random
import zlib
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from viewloom.losses.info_nce import info_nce, near_in_time
from viewloom.methods.encoded import EncodedMethod, Terms, recording_ids
from viewloom.methods.refiner import Dims
from viewloom.methods.settings import ContrastConfig, MethodConfig
from viewloom.nn.distributed import gather_over_processes, sum_over_processes
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("contrast")
class Contrast(EncodedMethod):
    """InfoNCE over pairs of views.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = ContrastConfig
    config: ContrastConfig

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.batches = 0

    def set_epoch(self, epoch: int) -> None:
        """Draws follow the epoch, and the batch in it."""
        super().set_epoch(epoch)
        self.batches = 0

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """The mean over pairs of views; a pair that never meets counts as nothing."""
        pairs = self._pairs()
        meta_BT2 = torch.stack([recording_ids(batch)[:, None].expand(mask_BVT[:, 0].shape), self.times_s(batch)], -1)
        losses = []
        for a, b in pairs:
            kept_BT = self._thinned(mask_BVT[:, a] & mask_BVT[:, b], batch)
            a_NZ, b_NZ, meta_N2 = (self._of_all(x[kept_BT]) for x in (z_BVTZ[:, a], z_BVTZ[:, b], meta_BT2))
            near_NN = near_in_time(meta_N2[:, 0], meta_N2[:, 1], self.config.exclude_s)
            losses.append(info_nce(a_NZ, b_NZ, near_NN, self.config.temperature))
        return {"contrast": (1.0, torch.stack(losses).mean())}

    def _of_all(self, x_NF: Tensor) -> Tensor:
        """The rows of all processes in training; in evaluation each has them all."""
        return gather_over_processes(x_NF) if self.training else x_NF

    def _pairs(self) -> list[tuple[int, int]]:
        """Pairs of views: all, or in training the same draw in all processes of so many of them."""
        pairs = list(combinations(range(len(self.views)), 2))
        if not self.training or len(pairs) <= self.config.pairs:
            return pairs
        self.batches += 1
        return random.Random(f"{self.epoch}/{self.batches}").sample(pairs, self.config.pairs)

    def _thinned(self, both_BT: Tensor, batch: ViewBatch) -> Tensor:
        """``both_BT`` with every so-manieth of each row's steps left, where all processes have too many together."""
        count = both_BT.sum()
        total = int(sum_over_processes(count) if self.training else count)
        stride = -(-total // self.config.negatives)
        if stride <= 1:
            return both_BT
        keys = [f"{self.epoch}/{w.recording}/{w.start}/{w.chunk_frames}" for w in batch.windows]
        offset_B = torch.tensor([zlib.crc32(key.encode()) % stride for key in keys], device=both_BT.device)
        return both_BT & ((both_BT.cumsum(1) + offset_B[:, None]) % stride == 0)
