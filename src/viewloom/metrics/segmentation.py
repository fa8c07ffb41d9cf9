"""Segmentation scores under named protocols: Edit, F1 at overlaps, and frame accuracy (MoF).

Canonical protocol, as in MS-TCN (Farha and Gall, CVPR 2019), after Lea et al. (CVPR 2017): maximal runs of equal
labels are segments; Edit is one minus the Levenshtein distance of the two label strings over the longer one's
length, averaged over sequences; for F1@k each predicted segment, in time order, is matched with the true segment
of its label that it overlaps most (intersection over union, the first on ties), and is a hit if that is k or more
and the segment still free; hits are pooled over sequences; MoF is the share of frames that are right.

Where there is nothing to find and nothing was found, Edit, F1 and MoF are 100; where only one side has
segments, Edit and F1 are 0.

All sequences are laid on one time axis, one behind the other, and scored at once: no loop over frames or
segments but the edit distance's own, which is rapidfuzz's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, listed
from viewloom.metrics.protocols import PROTOCOLS, Protocol

IGNORE = -100
OVERLAPS = (0.10, 0.25, 0.50)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores in percent."""

    edit: float
    f1_10: float
    f1_25: float
    f1_50: float
    mof: float

    @property
    def total(self) -> float:
        """Sum of the five, the "total" of the view-invariance report."""
        return self.edit + self.f1_10 + self.f1_25 + self.f1_50 + self.mof

    def as_dict(self) -> dict[str, float]:
        """Names to values, without the total."""
        return {name: float(getattr(self, name)) for name in ("edit", "f1_10", "f1_25", "f1_50", "mof")}


@dataclass(frozen=True)
class Counts:
    """What the scores are made of, for each of N sequences; sums and means over them give any score.

    Attributes:
        edit: (N,) percent.
        hits: (N, 3) predicted segments matched, at each of `OVERLAPS`.
        predicted: (N,) predicted segments.
        true: (N,) true segments.
        right: (N,) labelled frames that are right.
        frames: (N,) labelled frames.
    """

    edit: Floats
    hits: Ints
    predicted: Ints
    true: Ints
    right: Ints
    frames: Ints


@dataclass(frozen=True)
class Runs:
    """Segments of N sequences on one time axis: start, end, label, and the sequence each belongs to."""

    starts: Ints
    ends: Ints
    labels: Ints
    sequences: Ints

    def select(self, keep: NDArray[np.bool_]) -> "Runs":
        """The segments where ``keep`` is True."""
        return Runs(self.starts[keep], self.ends[keep], self.labels[keep], self.sequences[keep])


def segments(labels_T: Ints) -> tuple[Ints, Ints, Ints]:
    """Starts, ends (exclusive) and labels of the maximal runs of equal labels; empty for an empty sequence."""
    labels_T = np.asarray(labels_T)
    if not len(labels_T):
        return np.empty(0, np.int64), np.empty(0, np.int64), labels_T.astype(np.int64)
    cuts = np.flatnonzero(labels_T[1:] != labels_T[:-1]) + 1
    starts = np.concatenate([[0], cuts]).astype(np.int64)
    return starts, np.append(cuts, len(labels_T)).astype(np.int64), labels_T[starts].astype(np.int64)


def score(
    predictions: Sequence[Ints],
    truths: Sequence[Ints],
    protocol: str = "canonical",
    background: Sequence[int] = (),
) -> Scores:
    """Scores over sequences.

    Args:
        predictions: class id of each frame, one array (T_i,) a sequence.
        truths: the same, `IGNORE` (-100) where a frame has no label.
        protocol: name in `PROTOCOLS`.
        background: class ids whose segments are dropped after segmenting.

    Raises:
        ConfigError: an unknown protocol, or sequences whose lengths differ.
    """
    return total_scores(count(predictions, truths, protocol, background), PROTOCOLS[protocol])


def score_per_item(
    predictions: Sequence[Ints],
    truths: Sequence[Ints],
    protocol: str = "canonical",
    background: Sequence[int] = (),
) -> list[Scores]:
    """Scores of each sequence alone; arguments as `score`."""
    counts = count(predictions, truths, protocol, background)
    f1 = _f1(counts.hits, counts.predicted[:, None], counts.true[:, None])
    mof = _share(counts.right, counts.frames)
    table = np.column_stack([counts.edit, f1, mof])
    return [Scores(*row) for row in table.tolist()]


