"""Predicted and true segments of many sequences, and how they overlap.

All sequences are laid on one time axis, one behind the other, and handled at once: no loop over frames or
segments. What is kept grows with the frames plus the pairs of segments that overlap, never with all pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.errors import DataError
from viewloom.metrics.segments import Flags, Floats, Ints, Segments


@dataclass(frozen=True, eq=False)
class SequenceSegments(Segments):
    """Segments of N sequences on one time axis.

    Attributes:
        sequences: (S,) the sequence that each belongs to.
    """

    sequences: Ints


@dataclass(frozen=True)
class Frames:
    """Predicted and true label of each frame of N sequences, laid behind each other.

    Attributes:
        predicted: (T,) class ids.
        true: (T,) class ids, `IGNORE` where a frame has no label.
        ends: (N,) frame after the last of each sequence.
    """

    predicted: Ints
    true: Ints
    ends: Ints

    def count(self, flags_T: Flags) -> Ints:
        """How many of the flags are set in each sequence, (N,)."""
        # Counting slice by slice beats one cumulative sum over all frames.
        starts = np.append(0, self.ends[:-1])[: len(self.ends)]
        return np.array([np.count_nonzero(flags_T[a:b]) for a, b in zip(starts, self.ends, strict=True)], np.int64)

    def select(self, keep_T: Flags) -> "Frames":
        """The frames where ``keep_T`` is True; sequences may become empty."""
        return Frames(self.predicted[keep_T], self.true[keep_T], self.count(keep_T).cumsum())


def find_segments(labels_T: Ints, sequence_ends: Ints) -> SequenceSegments:
    """Maximal runs of equal labels within each of the sequences that end at ``sequence_ends``."""
    found = Segments.of_frames(labels_T, breaks=sequence_ends[sequence_ends < len(labels_T)])
    sequences = np.searchsorted(sequence_ends, found.starts, side="right")
    return SequenceSegments(found.starts, found.ends, found.labels, sequences)


def join_frames(predictions: Sequence[Ints], truths: Sequence[Ints], cut: bool = False) -> Frames:
    """All sequences behind each other.

    Args:
        predictions: class id of each frame, one array (T_i,) a sequence.
        truths: the same.
        cut: where the two differ in length, cut the longer one.

    Raises:
        DataError: lengths that differ (without ``cut``), or anything but whole numbers.
    """
    if len(predictions) != len(truths):
        raise DataError(f"There are {len(predictions)} predicted and {len(truths)} true sequences; pair them up.")
    predicted = [_class_ids(labels, "predicted", place) for place, labels in enumerate(predictions)]
    true = [_class_ids(labels, "true", place) for place, labels in enumerate(truths)]
    if cut:
        shorter = [min(len(p), len(t)) for p, t in zip(predicted, true, strict=True)]
        predicted = [labels[:length] for labels, length in zip(predicted, shorter, strict=True)]
        true = [labels[:length] for labels, length in zip(true, shorter, strict=True)]
    lengths = np.array([len(labels) for labels in true], np.int64)
    _check_lengths(np.array([len(labels) for labels in predicted], np.int64), lengths)
    nothing = np.empty(0, np.int64)
    return Frames(np.concatenate([nothing, *predicted]), np.concatenate([nothing, *true]), lengths.cumsum())


def _class_ids(labels: Ints, kind: str, place: int) -> Ints:
    """A sequence as int64; nothing is rounded on the way."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.dtype.kind not in "iu" and labels.size):
        raise DataError(
            f"Expected whole-number class ids, one a frame, but {kind} sequence {place} is an array of "
            f"{labels.dtype} with shape {labels.shape}. Pass (T,) arrays of class ids."
        )
    return labels.astype(np.int64, copy=False)


def _check_lengths(predicted: Ints, true: Ints) -> None:
    """Refuse predictions of another length than their truth."""
    wrong = np.flatnonzero(predicted != true)
    if len(wrong):
        first = wrong[0]
        raise DataError(
            f"Expected a prediction for each frame, but sequence {first} has {predicted[first]} predicted and "
            f"{true[first]} true frames ({len(wrong)} such sequence(s) in all). Predict every frame; the protocol "
            "cut_to_prediction cuts the truth instead, as released code did."
        )


def best_overlaps(predicted: SequenceSegments, true: SequenceSegments) -> tuple[Ints, Floats]:
    """For each predicted segment: the true one of its label with the highest IoU (-1: none), and that IoU.

    The earliest true segment wins a tie.
    """
    best, highest = np.full(len(predicted.starts), -1), np.zeros(len(predicted.starts))
    who, whom = _overlapping(predicted, true)
    inside = np.minimum(predicted.ends[who], true.ends[whom])
    inside -= np.maximum(predicted.starts[who], true.starts[whom])
    lengths = predicted.durations[who] + true.durations[whom]
    iou = inside / (lengths - inside)
    order = np.lexsort((whom, -iou, who))  # by prediction, then overlap, then time
    who, whom, iou = who[order], whom[order], iou[order]
    leads = np.diff(who, prepend=-1) != 0
    best[who[leads]], highest[who[leads]] = whom[leads], iou[leads]
    return best, highest


def _overlapping(predicted: SequenceSegments, true: SequenceSegments) -> tuple[Ints, Ints]:
    """Indices of the predicted and true segments of one label that share time, pair by pair."""
    # True segments are in order and apart, so those that a predicted one meets stand next to each other.
    low = np.searchsorted(true.ends, predicted.starts, side="right")
    high = np.searchsorted(true.starts, predicted.ends, side="left")
    met = np.maximum(high - low, 0)
    who = np.repeat(np.arange(len(low)), met)
    whom = np.arange(len(who)) - np.repeat(np.cumsum(met) - met - low, met)
    same = predicted.labels[who] == true.labels[whom]
    return who[same], whom[same]


def claimed(best: Ints, iou: Floats, overlap: float) -> Ints:
    """Indices of the true segments that are hit, each once, when an IoU of ``overlap`` is a hit.

    A predicted segment claims the true one of its label it overlaps most. Of several that claim the same one with
    enough overlap, the first in time is the hit: so the hits are the *distinct* true segments claimed.
    """
    return np.unique(best[(iou >= overlap) & (best >= 0)])
