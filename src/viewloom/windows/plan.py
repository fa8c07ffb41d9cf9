"""Cutting spans into windows, drawing chunk sizes, pooling labels, and from steps back to frames.

Source: C2F-TCN (Singhania, Rahaman, Yao, 2021), as the view-invariance report uses it: a labelled span is cut
into windows of at most 1200 chunks of 20 frames; a chunk's feature is the element-wise maximum of its frames,
its label the most frequent frame label. Other sizes and poolings are settings. None of this loops over frames.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item
from viewloom.dataset.labels import LabelSet
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
    return replace(window, chunk_frames=augmented_chunk(window.end - window.start, config, rng))


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


def recording_labels(labels: LabelSet, window: Window) -> NDArray[np.int64]:
    """Label (S,) of each step of a window by all annotations of its recording; `IGNORE` where there is none.

    Where several annotations of a recording label the same frame, the last one to begin counts.
    """
    labels_T = np.full(window.frames, IGNORE, np.int64)
    for annotation in labels.of_recording(window.recording):
        own_T = annotation.frame_labels(window.start, window.end)
        labels_T = np.where(own_T == IGNORE, labels_T, own_T)
    return pool_labels(labels_T, window.chunk_frames)


def unpool(steps_SX: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    """Repeat each step over its frames, cut to the window's length: (S, ...) to (frames, ...)."""
    return np.repeat(steps_SX, window.chunk_frames, axis=0)[: window.frames]
