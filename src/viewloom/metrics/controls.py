"""Predictions that look at no feature: the commonest action everywhere, and the commonest at the same time.

A model that doesn't exceed them has learned when things happen, not what they look like.
"""

from collections.abc import Sequence

import numpy as np

from viewloom.errors import DataError
from viewloom.metrics.segmentation import Scores, score
from viewloom.metrics.segments import IGNORE, Ints


def majority_label(labels: Sequence[Ints]) -> int:
    """The class with most frames, the lowest id on ties.

    Args:
        labels: class id of each frame, one array (T_i,) a training item; `IGNORE` where there is none.

    Raises:
        DataError: no frame has a label.
    """
    return int(_class_counts(labels).argmax())


def clock_labels(labels: Sequence[Ints], frames: int) -> Ints:
    """The commonest training label at the same relative time, for each frame of an item, (frames,).

    Frame t of T stands at (t + 1/2) / T of its item; each training item votes with its label there. Equal votes go to
    the class with more training frames, then to the lowest id; where no item has a label, the nearest moment at which
    one has counts (the earlier of two). Nothing is smoothed.

    Args:
        labels: class id of each frame, one array (T_i,) a training item; `IGNORE` where there is none.
        frames: length T of the item to label.

    Raises:
        DataError: no training frame has a label.
    """
    counts_K = _class_counts(labels)
    votes_TK = np.zeros((frames, len(counts_K)))
    moments_T = (np.arange(frames) + 0.5) / max(frames, 1)
    for labels_T in labels:
        if len(labels_T):
            found_T = labels_T[np.minimum((moments_T * len(labels_T)).astype(np.int64), len(labels_T) - 1)]
            there_T = np.flatnonzero(found_T != IGNORE)
            votes_TK[there_T, found_T[there_T]] += 1
    voted_T = np.flatnonzero(votes_TK.any(axis=1))
    if not len(voted_T):
        return np.full(frames, int(counts_K.argmax()), np.int64)
    votes_TK += counts_K / (counts_K.sum() + 1)  # below one vote: it settles ties alone
    chosen_T = votes_TK.argmax(axis=1).astype(np.int64)
    after_T = np.searchsorted(voted_T, np.arange(frames)).clip(0, len(voted_T) - 1)
    before_T = (after_T - 1).clip(0)
    near_T = np.arange(frames)
    earlier_T = np.abs(voted_T[before_T] - near_T) <= np.abs(voted_T[after_T] - near_T)
    nearest: Ints = chosen_T[np.where(earlier_T, voted_T[before_T], voted_T[after_T])]
    return nearest


def clock_scores(train: Sequence[Ints], others: Sequence[Ints], protocol: str = "canonical") -> Scores:
    """Scores of `clock_labels` on other items than the training ones."""
    return score([clock_labels(train, len(labels_T)) for labels_T in others], others, protocol)


def clock_scores_left_out(
    labels: Sequence[Ints], recordings: Sequence[str], protocol: str = "canonical"
) -> Scores | None:
    """Scores of the clock on each recording, learned from all others; None for fewer than two recordings.

    Args:
        labels: class id of each frame of each item.
        recordings: the recording of each item.
        protocol: named score protocol.
    """
    names = list(dict.fromkeys(recordings))
    if len(names) < 2:
        return None
    predicted, true = [], []
    for name in names:
        others = [item for item, of in zip(labels, recordings, strict=True) if of != name]
        mine = [item for item, of in zip(labels, recordings, strict=True) if of == name]
        if any((item != IGNORE).any() for item in others):
            predicted += [clock_labels(others, len(item)) for item in mine]
            true += mine
    return score(predicted, true, protocol) if true else None


def _class_counts(labels: Sequence[Ints]) -> Ints:
    """Training frames of each class, (K,)."""
    found = [labels_T[labels_T != IGNORE] for labels_T in labels]
    joined = np.concatenate(found) if found else np.zeros(0, np.int64)
    if not len(joined):
        raise DataError("No training frame has a label, so nothing is the commonest. Name labelled training items.")
    counts: Ints = np.bincount(joined)
    return counts
