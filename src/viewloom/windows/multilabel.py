"""Classes of the steps of windows, where a frame may have several."""

from collections.abc import Sequence

import numpy as np

from viewloom.dataset.labels import Annotation, LabelSet
from viewloom.dataset.multilabel import Classes, MultiAnnotation
from viewloom.metrics.segments import IGNORE, Ints, Segments
from viewloom.windows.batch import Window


def step_classes(annotation: Annotation, start: int, end: int, chunk_frames: int, classes: int) -> Classes:
    """Classes (S, K) of the chunks of frames [start, end): those that half of its labelled frames have, or more.

    Frames of which nobody says anything don't vote; a chunk of such frames alone gets `IGNORE`. Counted by segments: no
    array of frames and classes is made.

    Args:
        annotation: what they have.
        start: first frame.
        end: frame after the last.
        chunk_frames: frames of a chunk; the last one may have fewer.
        classes: number of classes K.
    """
    assert isinstance(annotation, MultiAnnotation), "labels were opened with mode multi"
    borders = np.append(np.arange(start, end, chunk_frames), end)
    having_SK = frames_between(borders, annotation.merged, classes)
    first, last = annotation.start, annotation.end
    outside = [[min(start, first), first, 0], [last, max(end, last), 0]]
    unknown = Segments.of_rows([*annotation.unlabelled.rows, *outside])
    labelled_S1 = np.diff(borders)[:, None] - frames_between(borders, unknown.select(unknown.durations > 0), None)
    pooled_SK = (2 * having_SK >= np.maximum(labelled_S1, 1)).astype(np.int8)
    return np.where(labelled_S1 > 0, pooled_SK, np.int8(IGNORE))


def frames_between(borders: Ints, segments: Segments, classes: int | None) -> Ints:
    """Frames between S + 1 borders that lie in segments, which are apart from others of their class.

    Args:
        borders: (S + 1,) ascending frame numbers.
        segments: what they may lie in.
        classes: number of classes K; None: whatever their class.

    Returns:
        (S, K), or (S, 1) for None.
    """
    before = np.clip(borders[None] - segments.starts[:, None], 0, segments.durations[:, None])
    rows = np.zeros((classes or 1, len(borders)), np.int64)
    np.add.at(rows, segments.labels if classes else np.zeros(len(segments), np.int64), before)
    inside: Ints = np.diff(rows, axis=1).T
    return inside


def window_classes(labels: LabelSet, window: Window) -> Classes:
    """Classes (S, K) of a window's steps; one row of `IGNORE` for a window without a step."""
    annotation = labels.annotations.get(window.item)
    if annotation is None or window.start == window.end:
        return np.full((max(1, window.steps), len(labels.actions)), IGNORE, np.int8)
    return step_classes(annotation, window.start, window.end, window.chunk_frames, len(labels.actions))


def stack_classes(rows: Sequence[Classes], steps: int) -> Classes:
    """Classes (S, K) of each row, as (B, T, K) with `IGNORE` behind them."""
    stacked_BTK = np.full((len(rows), steps, rows[0].shape[1]), IGNORE, np.int8)
    for place, classes_SK in enumerate(rows):
        stacked_BTK[place, : len(classes_SK)] = classes_SK
    return stacked_BTK
