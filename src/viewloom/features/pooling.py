"""Frames into steps: the element-wise maximum or mean of each chunk, or both, over the frames there are.

`pool_valid` is the plain form. `pool_rows` gives the same, bit for bit, without a second pass over the frames;
the feature stores build on it (``read_pooled``). Zeros in the result are always positive: which of -0.0 and 0.0
numpy's maximum returns depends on the processor, so both are made 0.0. A mean adds up frame after frame in float32,
each chunk in one go, so that neither blocks nor the kind of store change a bit of it.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.settings import Pooling as Pooling

BLOCK_BYTES = 1 << 20
"""Features (as float32) that a store reads and pools at a time: few enough to stay in the processor's cache."""
_NEGATIVE_INFINITY_BITS = 0xFF800000
_FLOAT16_INFINITY_BITS = 0x7C00
_FEW = 0.02
"""Share of maxima up to which picking their chunks one by one is faster than another pass over all."""


class Pooled(NamedTuple):
    """A window pooled by chunks.

    Attributes:
        features_SD: float32, each chunk's frames pooled element by element; zeros where it has none.
        missing: numbers of the frames that the view lacks, ascending.
        start: first frame.
        end: frame after the last.
        chunk_frames: frames in a chunk; the last chunk may be shorter.
    """

    features_SD: NDArray[np.float32]
    missing: NDArray[np.int64]
    start: int
    end: int
    chunk_frames: int

    @property
    def mask_S(self) -> NDArray[np.bool_]:
        """True where a chunk has at least one frame."""
        steps = np.arange(len(self.features_SD))
        sizes = np.minimum(self.chunk_frames, self.end - self.start - steps * self.chunk_frames)
        lacking = np.bincount((self.missing - self.start) // self.chunk_frames, minlength=len(steps))
        mask_S: NDArray[np.bool_] = lacking < sizes
        return mask_S


def pooled_dim(dim: int, pooling: Pooling) -> int:
    """Size of a step's features: that of a frame's, twice as much for both poolings."""
    return 2 * dim if pooling == "both" else dim


def pool_max(x_TD: NDArray[np.float32], chunk_frames: int) -> NDArray[np.float32]:
    """Element-wise maximum of each run of ``chunk_frames`` rows, the last one shorter; (T, D) to (S, D).

    A chunk with a NaN in it gives NaN, as numpy's maximum does; zeros come out positive.
    """
    pooled_SD = np.empty((-(-len(x_TD) // chunk_frames), x_TD.shape[1]), np.float32)
    _pool_max_into(x_TD, chunk_frames, pooled_SD)
    return pooled_SD


def _pool_into(x_TD: NDArray[np.float32], chunk_frames: int, pooling: Pooling, out_SZ: NDArray[np.float32]) -> None:
    """Pool runs of rows, the last one shorter; a chunk with a NaN in it gives NaN, and zeros come out positive."""
    dim = x_TD.shape[1]
    if pooling != "mean":
        _pool_max_into(x_TD, chunk_frames, out_SZ[:, :dim])
    if pooling != "max":
        _pool_mean_into(np.ascontiguousarray(x_TD), chunk_frames, out_SZ[:, out_SZ.shape[1] - dim :])


def _pool_max_into(x_TD: NDArray[np.float32], chunk_frames: int, out_SD: NDArray[np.float32]) -> None:
    full = len(x_TD) // chunk_frames
    whole, rest = x_TD[: full * chunk_frames], x_TD[full * chunk_frames :]
    np.maximum.reduce(whole.reshape(full, chunk_frames, x_TD.shape[1]), axis=1, out=out_SD[:full])
    if len(rest):
        np.maximum.reduce(rest, axis=0, out=out_SD[full])
    out_SD += np.float32(0.0)  # -0.0 + 0.0 is 0.0


def _pool_mean_into(x_TD: NDArray[np.float32], chunk_frames: int, out_SD: NDArray[np.float32]) -> None:
    full = len(x_TD) // chunk_frames
    whole, rest = x_TD[: full * chunk_frames], x_TD[full * chunk_frames :]
    with np.errstate(invalid="ignore", over="ignore"):  # infinite values are the caller's to find
        _add_up(whole.reshape(full, chunk_frames, x_TD.shape[1]), out_SD[:full])
        out_SD[:full] /= np.float32(chunk_frames)
        if len(rest):
            _add_up(rest[None], out_SD[full:])
            out_SD[full:] /= np.float32(len(rest))
        out_SD += np.float32(0.0)


def _add_up(x_SCD: NDArray[np.float32], out_SD: NDArray[np.float32]) -> None:
    """Sum of each chunk, one frame after the other."""
    if x_SCD.shape[2] > 1:
        np.add.reduce(x_SCD, axis=1, out=out_SD)
    else:  # of a single column numpy's reduce would add up pairs
        out_SD[:] = np.add.accumulate(x_SCD, axis=1)[:, -1]


def pool_valid(
    x_TD: NDArray[np.float32], chunk_frames: int, pooling: Pooling = "max"
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Pool each run of ``chunk_frames`` rows, the last one shorter, over the frames there are, leaving out rows of NaN.

    Returns:
        Pooled features (S, Z), zeros in a chunk without a single frame, and the mask (S,) of chunks with one.
    """
    pooled_SZ = np.empty((-(-len(x_TD) // chunk_frames), pooled_dim(x_TD.shape[1], pooling)), np.float32)
    _pool_into(x_TD, chunk_frames, pooling, pooled_SZ)
    holes = np.flatnonzero(np.isnan(pooled_SZ[:, 0])) if pooled_SZ.size else np.empty(0, np.int64)
    return pooled_SZ, _pool_again(x_TD, chunk_frames, pooling, holes, pooled_SZ)


def _pool_again(
    x_TD: NDArray[np.float32],
    chunk_frames: int,
    pooling: Pooling,
    steps: NDArray[np.int64],
    out_SZ: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Pool chunks that lack frames over those they have, in place; returns the mask (S,) of chunks with one."""
    mask_S = np.ones(len(out_SZ), np.bool_)
    for step in steps:  # only chunks that lack a frame come here
        rows = x_TD[step * chunk_frames : (step + 1) * chunk_frames]
        rows = rows[~np.isnan(rows[:, 0])]
        mask_S[step] = len(rows) > 0
        if len(rows):
            _pool_into(rows, len(rows), pooling, out_SZ[step : step + 1])
        else:
            out_SZ[step] = 0.0
    return mask_S


def missing_rows(x_TD: NDArray[np.float32], where: str, first_frame: int) -> NDArray[np.int64]:
    """Rows of NaN; `DataError` for a row that is NaN or infinite only in part.

    Args:
        x_TD: features.
        where: recording and view, for the message.
        first_frame: number of the first row's frame.
    """
    # The sum is NaN or infinite wherever a row is not wholly finite; only such rows are looked at closely.
    with np.errstate(invalid="ignore", over="ignore"):
        odd = np.flatnonzero(~np.isfinite(x_TD.sum(axis=1)))
    absent = np.isnan(x_TD[odd]).all(axis=1)
    corrupt = odd[~absent & ~np.isfinite(x_TD[odd]).all(axis=1)]
    if len(corrupt):
        raise DataError(
            f"{where}: features of {len(corrupt)} frame(s) hold NaN or infinite values, first at frame "
            f"{first_frame + corrupt[0]}. Extract them again, or run `viewloom check` for the full list."
        )
    return odd[absent]


def pool_rows(
    x_TD: NDArray[np.float32],
    chunk_frames: int,
    where: str,
    first_frame: int,
    out_SD: NDArray[np.float32],
    pooling: Pooling = "max",
) -> NDArray[np.int64]:
    """`missing_rows` and `pool_valid` of rows that are in the processor's cache, at little more than the pooling.

    Args:
        x_TD: features, C-contiguous.
        chunk_frames: frames in a chunk.
        where: recording and view, for messages.
        first_frame: number of the first row's frame.
        out_SD: receives the pooled features.
        pooling: what is kept of each chunk.

    Returns:
        Numbers of the missing frames.

    Raises:
        DataError: see `missing_rows`.
    """
    _pool_into(x_TD, chunk_frames, pooling, out_SD)
    if pooling == "max":
        # NaN and +inf show in the maximum. As unsigned integers, -inf and negative NaN are the largest of all.
        finite = out_SD.max(initial=0) < np.inf and x_TD.view(np.uint32).max(initial=0) < _NEGATIVE_INFINITY_BITS
    else:
        finite = bool(np.isfinite(out_SD).all())  # in a sum nothing that isn't finite is lost
    if finite:
        return np.empty(0, np.int64)
    missing = missing_rows(x_TD, where, first_frame)
    _pool_again(x_TD, chunk_frames, pooling, np.unique(missing // chunk_frames), out_SD)
    return missing + first_frame


def pool_stored(
    rows_TD: NDArray[np.floating], chunk_frames: int, pooling: Pooling, out_SZ: NDArray[np.float32]
) -> bool:
    """Pool whole chunks of rows as a packed store keeps them, float16 or float32.

    Returns:
        False where some row isn't finite; ``out_SZ`` then holds nothing of use.
    """
    if pooling == "max":
        pool = pool_halves if rows_TD.dtype == np.float16 else pool_finite
        return pool(rows_TD, chunk_frames, out_SZ)
    _pool_into(rows_TD.astype(np.float32, copy=False), chunk_frames, pooling, out_SZ)
    return bool(np.isfinite(out_SZ).all())


def pool_finite(x_TD: NDArray[np.float32], chunk_frames: int, out_SD: NDArray[np.float32]) -> bool:
    """`pool_max` into ``out_SD``; False where a maximum is infinite or NaN."""
    _pool_max_into(x_TD, chunk_frames, out_SD)
    return bool(out_SD.max(initial=0) < np.inf)


def pool_halves(x_TD: NDArray[np.float16], chunk_frames: int, out_SD: NDArray[np.float32]) -> bool:
    """`pool_max` of whole chunks of float16 rows, through their order as integers; numpy's own is 20 times slower.

    Numbers that are not negative sort as their bits do; negative ones sort the other way round and come before
    them. So the largest integer is the maximum, unless all numbers of a chunk are negative: then the smallest is.

    Args:
        x_TD: features; T is a multiple of ``chunk_frames``.
        chunk_frames: frames in a chunk.
        out_SD: receives the pooled features.

    Returns:
        False where a maximum is infinite or NaN; ``out_SD`` then holds nothing of use.
    """
    bits_SCD = x_TD.view(np.int16).reshape(-1, chunk_frames, x_TD.shape[1])
    top_SD = np.maximum.reduce(bits_SCD, axis=1)
    negative = top_SD.min(initial=0) < 0
    if negative:
        steps, columns = np.nonzero(top_SD < 0)
        if len(steps) > top_SD.size * _FEW:
            top_SD = np.where(top_SD < 0, np.minimum.reduce(bits_SCD, axis=1), top_SD)
        else:
            top_SD[steps, columns] = bits_SCD[steps, :, columns].min(axis=1)
    if top_SD.max(initial=0) >= _FLOAT16_INFINITY_BITS:
        return False
    _widen(top_SD, negative, out_SD)
    return True


def _widen(bits_SD: NDArray[np.int16], negative: bool, out_SD: NDArray[np.float32]) -> None:
    """Bits of finite float16 numbers to float32, several times faster than numpy's conversion; zeros positive.

    A float16 moved to a float32's place has the right bits and an exponent too small by 112.
    """
    if np.float32(2.0**-149) * np.float32(2.0**112) == 0:  # the processor is told to drop subnormal numbers
        out_SD[:] = bits_SD.view(np.float16)
        out_SD += np.float32(0.0)
        return
    wide_SD = out_SD.view(np.int32)
    wide_SD[:] = bits_SD
    wide_SD <<= 13
    if negative:
        wide_SD &= np.int32(-0x70000001)  # the sign was copied into the exponent's upper bits
    out_SD *= np.float32(2.0**112)
    if negative:
        out_SD += np.float32(0.0)


def runs_of(flags_S: NDArray[np.bool_]) -> Iterator[tuple[slice, bool]]:
    """Slices of equal neighbours, in order, with their value."""
    edges = np.flatnonzero(np.diff(flags_S)) + 1
    bounds = [0, *edges.tolist(), len(flags_S)]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield slice(start, stop), bool(flags_S[start])
