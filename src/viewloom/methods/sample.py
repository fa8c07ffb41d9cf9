"""A bounded sample of steps that depends on the steps alone: not on batches, their order, or processes."""

import zlib

import numpy as np
import torch
from torch import Tensor

from viewloom.nn.distributed import values_of_processes
from viewloom.windows.batch import ViewBatch

SIZE = 1000
"""Steps kept of a view."""
NONE = 2**63 - 1
"""Rank of a place that holds no step."""


class HashedSample:
    """Features of the steps whose hashes, of recording and frame, are the smallest (bottom-k sampling; Cohen 1997).

    Args:
        dim: feature size D.
        size: steps kept at most.
    """

    def __init__(self, dim: int, size: int = SIZE) -> None:
        self.size = size
        self.ranks_N = torch.full((size,), NONE, dtype=torch.int64)
        self.x_ND = torch.zeros(size, dim, dtype=torch.float64)

    def add(self, batch: ViewBatch, view: str) -> None:
        """Take the valid steps of a view in."""
        mask_BT = batch.mask_of(view).cpu()
        ranks_BT = torch.stack([_ranks(w.recording, w.start, w.chunk_frames, mask_BT.shape[1]) for w in batch.windows])
        ranks_N = ranks_BT[mask_BT]
        chosen = ranks_N.argsort()[: self.size]
        x_ND = batch.features[view].cpu()[mask_BT][chosen]
        self._keep(torch.cat([self.ranks_N, ranks_N[chosen]]), torch.cat([self.x_ND, x_ND.double()]))

    def over_processes(self) -> Tensor:
        """The sample (N, D) of what all processes have seen, float64, in the order of hashes."""
        self._keep(torch.cat(values_of_processes(self.ranks_N)), torch.cat(values_of_processes(self.x_ND)))
        return self.x_ND[self.ranks_N < NONE]

    def _keep(self, ranks_M: Tensor, x_MD: Tensor) -> None:
        chosen = ranks_M.argsort(stable=True)[: self.size]
        self.ranks_N, self.x_ND = ranks_M[chosen], x_MD[chosen]


def _ranks(recording: str, start: int, chunk_frames: int, steps: int) -> Tensor:
    """A hash (T,) of each step, from 0 to below `NONE` (splitmix64 of recording and frame)."""
    frames_T = np.uint64(start) + np.arange(steps, dtype=np.uint64) * np.uint64(chunk_frames)
    mixed_T = frames_T + (np.uint64(zlib.crc32(recording.encode())) << np.uint64(32))
    with np.errstate(over="ignore"):
        mixed_T = mixed_T + np.uint64(0x9E3779B97F4A7C15)
        mixed_T = (mixed_T ^ (mixed_T >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed_T = (mixed_T ^ (mixed_T >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    ranks_T = (mixed_T ^ (mixed_T >> np.uint64(31))) >> np.uint64(1)
    return torch.from_numpy(np.minimum(ranks_T, np.uint64(NONE - 1)).astype(np.int64))
