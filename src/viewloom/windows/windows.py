"""From frames to steps: cutting spans into windows, pooling frames into chunks, and back.

Source: C2F-TCN (Singhania, Rahaman, Yao, 2021), as the view-invariance report uses it: a labelled span is cut
into windows of at most 1200 chunks of 20 frames; a chunk's feature is the element-wise maximum of its frames,
its label the most frequent frame label. Other sizes and poolings are settings. All functions are numpy only, and
none loops over frames.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item
from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource, PoolingSource
from viewloom.features.cache import CachedSource
from viewloom.features.pooling import Pooled, missing_rows, pool_valid
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Window
from viewloom.windows.sampling import Sampling


def plan_windows(item: Item, chunk_frames: int, max_chunks: int) -> tuple[Window, ...]:
    """Cut an item's span into windows of ``max_chunks`` chunks, the last one shorter, without overlap."""
    size = chunk_frames * max_chunks
    starts = range(item.start, item.end, size)
    return tuple(
        Window(item.recording, item.name, start, min(start + size, item.end), chunk_frames) for start in starts
    )


def augmented_chunk(frames: int, config: Sampling, rng: np.random.Generator) -> int:
    """Draw a chunk size for a training window of ``frames`` frames.

    With probability ``augment_probability`` log-uniform between max(chunk / factor, ceil(frames / max_chunks))
    and chunk * factor, floored; otherwise ``chunk_frames``. No drawn size gives more than max_chunks steps.
    """
    low = max(config.chunk_frames / config.augment_factor, -(-frames // config.max_chunks))
    high = config.chunk_frames * config.augment_factor
    apply, position = rng.random(2)
    if apply >= config.augment_probability:
        return config.chunk_frames
    drawn = np.exp(np.log(low) + position * (np.log(max(high, low)) - np.log(low)))
    # exp(log(x)) can land a rounding error below the whole number x, which the floor would turn into x - 1.
    return max(1, int(np.floor(drawn + 1e-9)))


FILLER = -1
"""Row number of no window: a masked step without a label, which weighs nothing. It fills up a process's share of a
batch whose rows don't divide evenly."""


def drawn_window(window: Window, config: Sampling, seed: int | None, epoch: int, row: int) -> Window:
    """The window with the chunk size that its row draws in an epoch; as it is where ``seed`` is None.

    For `FILLER` an empty window: no frames, no steps.
    """
    if row == FILLER:
        return replace(window, end=window.start)
    if seed is None:
        return window
    rng = np.random.default_rng([seed, epoch, row])
    return replace(window, chunk_frames=augmented_chunk(window.frames, config, rng))


def pool_labels(labels_T: NDArray[np.int64], chunk_frames: int) -> NDArray[np.int64]:
    """Most frequent label of each chunk, the smallest id on a tie; (T,) to (S,).

    Frames without a label don't vote; a chunk of such frames alone gets `IGNORE`.
    """
    steps = -(-len(labels_T) // chunk_frames)
    pooled = np.full(steps, IGNORE, np.int64)
    voting = np.flatnonzero(labels_T != IGNORE)
    if not len(voting):
        return pooled
    classes = int(labels_T.max()) + 1
    ballots, votes = np.unique((voting // chunk_frames) * classes + labels_T[voting], return_counts=True)
    step, label = ballots // classes, ballots % classes
    # Sorted by step, then votes, then falling id: the last ballot of a step is its winner.
    order = np.lexsort((-label, votes, step))
    pooled[step[order]] = label[order]
    return pooled


def unpool(steps_SX: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    """Repeat each step over its frames, cut to the window's length: (S, ...) to (frames, ...)."""
    return np.repeat(steps_SX, window.chunk_frames, axis=0)[: window.frames]


def pooled_window(
    source: FeatureSource, window: Window, view: str, config: Sampling
) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    """Pooled features (S, Z) and mask (S,) of a window in one view, and the number of frames the view lacks.

    Z is D, or twice as much with pooling ``both``. The same as `pool_valid` of `read_window`, bit for bit, but no
    more frames than fit into the processor's cache are held at a time, where the source knows how (`PoolingSource`).

    Raises:
        DataError: see `read_window`.
    """
    if isinstance(source, CachedSource) and window.chunk_frames not in (config.chunk_frames, *config.test_chunks):
        source = source.source  # a size drawn for one epoch isn't worth the room
    if not isinstance(source, PoolingSource):
        x_TD, lacking = read_window(source, window, view, config)
        return *pool_valid(x_TD, window.chunk_frames, config.pooling), lacking
    try:
        span = window.start, window.end
        pooled = source.read_pooled(window.recording, view, *span, window.chunk_frames, config.pooling)
    except DataError:
        read_window(source, window, view, config)  # tells of all corrupt frames, not of the first few alone
        raise
    if len(pooled.missing) and config.missing_frames != "mask":
        return *_pool_nearest(source, window, view, config, pooled), len(pooled.missing)
    return pooled.features_SD, pooled.mask_S, len(pooled.missing)


def _pool_nearest(
    source: FeatureSource, window: Window, view: str, config: Sampling, pooled: Pooled
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Chunks that lack frames read again with the policy applied: ``nearest``, or ``error``, which stops."""
    features_SD, mask_S = pooled.features_SD.copy(), np.ones(window.steps, np.bool_)
    if config.missing_frames == "error":
        read_window(source, window, view, config)
    for step in np.unique((pooled.missing - window.start) // window.chunk_frames).tolist():
        start = window.start + step * window.chunk_frames
        chunk = replace(window, start=start, end=min(start + window.chunk_frames, window.end))
        x_TD, _ = read_window(source, chunk, view, config)
        features_SD[step] = pool_valid(x_TD, chunk.frames, config.pooling)[0][0]
    return features_SD, mask_S


def read_window(source: FeatureSource, window: Window, view: str, config: Sampling) -> tuple[NDArray[np.float32], int]:
    """Features (frames, D) of a window in one view, with the policy for missing frames applied.

    Returns:
        The features, rows of NaN where a frame stays missing, and the number of frames the view lacks.

    Raises:
        DataError: for a row that is NaN or infinite only in part, and where the policy forbids a hole.
    """
    # A hole at a window's edge may be filled from the frames beyond it, so that cutting changes nothing.
    margin = config.nearest_within_frames if config.missing_frames == "nearest" else 0
    x_TD = source.read(window.recording, view, window.start - margin, window.end + margin)
    where = f"{window.recording}, view {view}"
    holes = missing_rows(x_TD, where, window.start - margin)
    inside = holes[(holes >= margin) & (holes < margin + window.frames)]
    if len(inside) and config.missing_frames == "error":
        raise DataError(
            f"{where}: {len(inside)} frame(s) are missing: {listed(inside + window.start)}. "
            "Pass --sampling.missing_frames mask (leave them out) or nearest (copy a neighbour)."
        )
    if len(inside) and config.missing_frames == "nearest":
        _fill_nearest(x_TD, holes, inside, margin, f"{where}, frames {window.start} to {window.end}")
    return x_TD[margin : margin + window.frames], len(inside)


def _fill_nearest(
    x_TD: NDArray[np.float32],
    holes: NDArray[np.int64],
    wanted: NDArray[np.int64],
    within: int,
    where: str,
) -> None:
    """Copy into each wanted hole the nearest row that is there, the earlier one on a tie; in place."""
    there = np.setdiff1d(np.arange(len(x_TD)), holes, assume_unique=True)
    if not len(there):
        raise DataError(f"{where}: not one frame is there. Use --sampling.missing_frames mask.")
    right = np.searchsorted(there, wanted)
    before = there[np.maximum(right - 1, 0)]
    after = there[np.minimum(right, len(there) - 1)]
    nearest = np.where(np.abs(wanted - before) <= np.abs(after - wanted), before, after)
    far = np.abs(nearest - wanted) > within
    if far.any():
        raise DataError(
            f"{where}: {far.sum()} missing frame(s) have no neighbour within --sampling.nearest_within_frames "
            f"{within}. Raise it, or use --sampling.missing_frames mask."
        )
    x_TD[wanted] = x_TD[nearest]


def pad_steps(rows: Sequence[NDArray[np.generic]], fill: float, dtype: type[np.generic]) -> NDArray[np.generic]:
    """Stack arrays (T_i, ...) into (B, max T_i, ...), ``fill`` behind the shorter ones."""
    longest = max((len(row) for row in rows), default=0)
    stacked = np.full((len(rows), longest, *rows[0].shape[1:]), fill, dtype)
    for row, place in zip(rows, stacked, strict=True):
        place[: len(row)] = row
    return stacked
