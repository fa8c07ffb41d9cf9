"""Scores where a frame may have several classes, or none: F1 and average precision of frames, detection of segments.

Frames of which nobody says anything (`IGNORE`) take part in nothing: predictions end there. F1 is 2 TP / (2 TP + FP +
FN) of pairs of a frame and a class: of all together (micro), or the mean over the classes that occur in truth or
prediction (macro). Average precision of a class ranks all frames by its probability: the sum of (R_n - R_(n-1)) P_n
over its different values, not interpolated; the mean is over classes that truly occur. Detection:
`viewloom.metrics.detection`.

Where there is nothing to find and nothing was found, scores are 100.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.metrics.class_segments import ScoredSegments, decided_segments, segments_of_classes
from viewloom.metrics.detection import OVERLAPS, detection_aps, mean_ap
from viewloom.metrics.segments import IGNORE, Flags, Floats, Ints, Segments

NAMES = ("f1_micro", "f1_macro", "frame_map", *(f"map_{round(100 * overlap)}" for overlap in OVERLAPS), "map")
TITLES = {"f1_micro": "F1 micro", "f1_macro": "F1 macro", "frame_map": "frame mAP"}
TITLES |= {f"map_{round(100 * overlap)}": f"mAP@{overlap:g}" for overlap in OVERLAPS}
TITLES |= {"map": "mAP", "total": "Total"}
"""What scores and their sum are called in tables."""
SUMMED = ("f1_micro", "f1_macro", "frame_map", "map")
"""Scores that the total is the sum of."""


@dataclass(frozen=True, eq=False)
class ClassResult:
    """What was found in one sequence, and what is true, of K classes.

    Attributes:
        probs_RK: class probabilities of runs of labelled frames, in each of which they and the truth stay the same.
        true_RK: bool, the classes that they truly have.
        frames_R: frames of each run.
        predicted: segments decided on.
        true: true segments.
    """

    probs_RK: NDArray[np.float32]
    true_RK: Flags
    frames_R: Ints
    predicted: ScoredSegments
    true: Segments

    @classmethod
    def of_frames(
        cls, probs_TK: NDArray[np.floating], classes_TK: NDArray[np.integer], threshold: float, first_frame: int = 0
    ) -> "ClassResult":
        """From what is said of each frame.

        Args:
            probs_TK: class probabilities.
            classes_TK: 1 where a frame has a class, 0 where it hasn't, `IGNORE` where nobody says.
            threshold: the least probability of a class that is there.
            first_frame: number of the first frame, for the segments.

        Raises:
            DataError: shapes that differ.
        """
        if probs_TK.shape != classes_TK.shape or probs_TK.ndim != 2:
            raise DataError(
                f"Expected probabilities and classes of one shape (T, K), but they have {probs_TK.shape} and "
                f"{classes_TK.shape}. Predict every frame, with the actions that the labels came with."
            )
        labelled_T = ~(classes_TK == IGNORE).any(axis=1)
        changes_T = (np.diff(probs_TK, axis=0) != 0).any(axis=1) | (np.diff(classes_TK, axis=0) != 0).any(axis=1)
        firsts_R = np.concatenate([np.zeros(min(1, len(probs_TK)), np.int64), np.flatnonzero(changes_T) + 1])
        frames_R = np.diff(firsts_R, append=len(probs_TK))
        kept = labelled_T[firsts_R]
        return cls(
            probs_TK[firsts_R[kept]].astype(np.float32, copy=False),
            classes_TK[firsts_R[kept]] == 1,
            frames_R[kept],
            decided_segments(probs_TK, threshold, first_frame, labelled_T),
            segments_of_classes(classes_TK == 1, first_frame),
        )


@dataclass(frozen=True)
class ClassRow:
    """One class, over all sequences; percent but for the counts.

    Attributes:
        action: name.
        segments: true segments.
        frames: true frames.
        precision: share of the frames in which it was predicted that have it.
        recall: share of its frames in which it was predicted.
        f1: their harmonic mean.
        frame_ap: average precision of frames; 0 where it doesn't truly occur.
        ap_50: average precision of segments at an overlap of 0.5, likewise.
    """

    action: str
    segments: int
    frames: int
    precision: float
    recall: float
    f1: float
    frame_ap: float
    ap_50: float


@dataclass(frozen=True, eq=False)
class MultiScores:
    """Scores over sequences.

    Attributes:
        scores: percent, by `NAMES`, and their ``total``.
        per_class: classes that occur in truth or prediction, in order of id.
    """

    scores: dict[str, float]
    per_class: list[ClassRow]

    def class_rows(self) -> list[dict[str, str | int | float]]:
        """`per_class` as JSON values."""
        return [asdict(row) for row in self.per_class]


def score_classes(results: Sequence[ClassResult], actions: Sequence[str], threshold: float) -> MultiScores:
    """Scores over sequences; arguments as `ClassResult.of_frames`, ``threshold`` the same as there."""
    k = len(actions)
    counts_3K = sum((_frame_counts(one, threshold) for one in results), np.zeros((3, k), np.int64))
    frame_aps = frame_average_precisions(results, k)
    detected = detection_aps([one.predicted for one in results], [one.true for one in results], k)
    found = sum(len(one.predicted) for one in results)
    maps = [mean_ap(row, found) for row in detected]
    f1_micro, f1_macro = f1_scores(counts_3K)
    values = dict(zip(NAMES, (f1_micro, f1_macro, mean_ap(frame_aps), *maps, float(np.mean(maps))), strict=True))
    values["total"] = sum(values[name] for name in SUMMED)
    true_K = np.bincount(np.concatenate([np.empty(0, np.int64), *(one.true.labels for one in results)]), minlength=k)
    return MultiScores(values, _class_rows(actions, counts_3K, true_K, frame_aps, detected[-1]))


def frame_scores(result: ClassResult, threshold: float) -> dict[str, float]:
    """F1 of the frames of one sequence alone, percent."""
    return dict(zip(NAMES[:2], f1_scores(_frame_counts(result, threshold)), strict=True))


def f1_scores(counts_3K: Ints) -> tuple[float, float]:
    """Micro and macro F1, percent, of frames that are right, predicted and true in each class."""
    right_K, predicted_K, true_K = counts_3K
    occurring = predicted_K + true_K > 0
    if not occurring.any():
        return 100.0, 100.0
    each = 200.0 * right_K[occurring] / (predicted_K + true_K)[occurring]
    return float(200.0 * right_K.sum() / (predicted_K + true_K).sum()), float(each.mean())


def _frame_counts(result: ClassResult, threshold: float) -> Ints:
    """Frames of each class that are right, predicted and true, (3, K)."""
    predicted_RK = result.probs_RK >= threshold
    sides = (predicted_RK & result.true_RK, predicted_RK, result.true_RK)
    counts: Ints = np.stack([result.frames_R @ side_RK.astype(np.int64) for side_RK in sides])
    return counts


def frame_average_precisions(results: Sequence[ClassResult], classes: int) -> Floats:
    """Average precision (K,) of ranking all frames by each class's probability, 0 to 1; NaN where none has it."""
    if not results:
        return np.full(classes, np.nan)
    probs_NK, true_NK = (np.concatenate([getattr(r, name) for r in results]) for name in ("probs_RK", "true_RK"))
    frames_N = np.concatenate([one.frames_R for one in results])
    return np.array([_ranked(probs_NK[:, k], true_NK[:, k], frames_N) for k in range(classes)])


