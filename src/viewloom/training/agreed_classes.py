"""How far a student agrees with its teacher, and how sure this one is, where a frame may have several classes."""

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.multilabel import Classes
from viewloom.metrics.segments import IGNORE
from viewloom.windows.taught import SoftLabels

THRESHOLD = 0.5
"""The least probability of a class that a teacher or student takes for there."""


def sureness(probs_NK: NDArray[np.float32], multi: bool) -> NDArray[np.float32]:
    """How sure frames are: the largest probability (N, 1), or where several classes may be there, of each class the
    larger of p and 1 - p, (N, K)."""
    found: NDArray[np.float32] = np.maximum(probs_NK, 1 - probs_NK) if multi else probs_NK.max(axis=1, keepdims=True)
    return found


def alike(probs_TK: NDArray[np.float32], target_TK: Classes) -> tuple[int, int]:
    """Numerator and denominator of the F1 of a student's classes with its teacher's as the truth, over frames that
    both see: 2 TP, and 2 TP + FP + FN."""
    seen_T = (target_TK != IGNORE).all(axis=1)
    said_TK, true_TK = probs_TK[seen_T] >= THRESHOLD, target_TK[seen_T] == 1
    return 2 * int((said_TK & true_TK).sum()), int(said_TK.sum() + true_TK.sum())


def taught_frames(labels: SoftLabels) -> NDArray[np.float64]:
    """Frames (K,) in which a teacher takes each class for there."""
    frames: NDArray[np.float64] = labels.frames_R.astype(np.float64) @ (labels.probs_RK >= THRESHOLD)
    return frames
