"""What went wrong: every wrong frame is of exactly one kind, so that kinds add up to all that is wrong.

The timeline of a sequence is cut wherever the true or the predicted action changes. In each stretch between two cuts
one thing is said of one true segment. Where the two differ, the stretch is an error of this kind:

- *wrong action*: the true segment is taken for other actions: more of its frames are said to be actions that truly
  occur nowhere under their predicted segment than are right.
- *shifted boundary*: a predicted segment that is right elsewhere runs over the border into a true segment of which some
  frames are right; or nothing is said at an end of such a segment.
- *over-segmented*: something else is said between two right stretches of one true segment.
- *missed*: no frame of the true segment is right, and what is said there is a predicted segment that is right
  elsewhere, or nothing.
- *inserted*: a predicted segment under which its action truly occurs nowhere, at an end of a true segment that is
  not taken for others, or where truly nothing happens (background).

Nothing is said where the prediction is background or has no label. Frames that truly have no label take part in
nothing and split segments, as in the canonical protocol. An *error* is counted for each unbroken run of frames of one
kind in one true segment.

The kinds follow Ward, Lukowicz and Gellersen (ACM TIST 2011), who score each frame as deletion, insertion,
fragmentation, merge, overfill, underfill or substitution: overfill and underfill are *shifted boundary* here, deletions
are *missed*, fragmentations *over-segmented*, substitutions *wrong action*. They differ in that timelines of actions
have no gaps to speak of: an insertion there is always a substitution too, so whether the true segment is found decides;
and a merge, which they score for what lies between two segments of an action, is *missed* where it swallows a segment.
Alwassel et al. (ECCV 2018) diagnose detections, which have a rank and no timeline to fill, by overlap alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.class_segments import class_sequences
from viewloom.metrics.overlaps import SequenceSegments, find_segments, join_frames
from viewloom.metrics.segments import IGNORE, Flags, Ints, Segments

KINDS = ("wrong_action", "shifted_boundary", "over_segmented", "missed", "inserted")
"""Names; the number of a kind is its place."""
TITLES = {
    "wrong_action": "wrong action",
    "shifted_boundary": "shifted boundary",
    "over_segmented": "over-segmented",
    "missed": "missed",
    "inserted": "inserted",
}
"""What kinds are called in tables."""
WRONG_ACTION, SHIFTED, OVER_SEGMENTED, MISSED, INSERTED = range(len(KINDS))


@dataclass(frozen=True, eq=False)
class Errors(SequenceSegments):
    """Wrong stretches of N sequences in order of time, frames counted within each sequence; ``labels`` is what is true.

    Attributes:
        predicted: (S,) class id that is said there; `IGNORE` for none.
        kinds: (S,) place in `KINDS`.
        counted: (S,) whether an error begins here; False where it goes on from the stretch before.
    """

    predicted: Ints
    kinds: Ints
    counted: Flags


@dataclass(frozen=True, eq=False)
class _Stretches:
    """What is said of each true segment, P stretches of constant true and predicted segment."""

    starts: Ints
    ends: Ints
    true: SequenceSegments
    said: SequenceSegments
    of_true_P: Ints
    """Place of each stretch's true segment."""
    of_said_P: Ints

    @property
    def labels_P(self) -> Ints:
        return self.true.labels[self.of_true_P]

    @property
    def predicted_P(self) -> Ints:
        return self.said.labels[self.of_said_P]

    @property
    def right_P(self) -> Flags:
        return np.asarray(self.labels_P == self.predicted_P)

    @property
    def lengths_P(self) -> Ints:
        return self.ends - self.starts

    def in_true(self, chosen_P: Flags) -> Ints:
        """Frames of the chosen stretches in the true segment of each stretch, (P,)."""
        frames_S = np.bincount(self.of_true_P, self.lengths_P * chosen_P, len(self.true))
        found_P: Ints = frames_S.astype(np.int64)[self.of_true_P]
        return found_P

    def between_right(self) -> Flags:
        """Whether frames of the same true segment are right both before and behind each stretch, (P,)."""
        right_P, last = self.right_P, np.full(len(self.true), -1)
        first = np.full(len(self.true), len(self.starts))
        places = np.flatnonzero(right_P)
        np.minimum.at(first, self.of_true_P[places], places)
        np.maximum.at(last, self.of_true_P[places], places)
        here = np.arange(len(self.starts))
        return np.asarray((first[self.of_true_P] < here) & (here < last[self.of_true_P]))


