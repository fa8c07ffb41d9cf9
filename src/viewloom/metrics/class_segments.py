"""Segments of frames that have any number of classes: runs of each class by itself, so that they overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.segments import IGNORE, Flags, Floats, Ints, Segments


@dataclass(frozen=True, eq=False)
class ScoredSegments(Segments):
    """Predicted segments, which may overlap.

    Attributes:
        confidences: (S,) mean probability of the segment's class over its frames.
    """

    confidences: Floats


def segments_of_classes(there_TK: Flags, first_frame: int = 0) -> Segments:
    """The maximal runs of frames that have a class, of all K classes, in order of time, then of class id."""
    padded_KT = np.zeros((there_TK.shape[1], len(there_TK) + 2), np.int8)
    padded_KT[:, 1:-1] = there_TK.T
    change_KT = np.diff(padded_KT, axis=1)
    labels, starts = np.nonzero(change_KT == 1)
    _, ends = np.nonzero(change_KT == -1)  # as many, and in the same order: class by class, then in time
    order = np.lexsort((labels, starts))
    return Segments(starts[order] + first_frame, ends[order] + first_frame, labels[order].astype(np.int64))


def class_sequences(
    several: Sequence[Segments], span: tuple[int, int], ignored: Sequence[tuple[int, int]] = ()
) -> tuple[list[int], list[list[Ints]]]:
    """Whether each frame has a class, for every class that some of several segmentations of one span have.

    Args:
        several: segments of each, which may overlap; the last is the truth.
        span: first frame and frame after the last.
        ignored: stretches of which nobody says anything: `IGNORE` in the truth.

    Returns:
        Class ids; and of each class a sequence (T,) of 1 and 0 for each segmentation.
    """
    start, end = span
    labels = sorted({label for of in several for label in of.labels.tolist()})
    found = []
    for label in labels:
        flags = [of.select(of.labels == label).frame_labels(start, end) == label for of in several]
        sequences = [of.astype(np.int64) for of in flags]
        for first, last in ignored:
            sequences[-1][first - start : last - start] = IGNORE
        found.append(sequences)
    return labels, found


def decided_segments(
    probs_TK: NDArray[np.floating], threshold: float, first_frame: int = 0, among_T: Flags | None = None
) -> ScoredSegments:
    """Runs of frames in which a class is as probable as a threshold, or more, with its mean probability.

    Args:
        probs_TK: class probabilities.
        threshold: the least probability of a class that is there.
        first_frame: number of the first frame.
        among_T: frames that count; None: all.
    """
    there_TK = probs_TK >= threshold
    there_TK = there_TK if among_T is None else there_TK & among_T[:, None]
    found = segments_of_classes(there_TK, first_frame)
    sums_TK = np.zeros((len(probs_TK) + 1, probs_TK.shape[1]))
    np.cumsum(probs_TK, axis=0, dtype=np.float64, out=sums_TK[1:])
    within = sums_TK[found.ends - first_frame, found.labels] - sums_TK[found.starts - first_frame, found.labels]
    return ScoredSegments(found.starts, found.ends, found.labels, within / found.durations)
