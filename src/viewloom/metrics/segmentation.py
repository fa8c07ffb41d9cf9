"""Segmentation scores under named protocols: Edit, F1 at overlaps, and frame accuracy (MoF).

Canonical protocol, as in MS-TCN (Farha and Gall, CVPR 2019), after Lea et al. (CVPR 2017): maximal runs of equal
labels are segments; Edit is one minus the Levenshtein distance of the two label strings over the longer one's
length, averaged over sequences; for F1@k each predicted segment, in time order, is matched with the true segment
of its label that it overlaps most (intersection over union, the first on ties), and is a hit if that is k or more
and the segment still free; hits are pooled over sequences; MoF is the share of labelled frames that are right.
Frames without a label (`IGNORE`) split segments, in the prediction as in the truth, and are dropped.

Where there is nothing to find and nothing was found (an empty sequence, or one without labels), Edit, F1 and MoF
are 100; where only one side has segments, Edit and F1 are 0. No sequences at all score 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from viewloom.errors import ConfigError, listed
from viewloom.metrics.overlaps import Frames, SequenceSegments, best_overlaps, claimed, find_segments, join_frames
from viewloom.metrics.protocols import PROTOCOLS, Protocol
from viewloom.metrics.segments import IGNORE as IGNORE  # offered from here too: whoever scores needs it
from viewloom.metrics.segments import Floats, Ints

OVERLAPS = (0.10, 0.25, 0.50)
NAMES = ("edit", "f1_10", "f1_25", "f1_50", "mof")
TITLES = {"edit": "Edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50", "mof": "MoF", "total": "Total"}
"""What scores and their sum are called in tables."""


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
        return {name: float(getattr(self, name)) for name in NAMES}


@dataclass(frozen=True)
class Counts:
    """What the scores are made of, for each of N sequences.

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

    def ratios(self, protocol: str = "canonical") -> tuple[Floats, Floats]:
        """Every score as a ratio of sums: numerators and denominators, (N, 5) each, columns as `NAMES`.

        Over any set of sequences a score is ``percent(numerators.sum(0), denominators.sum(0))``: a mean over
        sequences has denominators of one, and F1 is 2 TP / (2 TP + FP + FN), which pools.
        """
        found: Floats = (2 * self.hits).astype(np.float64)
        possible = np.repeat((self.predicted + self.true)[:, None], len(OVERLAPS), axis=1).astype(np.float64)
        right, frames = self.right.astype(np.float64), self.frames.astype(np.float64)
        rules = find_protocol(protocol)
        if rules.f1 == "mean":
            found, possible = percent(found, possible) / 100.0, np.ones_like(found)
        if rules.mof == "mean":
            right, frames = percent(right, frames) / 100.0, np.ones_like(frames)
        return (
            np.column_stack([self.edit / 100.0, found, right]),
            np.column_stack([np.ones(len(self.edit)), possible, frames]),
        )


def percent(share: Floats, whole: Floats) -> Floats:
    """100 share / whole, of equal shapes; 100 where the whole is empty."""
    result: Floats = np.divide(100.0 * share, whole, out=np.full(np.shape(share), 100.0), where=whole > 0)
    return result


def find_protocol(name: str) -> Protocol:
    """The rules of a named protocol; `ConfigError` naming those there are."""
    if name not in PROTOCOLS:
        raise ConfigError(f"There is no score protocol {name!r}; there are: {listed(PROTOCOLS, 20)}.")
    return PROTOCOLS[name]


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
        ConfigError: an unknown protocol.
        DataError: sequences whose lengths differ, or that are no whole numbers.
    """
    return pooled_scores(count(predictions, truths, protocol, background), protocol)


def score_per_item(
    predictions: Sequence[Ints],
    truths: Sequence[Ints],
    protocol: str = "canonical",
    background: Sequence[int] = (),
) -> list[Scores]:
    """Scores of each sequence alone; arguments as `score`."""
    rows = percent(*count(predictions, truths, protocol, background).ratios(protocol))
    return [Scores(*row) for row in rows.tolist()]


def pooled_scores(counts: Counts, protocol: str = "canonical") -> Scores:
    """Scores over the sequences counted, which must have been counted under the same protocol."""
    numerators, denominators = counts.ratios(protocol)
    return Scores(*percent(numerators.sum(axis=0), denominators.sum(axis=0)).tolist())


def count(
    predictions: Sequence[Ints],
    truths: Sequence[Ints],
    protocol: str = "canonical",
    background: Sequence[int] = (),
) -> Counts:
    """Hits, segments and frames of every sequence; arguments as `score`."""
    rules = find_protocol(protocol)
    frames = join_frames(predictions, truths, cut=rules.truth == "cut")
    predicted, true = segments_of(frames, rules, background)
    best, iou = best_overlaps(predicted, true)
    n = len(frames.ends)
    hits = [np.bincount(true.sequences[claimed(best, iou, overlap)], minlength=n) for overlap in OVERLAPS]
    labelled_T = frames.true != IGNORE
    return Counts(
        edit=edit_scores(predicted, true, n),
        hits=np.stack(hits, axis=1),
        predicted=np.bincount(predicted.sequences, minlength=n),
        true=np.bincount(true.sequences, minlength=n),
        right=frames.count(labelled_T & (frames.predicted == frames.true)),
        frames=frames.count(labelled_T),
    )


def segments_of(
    frames: Frames, rules: Protocol = PROTOCOLS["canonical"], background: Sequence[int] = ()
) -> tuple[SequenceSegments, SequenceSegments]:
    """Predicted and true segments under a protocol's rules, in order of time."""
    labelled_T = frames.true != IGNORE
    if rules.ignored == "deleted":
        frames = frames.select(labelled_T)
        predicted_T = frames.predicted
    else:
        predicted_T = np.where(labelled_T, frames.predicted, IGNORE)
    dropped = np.array((IGNORE, *background) if rules.background == "dropped" else (IGNORE,))
    predicted, true = (
        end_last(find_segments(labels_T, frames.ends), rules.last_end) for labels_T in (predicted_T, frames.true)
    )
    return predicted.select(~np.isin(predicted.labels, dropped)), true.select(~np.isin(true.labels, dropped))


def end_last(found: SequenceSegments, frames: int) -> SequenceSegments:
    """The segments with the last one of each sequence ending ``frames`` later."""
    last = np.diff(found.sequences, append=-1) != 0
    return replace(found, ends=found.ends + frames * last)


def edit_scores(predicted: SequenceSegments, true: SequenceSegments, sequences: int) -> Floats:
    """Edit score of each sequence, percent."""
    from rapidfuzz.distance import Levenshtein

    # rapidfuzz compares hashes, and hash(-1) == hash(-2): small counting numbers can't collide.
    _, ids = np.unique(np.concatenate([predicted.labels, true.labels]), return_inverse=True)
    bounds = np.arange(1, sequences)
    one = np.split(ids[: len(predicted.labels)], np.searchsorted(predicted.sequences, bounds))
    other = np.split(ids[len(predicted.labels) :], np.searchsorted(true.sequences, bounds))
    similar = [Levenshtein.normalized_similarity(a.tolist(), b.tolist()) for a, b in zip(one, other, strict=True)]
    return 100.0 * np.array(similar[:sequences], np.float64)
