"""The statistics that a head standardises its input by: one pass over the training windows, before the first step."""

import torch

from viewloom.console import track
from viewloom.errors import DataError
from viewloom.heads.base import Head
from viewloom.training.refined import FrozenRefiner
from viewloom.windows.segments import SegmentWindows, make_loader


@torch.no_grad()
def take_statistics(
    head: Head, frozen: FrozenRefiner | None, windows: SegmentWindows, device: torch.device, workers: int = 0
) -> None:
    """Let a head see every valid step of its training windows once, behind the refiner, if any.

    Windows are seen one by one and in order, by every process alike, so that neither batch size nor workers nor the
    number of processes has a say in the result. Labels have no part in it. Behind a refiner whose features' sizes tell
    something, all are divided by one deviation; else each by its own.

    Args:
        head: takes the statistics.
        frozen: the refiner before it, or None.
        windows: the training windows, with the chunk size they have without augmentation.
        device: where to refine.
        workers: processes that read.
    """
    dtype = next(head.parameters()).dtype  # float64 with precision 64-true
    for batch in track(make_loader(windows, 1, None, workers), "Statistics of the head's input"):
        batch = batch.to(device).with_numbers(dtype)
        if frozen is not None:
            batch = frozen.refine(batch)
        head.observe(batch.features_BTD, batch.mask_BT)
    if not head.scaling.seen:
        raise DataError("Not one step of the training windows has features, so there is nothing to train on.")
    head.solve_scaling(together=frozen is not None and frozen.refiner.sizes_tell)
