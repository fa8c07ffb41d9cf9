"""Whether confidences mean what they say: of predictions that are 80 % sure, 80 % should be right.

Predictions are put into bins by confidence; in each, mean confidence and share of right ones are compared. The
expected calibration error is the mean of their distance, weighed by predictions (Naeini, Cooper, Hauskrecht, AAAI
2015; Guo et al., ICML 2017, eq. 3, with 15 bins of equal width, each open at its lower end). With bins of equal mass
instead (Nguyen and O'Connor, EMNLP 2015, "adaptive"), crowded confidences don't share one bin. Beside them stand two
proper scores, which no constant guess can please: Brier's (Monthly Weather Review 78, 1950) and the likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.resampling import check_level, cluster_weights
from viewloom.metrics.segments import Flags, Floats, Ints
from viewloom.metrics.temperature import Probs, log_probabilities

BINS = 15
"""Bins of confidence, as in Guo et al."""


def bin_sums(confidences_N: Floats, right_N: Floats | Flags, bins: int = BINS) -> Floats:
    """Number of predictions, sum of their confidences and sum of the right ones in each bin: (3, bins).

    Args:
        confidences_N: from 0 to 1.
        right_N: whether each is right, or what share of it (of a segment) is.
        bins: of equal width; bin m holds confidences above m / bins, up to (m + 1) / bins; the first 0 too.

    Raises:
        ConfigError: no bin.
        DataError: other numbers of both, or a confidence outside of [0, 1].
    """
    if bins < 1:
        raise ConfigError(f"Expected one bin or more, but bins is {bins}.")
    if len(confidences_N) != len(right_N):
        raise DataError(f"There are {len(confidences_N)} confidences, but {len(right_N)} say whether they are right.")
    # Probabilities that a network added up may exceed 1 in their last digit.
    if len(confidences_N) and not -1e-5 <= confidences_N.min() <= confidences_N.max() <= 1 + 1e-5:
        raise DataError(f"Confidences lie between {confidences_N.min()} and {confidences_N.max()}, not 0 and 1.")
    places_N = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidences_N) - 1, 0, bins - 1)
    weights = (None, confidences_N, right_N)
    return np.stack([np.bincount(places_N, of, bins).astype(np.float64) for of in weights])


def calibration_error(sums: Floats) -> Floats:
    """Expected calibration error, percent, of sums by bin (3, ..., bins): (...,); 0 where nothing was predicted."""
    counts, confidences, right = sums
    distance = np.abs(right - confidences).sum(axis=-1)
    return np.asarray(100.0 * distance / np.maximum(counts.sum(axis=-1), 1))


def equal_mass_error(confidences_N: Floats, right_N: Floats | Flags, bins: int = BINS) -> float:
    """Expected calibration error, percent, with bins that hold equally many predictions each.

    Where a border falls among equal confidences, these are shared out: what comes out doesn't depend on their order.
    """
    if not len(confidences_N):
        return 0.0
    values_U, which_N = np.unique(confidences_N, return_inverse=True)
    counts_U = np.bincount(which_N)
    mass = np.append(0.0, np.cumsum(counts_U))
    edges = np.linspace(0, mass[-1], bins + 1)
    by_value = (values_U * counts_U, np.bincount(which_N, right_N))
    confidences, right = (np.diff(np.interp(edges, mass, np.append(0.0, np.cumsum(of)))) for of in by_value)
    return float(100.0 * np.abs(right - confidences).sum() / mass[-1])


def log_loss(probs_NK: Probs, labels_N: Ints) -> float:
    """Sum of the negative log-likelihoods of labels, nats."""
    return float(-log_probabilities(probs_NK[np.arange(len(labels_N)), labels_N]).sum())


def brier(probs_NK: Probs, labels_N: Ints) -> float:
    """Sum of the squared distances of probabilities to the labels, over classes: from 0 to 2 a prediction."""
    true_N = probs_NK[np.arange(len(labels_N)), labels_N].astype(np.float64)
    return float((np.square(probs_NK, dtype=np.float64).sum(axis=1) - 2 * true_N + 1).sum())


def error_interval(
    sums: Sequence[Floats], clusters: Sequence[str], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap interval of the expected calibration error over recordings, percent; None with fewer than two.

    A mean of distances only grows by chance: the interval of a well calibrated model lies above its estimate.

    Args:
        sums: of each item, from `bin_sums`.
        clusters: the recording of each item.
        level: coverage aimed at.
        resamples: draws.
        seed: same seed, same interval.
    """
    check_level(level)
    names, codes = np.unique(np.asarray(clusters, str), return_inverse=True)
    if len(names) < 2:
        return None
    by_cluster = np.zeros((len(names), *sums[0].shape))
    np.add.at(by_cluster, codes, np.stack(sums))
    drawn_R = calibration_error(cluster_weights(len(names), resamples, seed) @ by_cluster.swapaxes(0, 1))
    low, high = np.quantile(drawn_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
