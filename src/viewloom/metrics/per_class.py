"""Scores of each class, and which classes are taken for which; canonical protocol."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from viewloom.errors import DataError
from viewloom.metrics.overlaps import Frames, best_overlaps, claimed, join_frames
from viewloom.metrics.segmentation import segments_of
from viewloom.metrics.segments import IGNORE, Floats, Ints


@dataclass(frozen=True)
class ClassScores:
    """One class, over all sequences; percent but for the counts. 0 where there is nothing to take a share of.

    Attributes:
        action: name.
        segments: true segments.
        frames: true frames.
        precision: share of predicted segments that hit a true one at IoU .50.
        recall: share of true segments hit at IoU .50.
        f1_50: their harmonic mean.
        mof: share of true frames that are right.
    """

    action: str
    segments: int
    frames: int
    precision: float
    recall: float
    f1_50: float
    mof: float

    def as_dict(self) -> dict[str, str | int | float]:
        """Names to values."""
        return asdict(self)


def score_per_class(predictions: Sequence[Ints], truths: Sequence[Ints], actions: Sequence[str]) -> list[ClassScores]:
    """Scores of every class that occurs in the truth or the prediction, in order of id.

    Args:
        predictions: class id of each frame, one array (T_i,) a sequence.
        truths: the same, `IGNORE` where a frame has no label.
        actions: name of each class id.

    Raises:
        DataError: sequences whose lengths differ, or a class id that has no name.
    """
    k = len(actions)
    joined = join_frames(predictions, truths)
    confusion = _confusion(joined, k)
    predicted, true = segments_of(joined)
    best, iou = best_overlaps(predicted, true)
    hits = np.bincount(true.labels[claimed(best, iou, 0.5)], minlength=k)
    found, wanted = np.bincount(predicted.labels, minlength=k), np.bincount(true.labels, minlength=k)
    frames, right = confusion.sum(axis=1), confusion.diagonal()
    shares = zip(
        _share(hits, found), _share(hits, wanted), _share(2 * hits, found + wanted), _share(right, frames), strict=True
    )
    return [
        ClassScores(actions[i], int(wanted[i]), int(frames[i]), *map(float, row))
        for i, row in enumerate(shares)
        if wanted[i] or found[i]
    ]


def confusion_matrix(predictions: Sequence[Ints], truths: Sequence[Ints], classes: int) -> Ints:
    """Frames by true class (rows) and predicted class (columns), (K, K); frames without a label left out.

    Raises:
        DataError: sequences whose lengths differ, or a class id that is not below ``classes``.
    """
    return _confusion(join_frames(predictions, truths), classes)


def _confusion(joined: Frames, classes: int) -> Ints:
    labelled = joined.true != IGNORE
    true, predicted = joined.true[labelled], joined.predicted[labelled]
    for labels, kind in ((true, "truth"), (predicted, "prediction")):
        wrong = labels[(labels < 0) | (labels >= classes)]
        if len(wrong):
            raise DataError(
                f"The {kind} has class id {wrong[0]}, but there are {classes} classes, 0 to {classes - 1}. Score "
                "with the list of actions that the labels came with."
            )
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def most_confused(confusion: Ints, actions: Sequence[str], top: int) -> list[tuple[str, str, int]]:
    """The ``top`` pairs (true action, predicted action, frames) with the most wrong frames, largest first.

    Args:
        confusion: (K, K) as `confusion_matrix` gives it.
        actions: name of each class id.
        top: how many pairs at most; pairs without frames are left out.
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:top]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [(actions[i], actions[j], int(wrong[i, j])) for i, j in zip(rows, columns, strict=True) if wrong[i, j] > 0]


def _share(some: Ints, whole: Ints) -> Floats:
    """Percent; 0 where the whole is empty."""
    share: Floats = np.divide(100.0 * some, whole, out=np.zeros(len(some)), where=whole > 0)
    return share