def total_scores(counts: Counts, protocol: Protocol = PROTOCOLS["canonical"]) -> Scores:
    """Scores over the sequences counted: F1 pooled (or averaged, where the protocol says), MoF pooled."""
    if protocol.f1 == "mean":
        f1 = _f1(counts.hits, counts.predicted[:, None], counts.true[:, None])
        f1 = f1.mean(axis=0) if len(f1) else np.full(len(OVERLAPS), 100.0)
    else:
        f1 = _f1(counts.hits.sum(axis=0), counts.predicted.sum(), counts.true.sum())
    edit = float(counts.edit.mean()) if len(counts.edit) else 100.0
    low, middle, high = f1.tolist()
    return Scores(edit, low, middle, high, float(_share(counts.right.sum(), counts.frames.sum())))


def _f1(hits: Ints, predicted: Ints, true: Ints) -> Floats:
    """2 TP / (2 TP + FP + FN) in percent, which is F1; 100 where there are no segments at all."""
    return _share(2 * hits, predicted + true)


def _share(part: Ints, whole: Ints) -> Floats:
    """Percent; 100 where the whole is empty."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    percent: Floats = np.divide(100.0 * part, whole, out=np.full(part.shape, 100.0), where=whole > 0)
    return percent


def count(
    predictions: Sequence[Ints],
    truths: Sequence[Ints],
    protocol: str = "canonical",
    background: Sequence[int] = (),
) -> Counts:
    """Hits, segments and frames of every sequence; arguments as `score`."""
    if protocol not in PROTOCOLS:
        raise ConfigError(f"There is no score protocol {protocol!r}; known: {listed(PROTOCOLS, 20)}.")
    rules = PROTOCOLS[protocol]
    predictions, truths = _same_lengths(predictions, truths, rules.truth == "cut")
    lengths = np.array([len(truth) for truth in truths], np.int64)
    sequence_T = np.repeat(np.arange(len(lengths)), lengths)
    prediction_T, truth_T = _joined(predictions), _joined(truths)
    labelled_T = truth_T != IGNORE
    frames = np.bincount(sequence_T, labelled_T, len(lengths)).astype(np.int64)
    right = np.bincount(sequence_T, labelled_T & (prediction_T == truth_T), len(lengths)).astype(np.int64)
    if rules.ignored == "deleted":
        prediction_T, truth_T, sequence_T = (a[labelled_T] for a in (prediction_T, truth_T, sequence_T))
    else:
        prediction_T = np.where(labelled_T, prediction_T, IGNORE)
    dropped = (IGNORE, *background) if rules.background == "dropped" else (IGNORE,)
    predicted, true = (
        _runs(labels_T, sequence_T, dropped, rules.last_end) for labels_T in (prediction_T, truth_T)
    )
    hits = np.stack([matched(predicted, true, overlap, len(lengths)) for overlap in OVERLAPS], axis=1)
    return Counts(
        edit_scores(predicted, true, len(lengths)),
        hits,
        np.bincount(predicted.sequences, minlength=len(lengths)),
        np.bincount(true.sequences, minlength=len(lengths)),
        right,
        frames,
    )


def _same_lengths(
    predictions: Sequence[Ints], truths: Sequence[Ints], cut: bool
) -> tuple[Sequence[Ints], Sequence[Ints]]:
    """Sequences as they are, or truths cut to their predictions; `ConfigError` where lengths differ."""
    if len(predictions) != len(truths):
        raise ConfigError(f"There are {len(predictions)} predictions for {len(truths)} true sequences.")
    if cut:
        pairs = [(p[: len(t)], t[: len(p)]) for p, t in zip(predictions, truths, strict=True)]
        return [p for p, _ in pairs], [t for _, t in pairs]
    wrong = [
        (i, len(p), len(t)) for i, (p, t) in enumerate(zip(predictions, truths, strict=True)) if len(p) != len(t)
    ]
    if wrong:
        place, got, expected = wrong[0]
        raise ConfigError(
            f"Expected a prediction for each frame, but sequence {place} has {got} predicted and {expected} true "
            f"frames ({len(wrong)} sequence(s) in all). The protocol cut_to_prediction cuts the truth."
        )
    return predictions, truths


def _joined(sequences: Sequence[Ints]) -> Ints:
    """All sequences behind each other."""
    return np.concatenate([np.empty(0, np.int64), *sequences]).astype(np.int64)


def _runs(labels_T: Ints, sequence_T: Ints, dropped: Sequence[int], last_end: int) -> Runs:
    """Segments of the joined sequences, those of dropped labels left out."""
    if not len(labels_T):
        empty = np.empty(0, np.int64)
        return Runs(empty, empty, empty, empty)
    new = (labels_T[1:] != labels_T[:-1]) | (sequence_T[1:] != sequence_T[:-1])
    cuts = np.flatnonzero(new) + 1
    starts, ends = np.concatenate([[0], cuts]), np.append(cuts, len(labels_T))
    sequences = sequence_T[starts]
    last = np.append(sequences[1:] != sequences[:-1], True)
    ends = ends + np.where(last, last_end, 0)
    labels = labels_T[starts]
    return Runs(starts, ends, labels, sequences).select(~np.isin(labels, np.array(dropped)))


def joined_runs(predictions: Sequence[Ints], truths: Sequence[Ints]) -> tuple[Runs, Runs]:
    """Canonical segments of predictions and truths on one time axis, each sequence apart from the next."""
    predictions, truths = _same_lengths(predictions, truths, cut=False)
    sequence_T = np.repeat(np.arange(len(truths)), [len(truth) for truth in truths])
    truth_T = _joined(truths)
    prediction_T = np.where(truth_T != IGNORE, _joined(predictions), IGNORE)
    predicted, true = (_runs(labels_T, sequence_T, (IGNORE,), 0) for labels_T in (prediction_T, truth_T))
    return predicted, true


def edit_scores(predicted: Runs, true: Runs, sequences: int) -> Floats:
    """Edit score of each sequence, percent."""
    from rapidfuzz.distance import Levenshtein

    scores = np.full(sequences, 100.0)
    one, other = (
        np.split(runs.labels, np.searchsorted(runs.sequences, np.arange(1, sequences)))
        for runs in (predicted, true)
    )
    for place in range(sequences):
        a, b = one[place].tolist(), other[place].tolist()
        if a or b:
            scores[place] = 100.0 * (1.0 - Levenshtein.distance(a, b) / max(len(a), len(b)))
    return scores


def matched(predicted: Runs, true: Runs, overlap: float, sequences: int) -> Ints:
    """Hits of each sequence at an overlap.

    A predicted segment claims the true one of its label it overlaps most. Of several that claim the same
    one, the first in time is the hit: so hits are the *distinct* true segments claimed with enough overlap.
    """
    best, iou = best_overlaps(predicted, true)
    claimed = np.unique(best[(iou >= overlap) & (best >= 0)])
    return np.bincount(true.sequences[claimed], minlength=sequences)


def best_overlaps(predicted: Runs, true: Runs) -> tuple[Ints, Floats]:
    """For each predicted segment: the true one of its label with the highest IoU (-1: none), and that IoU."""
    best, highest = np.full(len(predicted.starts), -1), np.zeros(len(predicted.starts))
    # True segments are in order and apart, so those that a predicted one meets stand next to each other.
    low = np.searchsorted(true.ends, predicted.starts, side="right")
    high = np.maximum(np.searchsorted(true.starts, predicted.ends, side="left"), low)
    who = np.repeat(np.arange(len(low)), high - low)
    if not len(who):
        return best, highest
    first = np.cumsum(high - low) - (high - low)
    whom = np.arange(len(who)) - first[who] + low[who]
    same = predicted.labels[who] == true.labels[whom]
    who, whom = who[same], whom[same]
    inside = np.minimum(predicted.ends[who], true.ends[whom]) - np.maximum(
        predicted.starts[who], true.starts[whom]
    )
    around = np.maximum(predicted.ends[who], true.ends[whom]) - np.minimum(
        predicted.starts[who], true.starts[whom]
    )
    iou = inside / around
    order = np.lexsort((whom, -iou, who))  # by prediction, then overlap, then time
    who, whom, iou = who[order], whom[order], iou[order]
    leads = np.append(True, who[1:] != who[:-1])[: len(who)]
    best[who[leads]], highest[who[leads]] = whom[leads], iou[leads]
    return best, highest
