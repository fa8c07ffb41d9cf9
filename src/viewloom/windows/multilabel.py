"""Classes of the steps of windows, where a frame may have several."""

from collections.abc import Sequence

import numpy as np

from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import Classes, frame_classes
from viewloom.metrics.segments import IGNORE
from viewloom.windows.batch import Window


def pool_classes(classes_TK: Classes, chunk_frames: int) -> Classes:
    """Classes of each chunk, (T, K) to (S, K): a chunk has a class that half of its labelled frames have, or more.

    Frames of which nobody says anything don't vote; a chunk of such frames alone gets `IGNORE`.
    """
    if not len(classes_TK):
        return np.empty((0, classes_TK.shape[1]), np.int8)
    borders_S = np.arange(0, len(classes_TK), chunk_frames)
    having_SK = np.add.reduceat(classes_TK == 1, borders_S, axis=0, dtype=np.int64)
    labelled_SK = np.add.reduceat(classes_TK != IGNORE, borders_S, axis=0, dtype=np.int64)
    pooled_SK = (2 * having_SK >= np.maximum(labelled_SK, 1)).astype(np.int8)
    return np.where(labelled_SK > 0, pooled_SK, np.int8(IGNORE))


def window_classes(labels: LabelSet, window: Window) -> Classes:
    """Classes (S, K) of a window's steps; one row of `IGNORE` for a window without a step."""
    if window.start == window.end:
        return np.full((1, len(labels.actions)), IGNORE, np.int8)
    return pool_classes(frame_classes(labels, window.item, window.start, window.end), window.chunk_frames)


def stack_classes(rows: Sequence[Classes], steps: int) -> Classes:
    """Classes (S, K) of each row, as (B, T, K) with `IGNORE` behind them."""
    stacked_BTK = np.full((len(rows), steps, rows[0].shape[1]), IGNORE, np.int8)
    for place, classes_SK in enumerate(rows):
        stacked_BTK[place, : len(classes_SK)] = classes_SK
    return stacked_BTK
