"""Frames into steps: the element-wise maximum or mean of each chunk, or both, over the frames there are, or its first.

The same functions pool what stores read and what a GPU holds, so that neither changes a bit of it: a maximum rounds
nothing, and a mean adds up frame after frame in float32, each chunk in one go. Zeros always come out positive: which
of -0.0 and 0.0 a maximum is depends on the processor.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.errors import DataError
from viewloom.features.settings import Pooling


def pool(
    x_TD: Tensor, chunk_frames: int, pooling: Pooling = "max", there_T: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Pool each run of ``chunk_frames`` rows, the last one shorter, over the frames there are.

    Args:
        x_TD: features, float16 or float32.
        chunk_frames: frames in a chunk.
        pooling: what is kept of each chunk.
        there_T: bool, False for frames that are missing; None if none is.

    Returns:
        Float32 features (S, Z), zeros in a chunk without a single frame, and the mask (S,) of chunks with one. A
        chunk with a NaN in it gives NaN.
    """
    halves = []
    if pooling == "first":
        halves.append(pool_first(x_TD, chunk_frames, there_T))
    if pooling in ("max", "both"):
        seen_TD = x_TD if there_T is None else x_TD.masked_fill(~there_T[:, None], -torch.inf)
        halves.append(chunk_max(seen_TD, chunk_frames).float() + 0.0)
    if pooling in ("mean", "both"):
        halves.append(pool_mean(x_TD, chunk_frames, there_T))
    x_SZ = torch.cat(halves, dim=1) if len(halves) > 1 else halves[0]
    if there_T is None:
        return x_SZ, torch.ones(len(x_SZ), dtype=torch.bool, device=x_SZ.device)
    mask_S = chunk_max(there_T[:, None].byte(), chunk_frames)[:, 0] > 0
    return x_SZ.masked_fill_(~mask_S[:, None], 0.0), mask_S


def pool_first(x_TD: Tensor, chunk_frames: int, there_T: Tensor | None = None) -> Tensor:
    """The first frame (S, D) of each chunk, in float32; where frames are missing, the first one that there is."""
    first_S = torch.arange(0, len(x_TD), chunk_frames, device=x_TD.device)
    if there_T is not None:
        places_T = torch.arange(len(x_TD), device=x_TD.device)
        found_S = -chunk_max((-places_T).masked_fill(~there_T, -len(x_TD))[:, None], chunk_frames)[:, 0]
        first_S = torch.where(found_S < len(x_TD), found_S, first_S)
    return x_TD[first_S].float() + 0.0


def pool_mean(x_TD: Tensor, chunk_frames: int, there_T: Tensor | None = None) -> Tensor:
    """Mean (S, D) in float32 of each chunk's frames, added up one after the other; zeros where it has none."""
    if there_T is not None:
        x_TD = x_TD.masked_fill(~there_T[:, None], 0.0)
    steps, full = -(-len(x_TD) // chunk_frames), len(x_TD) // chunk_frames
    total_SD, count_S = (
        x_TD.new_zeros(steps, x_TD.shape[1], dtype=torch.float32),
        x_TD.new_zeros(steps, dtype=torch.float32),
    )
    for place in range(min(chunk_frames, len(x_TD))):
        at = slice(None, steps if place < len(x_TD) - full * chunk_frames else full)
        total_SD[at] += x_TD[place::chunk_frames]
        count_S[at] += 1 if there_T is None else there_T[place::chunk_frames]
    total_SD /= count_S.clamp(min=1)[:, None]  # by a tensor: by a number, a GPU multiplies with the reciprocal
    return total_SD.add_(0.0)


def chunk_max(x_TD: Tensor, chunk_frames: int) -> Tensor:
    """Maximum (S, D) of each run of rows, the last one shorter, in the rows' type."""
    full, dim = len(x_TD) // chunk_frames, x_TD.shape[1]
    whole_SCD, rest_RD = x_TD[: full * chunk_frames].view(full, chunk_frames, dim), x_TD[full * chunk_frames :]
    if x_TD.dtype == torch.float16 and x_TD.device.type == "cpu" and full:
        # Numbers that aren't negative sort as their bits do, and processors are twice as fast with whole numbers.
        top_SD = whole_SCD.view(torch.int16).amax(dim=1)
        top_SD = top_SD.view(torch.float16) if not top_SD.numel() or top_SD.min() >= 0 else whole_SCD.amax(dim=1)
    else:
        top_SD = whole_SCD.amax(dim=1)
    return torch.cat([top_SD, rest_RD.amax(dim=0, keepdim=True)]) if len(rest_RD) else top_SD


def pool_rows(
    x_TD: NDArray[np.floating],
    chunk_frames: int,
    pooling: Pooling,
    where: str,
    first_frame: int,
    checked: bool = False,
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """`pool` of rows as they were read, rows of NaN for missing frames.

    Args:
        x_TD: features; may lie in a file.
        chunk_frames: frames in a chunk.
        pooling: what is kept of each chunk.
        where: recording and view, for messages.
        first_frame: number of the first row's frame.
        checked: rows that aren't finite are known to be NaN throughout.

    Returns:
        As `pool`, and the numbers of the missing frames.

    Raises:
        DataError: see `missing_rows`.
    """
    rows_TD = torch.from_numpy(x_TD)
    x_SZ, mask_S = pool(rows_TD, chunk_frames, pooling)
    # NaN and infinity show in what was pooled, but for minus infinity, which a maximum hides, and behind a first frame.
    seen = pooling != "max" or checked or not len(x_TD) or bool(rows_TD.min() > -torch.inf)
    seen = seen and (pooling != "first" or bool(rows_TD.isfinite().all()))
    if seen and bool(x_SZ.isfinite().all()):
        return x_SZ, mask_S, np.empty(0, np.int64)
    missing = missing_rows(x_TD, where, first_frame)
    there_T = torch.ones(len(x_TD), dtype=torch.bool)
    there_T[torch.from_numpy(missing)] = False
    return *pool(rows_TD, chunk_frames, pooling, there_T), missing + first_frame


def missing_rows(x_TD: NDArray[np.floating], where: str, first_frame: int) -> NDArray[np.int64]:
    """Rows of NaN; `DataError` for a row that is NaN or infinite only in part.

    Args:
        x_TD: features.
        where: recording and view, for the message.
        first_frame: number of the first row's frame.
    """
    # The sum is NaN or infinite wherever a row is not wholly finite; only such rows are looked at closely.
    with np.errstate(invalid="ignore", over="ignore"):
        odd = np.flatnonzero(~np.isfinite(x_TD.sum(axis=1, dtype=np.float32)))
    absent = np.isnan(x_TD[odd]).all(axis=1)
    corrupt = odd[~absent & ~np.isfinite(x_TD[odd]).all(axis=1)]
    if len(corrupt):
        raise DataError(
            f"{where}: features of {len(corrupt)} frame(s) hold NaN or infinite values, first at frame "
            f"{first_frame + corrupt[0]}. Extract them again, or run `viewloom check` for the full list."
        )
    missing: NDArray[np.int64] = odd[absent]
    return missing
