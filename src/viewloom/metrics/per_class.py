"""Scores of each class, and which classes are taken for which."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.segmentation import IGNORE, Ints, best_overlaps, joined_runs


@dataclass(frozen=True)
class ClassScores:
    """One class, over all sequences; percent but for the counts.

    Attributes:
        action: name.
        segments: true segments.
        frames: true frames.
        precision: predicted segments that hit a true one at IoU .50.
        recall: true segments hit at IoU .50.
        f1_50: their harmonic mean.
        mof: true frames that are right.
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


def score_per_class(
    predictions: Sequence[Ints], truths: Sequence[Ints], actions: Sequence[str]
) -> list[ClassScores]:
    """Canonical scores of every class that occurs in the truth or the prediction, in order of id."""
    k = len(actions)
    predicted, true = joined_runs(predictions, truths)
    best, iou = best_overlaps(predicted, true)
    claimed = np.unique(best[(iou >= 0.5) & (best >= 0)])
    hits = np.bincount(true.labels[claimed], minlength=k)
    found, wanted = np.bincount(predicted.labels, minlength=k), np.bincount(true.labels, minlength=k)
    confusion = confusion_matrix(predictions, truths, k)
    frames, right = confusion.sum(axis=1), confusion.diagonal()
    return [
        ClassScores(
            action,
            int(wanted[i]),
            int(frames[i]),
            _share(hits[i], found[i]),
            _share(hits[i], wanted[i]),
            _share(2 * hits[i], found[i] + wanted[i]),
            _share(right[i], frames[i]),
        )
        for i, action in enumerate(actions)
        if wanted[i] or found[i]
    ]


def confusion_matrix(predictions: Sequence[Ints], truths: Sequence[Ints], classes: int) -> Ints:
    """Frames by true class (rows) and predicted class (columns), (K, K); frames without a label left out."""
    predicted = np.concatenate([np.empty(0, np.int64), *predictions])
    true = np.concatenate([np.empty(0, np.int64), *truths])
    labelled = true != IGNORE
    cells = true[labelled].astype(np.int64) * classes + predicted[labelled]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def most_confused(confusion: NDArray[np.int64], actions: Sequence[str], top: int) -> list[tuple[str, str, int]]:
    """The ``top`` pairs (true action, predicted action, frames) with the most wrong frames, largest first."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:top]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        (actions[i], actions[j], int(wrong[i, j])) for i, j in zip(rows, columns, strict=True) if wrong[i, j] > 0
    ]


def _share(part: np.int64, whole: np.int64) -> float:
    """Percent; 0 where the whole is empty."""
    return 100.0 * float(part) / float(whole) if whole else 0.0