def find_errors(predictions: Sequence[Ints], truths: Sequence[Ints], background: Sequence[int] = ()) -> Errors:
    """All wrong stretches of sequences, each of one kind; see the module.

    Args:
        predictions: class id of each frame, one array (T_i,) a sequence; `IGNORE` where nothing is said.
        truths: the same, `IGNORE` where a frame has no label.
        background: class ids that stand for nothing happening.

    Raises:
        DataError: sequences whose lengths differ, or that are no whole numbers.
    """
    frames = join_frames(predictions, truths)
    said_T = np.where(frames.true == IGNORE, IGNORE, frames.predicted)
    true, said = (find_segments(labels_T, frames.ends) for labels_T in (frames.true, said_T))
    starts = np.union1d(true.starts, said.starts)
    of_true, of_said = (np.searchsorted(of.starts, starts, side="right") - 1 for of in (true, said))
    found = _Stretches(starts, np.append(starts, len(said_T))[1:], true, said, of_true, of_said)
    kinds_P, wrong_P = _kinds(found, background), ~found.right_P
    goes_on_P = np.zeros(len(starts), np.bool_)
    goes_on_P[1:] = wrong_P[:-1] & (kinds_P[1:] == kinds_P[:-1]) & (of_true[1:] == of_true[:-1])
    sequences_P = true.sequences[of_true]
    begins_P = np.append(0, frames.ends)[sequences_P]
    every = Errors(
        starts - begins_P, found.ends - begins_P, found.labels_P, sequences_P, found.predicted_P, kinds_P, ~goes_on_P
    )
    return every.select(wrong_P)


def _kinds(found: _Stretches, background: Sequence[int]) -> Ints:
    """The kind of each stretch, (P,), as if it were wrong."""
    right_P, between_P = found.right_P, found.between_right()
    silent_P = np.isin(found.predicted_P, (IGNORE, *background))
    nothing_P = np.isin(found.labels_P, np.array(background, np.int64))
    elsewhere_P = np.bincount(found.of_said_P, right_P, len(found.said))[found.of_said_P] > 0
    stray_P = ~right_P & ~silent_P & ~elsewhere_P
    right_frames_P = found.in_true(right_P)
    known_P, taken_P = right_frames_P > 0, found.in_true(stray_P) > right_frames_P
    rules = (
        (silent_P & ~known_P, MISSED),
        (silent_P & between_P, OVER_SEGMENTED),
        (silent_P, SHIFTED),
        (nothing_P & ~elsewhere_P, INSERTED),
        (nothing_P, SHIFTED),
        (elsewhere_P & ~known_P, MISSED),
        (elsewhere_P, SHIFTED),
        (taken_P, WRONG_ACTION),
        (between_P, OVER_SEGMENTED),
    )
    kinds_P: Ints = np.select([flags for flags, _ in rules], [np.int64(kind) for _, kind in rules], INSERTED)
    return kinds_P


def tally(errors: Errors, groups_S: Ints, groups: int) -> tuple[Ints, Ints]:
    """Wrong frames, and errors, of each kind in each of G groups, (G, 5) each.

    Args:
        errors: wrong stretches.
        groups_S: group of each.
        groups: how many there are.
    """
    cells_S, size = groups_S * len(KINDS) + errors.kinds, groups * len(KINDS)
    frames, counts = (np.bincount(cells_S, weights, size) for weights in (errors.durations, errors.counted))
    shape = (groups, len(KINDS))
    return frames.astype(np.int64).reshape(shape), counts.astype(np.int64).reshape(shape)


def class_errors(
    predictions: Sequence[Segments],
    truths: Sequence[Segments],
    spans: Sequence[tuple[int, int]],
    ignored: Sequence[Sequence[tuple[int, int]]],
) -> Errors:
    """Errors where a frame may have several classes: those of each class by itself, against nothing.

    There is no wrong action then: an action that is said without being true is inserted, or one that is true missed.

    Args:
        predictions: segments of each sequence, which may overlap.
        truths: the same.
        spans: first frame and frame after the last of each sequence.
        ignored: stretches of each of which nobody says anything.

    Returns:
        Errors in order of sequence, class and time. ``labels`` is the class; ``predicted`` it too where it is said
        without being true, `IGNORE` where it isn't said.
    """
    said, true, who = [], [], []
    for place, of in enumerate(zip(predictions, truths, strict=True)):
        labels, found = class_sequences(of, spans[place], ignored[place])
        said += [predicted for predicted, _ in found]
        true += [truth for _, truth in found]
        who += [(place, label) for label in labels]
    errors = find_errors(said, true, background=(0,))
    places, labels_S = np.array(who, np.int64).reshape(-1, 2)[errors.sequences].T
    predicted_S = np.where(errors.predicted == 1, labels_S, IGNORE)
    return Errors(errors.starts, errors.ends, labels_S, places, predicted_S, errors.kinds, errors.counted)
