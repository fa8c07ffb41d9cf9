"""One temperature for all probabilities of a model, fitted on labelled frames; it never changes which class leads.

Temperature scaling (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2)
divides logits by T. Here what is scaled are log-probabilities as they come out of a whole chain, after averaging over
levels and chunk sizes: of a single softmax the two are the same, since logits are log-probabilities up to a constant
that cancels. In 1/T the negative log-likelihood is convex (a log-sum-exp less a linear function), so that it has one
minimum in T, which a bounded search finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segments import IGNORE, Floats, Ints

LEAST = float(np.finfo(np.float32).tiny)
"""Probabilities below it count as it: single precision rounds them to zero, whose logarithm is no number."""
LOWEST, HIGHEST = 0.1, 10.0
"""Temperatures that are looked at."""
DIGITS = 4
"""Digits that a fitted temperature keeps: what rounding in a network moves lies beyond them."""

Probs = NDArray[np.float32] | NDArray[np.float64]


def log_probabilities(probs_NK: Probs) -> Floats:
    """Logarithms (N, K) of probabilities, float64, those below `LEAST` as of it."""
    logs_NK: Floats = np.log(np.maximum(probs_NK, LEAST), dtype=np.float64)
    return logs_NK


def at_temperature(probs_NK: Probs, temperature: float) -> Floats:
    """Probabilities (N, K) at a temperature, float64, `p_k^(1/T) / sum_j p_j^(1/T)`; as they are where T is 1.

    Args:
        probs_NK: rows that sum to one.
        temperature: T, above 0: 1 as they are, below 1 surer, above 1 less sure.

    Raises:
        ConfigError: a temperature that isn't above 0.
    """
    if not 0 < temperature < np.inf:
        raise ConfigError(f"A temperature must be above 0, but is {temperature}.")
    if temperature == 1:
        return probs_NK.astype(np.float64)
    from scipy.special import softmax

    scaled_NK: Floats = softmax(log_probabilities(probs_NK) / temperature, axis=1)
    return scaled_NK


@dataclass(frozen=True, eq=False)
class LabelledRuns:
    """Labelled frames, those in a row that have the same probabilities as one run: all that a likelihood needs.

    Attributes:
        logs_RK: log-probabilities of each run.
        frames_R: labelled frames of each run, none without any.
        true_logs_R: sum over these of the log-probability of their labels.
    """

    logs_RK: Floats
    frames_R: Ints
    true_logs_R: Floats

    @classmethod
    def of_frames(cls, probs_TK: Probs, labels_T: Ints) -> LabelledRuns:
        """From probabilities (T, K) and labels (T,) of frames, `IGNORE` where there is none."""
        there_T = labels_T != IGNORE
        probs_NK, labels_N = probs_TK[there_T], labels_T[there_T]
        new_N = np.ones(len(labels_N), np.bool_)
        new_N[1:] = (probs_NK[1:] != probs_NK[:-1]).any(axis=1)
        firsts_R = np.flatnonzero(new_N)
        logs_RK = log_probabilities(probs_NK[firsts_R])
        run_N = np.cumsum(new_N) - 1
        true_logs_R = np.asarray(np.bincount(run_N, logs_RK[run_N, labels_N], len(firsts_R)), np.float64)
        return cls(logs_RK, np.diff(firsts_R, append=len(labels_N)), true_logs_R)

    @classmethod
    def joined(cls, items: Sequence[LabelledRuns]) -> LabelledRuns:
        """Those of several items, of one at least, in their order."""
        logs_RK = np.concatenate([item.logs_RK for item in items])
        frames_R = np.concatenate([item.frames_R for item in items])
        return cls(logs_RK, frames_R, np.concatenate([item.true_logs_R for item in items]))

    @property
    def frames(self) -> int:
        """Labelled frames."""
        return int(self.frames_R.sum())

    def log_loss(self, temperature: float) -> float:
        """Mean negative log-likelihood of the labels at a temperature, nats a frame."""
        logs_RK = self.logs_RK / temperature
        top_R = logs_RK.max(axis=1)
        norms_R = top_R + np.log(np.exp(logs_RK - top_R[:, None]).sum(axis=1))
        return float((self.frames_R @ norms_R - self.true_logs_R.sum() / temperature) / self.frames)


def fit_temperature(runs: LabelledRuns) -> float:
    """The temperature of least negative log-likelihood, between `LOWEST` and `HIGHEST`, to `DIGITS` digits.

    Where none has a lower one than 1, to that many digits, it is 1.

    Args:
        runs: labelled frames.

    Raises:
        DataError: there are none.
    """
    from scipy.optimize import minimize_scalar

    if not runs.frames:
        raise DataError("There is no labelled frame to fit a temperature on.")
    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    best = minimize_scalar(lambda log: runs.log_loss(np.exp(log)), bounds=bounds, method="bounded")
    found = min((LOWEST, float(np.exp(best.x)), HIGHEST), key=runs.log_loss)
    rounded = float(f"{found:.{DIGITS}g}")
    return rounded if runs.log_loss(rounded) < runs.log_loss(1.0) else 1.0
