"""Detection: mean average precision of scored segments at overlaps in time.

As in ActivityNet's evaluation (Caba Heilbron, Escorcia, Ghanem, Niebles: "ActivityNet: A Large-Scale Video Benchmark
for Human Activity Understanding", CVPR 2015), which is taken for THUMOS'14 too (Idrees et al., CVIU 155, 2017; overlaps
0.1 to 0.5): the predictions of a class, of all sequences together, are taken in order of falling score; each is matched
with the free true segment of its class and sequence that it overlaps most, and is right where the intersection over
union (IoU) reaches the overlap; average precision is the area under precision over recall, precision at a recall being
the highest that is reached at it or beyond. The mean is over classes that truly
occur; predictions of others count for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.class_segments import ScoredSegments
from viewloom.metrics.segments import Flags, Floats, Ints, Segments

OVERLAPS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Overlaps at which a prediction is right."""


@dataclass(frozen=True, eq=False)
class _Laid(Segments):
    """Segments of all sequences and classes on one time axis, class after class; those of a class are apart."""

    places: Ints


def detection_aps(
    predicted: Sequence[ScoredSegments], true: Sequence[Segments], classes: int, overlaps: Sequence[float] = OVERLAPS
) -> Floats:
    """Average precision of each class at each overlap, (O, K), from 0 to 1; NaN for classes that don't truly occur.

    Args:
        predicted: scored segments, one for each sequence; those of one class don't overlap.
        true: the true ones, likewise.
        classes: number of classes K.
        overlaps: least IoU of a prediction that is right.
    """
    lengths = [max([0, *p.ends.tolist(), *t.ends.tolist()]) + 1 for p, t in zip(predicted, true, strict=True)]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ours, wanted = (_laid(of, offsets) for of in (predicted, true))
    scores = np.concatenate([np.empty(0), *(of.confidences for of in predicted)])[ours.places]
    order = np.argsort(-scores, kind="stable")
    who, whom, iou = _pairs(ours, wanted, np.argsort(order))
    counts_K = np.bincount(wanted.labels, minlength=classes)
    found = np.full((len(overlaps), classes), np.nan)
    for row, overlap in enumerate(overlaps):
        right_P = _matched(who[iou >= overlap], whom[iou >= overlap], len(ours), len(wanted))
        for label in np.flatnonzero(counts_K):
            mine = order[ours.labels[order] == label]
            found[row, label] = average_precision(right_P[mine], int(counts_K[label]))
    return found


def average_precision(right_P: Flags, true: int) -> float:
    """Area under the highest precision at each recall or beyond.

    Args:
        right_P: whether each prediction is right, in order of falling score.
        true: number of true segments, above 0.
    """
    hits_P = np.cumsum(right_P)
    precision_P = hits_P / np.arange(1, len(right_P) + 1)
    highest_P = np.maximum.accumulate(precision_P[::-1])[::-1]
    return float(highest_P[right_P].sum() / true)


def mean_ap(aps_K: Floats, predictions: int = 0) -> float:
    """Mean over the classes that occur, percent; where none does, 100 if nothing was predicted, else 0."""
    there = ~np.isnan(aps_K)
    if not there.any():
        return 0.0 if predictions else 100.0
    return float(100 * aps_K[there].mean())


def _laid(segments: Sequence[Segments], offsets: Ints) -> _Laid:
    """Segments of all sequences laid on one axis, in its order."""
    nothing = np.empty(0, np.int64)
    starts, ends, labels = (
        np.concatenate([nothing, *(getattr(of, name) for of in segments)]) for name in ("starts", "ends", "labels")
    )
    shift = np.repeat(offsets[:-1], [len(of) for of in segments]) + labels * offsets[-1]
    order = np.argsort(starts + shift, kind="stable")
    return _Laid((starts + shift)[order], (ends + shift)[order], labels[order], order)


def _pairs(ours: _Laid, wanted: _Laid, rank_P: Ints) -> tuple[Ints, Ints, Floats]:
    """Pairs of a prediction and a true segment that share time, and their IoU: by rank of the prediction, then by
    falling IoU, then in time."""
    low = np.searchsorted(wanted.ends, ours.starts, side="right")
    met = np.maximum(np.searchsorted(wanted.starts, ours.ends, side="left") - low, 0)
    who = np.repeat(np.arange(len(ours)), met)
    whom = np.arange(len(who)) - np.repeat(np.cumsum(met) - met - low, met)
    inside = np.minimum(ours.ends[who], wanted.ends[whom]) - np.maximum(ours.starts[who], wanted.starts[whom])
    iou = inside / (ours.durations[who] + wanted.durations[whom] - inside)
    order = np.lexsort((whom, -iou, rank_P[who]))
    return who[order], whom[order], iou[order]


def _matched(who: Ints, whom: Ints, predictions: int, true: int) -> Flags:
    """Which predictions are right, by pairs in the order in which they claim."""
    right, taken = np.zeros(predictions, np.bool_), np.zeros(true, np.bool_)
    for one, other in zip(who.tolist(), whom.tolist(), strict=True):
        if not right[one] and not taken[other]:
            right[one] = taken[other] = True
    return right