def _ranked(probs_N: NDArray[np.float32], true_N: Flags, frames_N: Ints) -> float:
    """Average precision of one class; frames of one probability come at once."""
    order = np.argsort(-probs_N, kind="stable")
    last_N = np.append(np.diff(probs_N[order]) != 0, True)[: len(order)]
    hits = np.cumsum((frames_N * true_N)[order])[last_N]
    taken = np.cumsum(frames_N[order])[last_N]
    if not len(hits) or not hits[-1]:
        return float("nan")
    return float((np.diff(hits, prepend=0) * hits / taken).sum() / hits[-1])


def _class_rows(
    actions: Sequence[str], counts_3K: Ints, true_K: Ints, frame_aps: Floats, detected_K: Floats
) -> list[ClassRow]:
    """Rows of the classes that occur in truth or prediction."""
    right_K, predicted_K, frames_K = counts_3K
    shares = [
        np.divide(100.0 * right_K * factor, whole, out=np.zeros(len(actions)), where=whole > 0)
        for factor, whole in ((1, predicted_K), (1, frames_K), (2, predicted_K + frames_K))
    ]
    values = np.stack([*shares, 100 * np.nan_to_num(frame_aps), 100 * np.nan_to_num(detected_K)], axis=1)
    return [
        ClassRow(actions[k], int(true_K[k]), int(frames_K[k]), *values[k].tolist())
        for k in np.flatnonzero(predicted_K + frames_K).tolist()
    ]
