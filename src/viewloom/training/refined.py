"""A frozen refiner before a head: every window is refined once, as far as the memory allowed for it goes."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from viewloom.methods.refiner import Refiner
from viewloom.windows.batch import SegmentBatch, Window

GIB = 2**30

Key = tuple[Window, str]


class FrozenRefiner:
    """Refines batches, and keeps what it has refined in memory.

    Rows are refined one at a time, without padding, so that a row's features are the same to the bit in any
    batch, and the same whether they were kept or not. They are kept by window (its chunk size included) and view
    until the memory is full; what is in stays in, since every epoch comes back to all windows. A refiner whose
    results depend on the whole batch (context batch) is given whole batches, and nothing is kept.

    Args:
        refiner: a frozen refiner.
        cache_gib: memory for refined features; 0 keeps nothing.
        fps: frames a second of the windows, for a refiner that looks at time; None: steps are as in its training.

    Attributes:
        kept: refined features (S, Z) and mask (S,) of windows, which nobody needs to read again.
    """

    def __init__(self, refiner: Refiner, cache_gib: float = 0.0, fps: float | None = None) -> None:
        self.refiner = refiner
        self.fps = fps
        self.kept: dict[Key, tuple[Tensor, Tensor]] = {}
        self._room_bytes = 0 if refiner.needs_whole_batch else int(cache_gib * GIB)

    def step_s(self, chunk_frames: int) -> float | None:
        """Seconds of a step of so many frames; None: as in its training."""
        return None if self.fps is None else chunk_frames / self.fps

    @torch.no_grad()
    def refine(self, batch: SegmentBatch) -> SegmentBatch:
        """The batch with refined features; rows whose features are kept need not have been read."""
        refine = self._whole if self.refiner.needs_whole_batch else self._row_by_row
        return refine(batch)

    def _whole(self, batch: SegmentBatch) -> SegmentBatch:
        """Each view's rows together, padded as they are."""
        refined_BTZ = batch.features_BTD.new_zeros((*batch.mask_BT.shape, self.refiner.out_dim))
        for view in dict.fromkeys(batch.views):
            rows = torch.tensor([name == view for name in batch.views], device=refined_BTZ.device)
            x_BTD = batch.features_BTD[rows, :, : self.refiner.dim_of(view)]
            refined_BTZ[rows] = self.refiner.encode(x_BTD, batch.mask_BT[rows], view)
        return replace(batch, features_BTD=refined_BTZ)

    def _row_by_row(self, batch: SegmentBatch) -> SegmentBatch:
        """Every row on its own, or as it was kept."""
        refined_BTZ = batch.features_BTD.new_zeros((*batch.mask_BT.shape, self.refiner.out_dim))
        mask_BT = torch.zeros_like(batch.mask_BT)
        for place, (z_SZ, mask_S) in enumerate(self._rows(batch)):
            refined_BTZ[place, : len(z_SZ)] = z_SZ
            mask_BT[place, : len(mask_S)] = mask_S
        return replace(batch, features_BTD=refined_BTZ, mask_BT=mask_BT)

    def _rows(self, batch: SegmentBatch) -> Iterator[tuple[Tensor, Tensor]]:
        for place, key in enumerate(zip(batch.windows, batch.views, strict=True)):
            if key not in self.kept:
                steps = key[0].steps
                # A copy: where in memory a row begins must not decide how it is rounded.
                x_1SD = batch.features_BTD[place : place + 1, :steps, : self.refiner.dim_of(key[1])].clone()
                mask_1S = batch.mask_BT[place : place + 1, :steps].clone()
                step_s = self.step_s(key[0].chunk_frames)
                yield self._keep(key, self.refiner.encode(x_1SD, mask_1S, key[1], step_s)[0], mask_1S[0])
            else:
                yield self.kept[key]

    def _keep(self, key: Key, z_SZ: Tensor, mask_S: Tensor) -> tuple[Tensor, Tensor]:
        """Keep a row while there is room."""
        size = z_SZ.nbytes + mask_S.nbytes
        if size <= self._room_bytes:
            self._room_bytes -= size
            self.kept[key] = z_SZ, mask_S
        return z_SZ, mask_S
