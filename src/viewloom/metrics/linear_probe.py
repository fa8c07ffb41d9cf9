"""A linear probe: what of the labels, of progress or of the view a linear map can read from frozen features.

Ridge regression on standardised features (Hoerl and Kennard, Technometrics 12, 1970); of classes on their one-hot
codes, the largest output being the answer. It is solved from sums over steps, so one pass is enough, for all penalties
too. The penalty is chosen by squared error on recordings left out, half of them each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.segments import Flags, Floats, Ints

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties tried, in units of a standardised feature's variance."""
DEFAULT_PENALTY = 1e-2
"""Where there is one recording alone, so that none can be left out."""


@dataclass(frozen=True)
class Sums:
    """What a probe is solved from, of N steps: sums of x (D,), y (K,), of x x' (D, D), x y' (D, K)."""

    count: int
    x_D: Floats
    y_K: Floats
    xx_DD: Floats
    xy_DK: Floats

    @classmethod
    def of(cls, x_ND: Features, y_NK: Floats) -> "Sums":
        """The sums of some steps."""
        x_ND = np.asarray(x_ND, np.float64)
        return cls(len(x_ND), x_ND.sum(axis=0), y_NK.sum(axis=0), x_ND.T @ x_ND, x_ND.T @ y_NK)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.count + other.count,
            self.x_D + other.x_D,
            self.y_K + other.y_K,
            self.xx_DD + other.xx_DD,
            self.xy_DK + other.xy_DK,
        )


@dataclass(frozen=True)
class Probe:
    """A linear map with an offset: weights (D, K) and (K,)."""

    weights_DK: Floats
    offset_K: Floats

    def __call__(self, x_ND: Features) -> Floats:
        """Outputs (N, K)."""
        return np.asarray(np.asarray(x_ND, np.float64) @ self.weights_DK + self.offset_K)


def solve(sums: Sums, penalties: Sequence[float]) -> list[Probe]:
    """A probe for each penalty."""
    from scipy.linalg import cho_factor, cho_solve

    mean_D, mean_K = sums.x_D / sums.count, sums.y_K / sums.count
    covariance_DD = sums.xx_DD / sums.count - np.outer(mean_D, mean_D)
    deviation_D = np.sqrt(covariance_DD.diagonal().clip(min=0))
    # A constant feature tells nothing, and what rounding leaves of its variance must not be blown up.
    scale_D = 1 / np.where(deviation_D > 1e-6 * np.sqrt(sums.xx_DD.diagonal() / sums.count), deviation_D, np.inf)
    correlation_DD = covariance_DD * scale_D * scale_D[:, None]
    shared_DK = scale_D[:, None] * (sums.xy_DK / sums.count - np.outer(mean_D, mean_K))
    found = []
    for penalty in penalties:
        factor = cho_factor(correlation_DD + penalty * np.eye(len(mean_D)), overwrite_a=True, check_finite=False)
        weights_DK = scale_D[:, None] * cho_solve(factor, shared_DK, check_finite=False)
        found.append(Probe(weights_DK, mean_K - mean_D @ weights_DK))
    return found


def fit_probes(
    x_ND: Features, targets: Sequence[Floats], recordings_N: Ints, penalties: Sequence[float] = PENALTIES
) -> list[Probe]:
    """A probe for each of several targets (N, K) of some steps, each one's penalty chosen on recordings left out.

    Args:
        x_ND: features; centred or not, of any scale.
        targets: what to read.
        recordings_N: number of the recording of each step.
        penalties: what to choose from; of a single recording, which can't be left out, `DEFAULT_PENALTY` is taken.
    """
    x_ND = np.asarray(x_ND, np.float64)
    origin_D = x_ND.mean(axis=0)  # far from the origin the sums would lose digits
    x_ND, y_NK = x_ND - origin_D, np.concatenate(list(targets), axis=1)
    ends = np.cumsum([target.shape[1] for target in targets])[:-1]
    odd_N = half_of(recordings_N)
    if len(penalties) == 1 or odd_N.all() or not odd_N.any():  # nothing to choose from, or by
        best = [penalties[0] if len(penalties) == 1 else DEFAULT_PENALTY] * len(targets)
        sums = Sums.of(x_ND, y_NK)
    else:
        halves = [Sums.of(x_ND[keep_N], y_NK[keep_N]) for keep_N in (odd_N, ~odd_N)]
        errors_PK = np.zeros((len(penalties), y_NK.shape[1]))
        for half, test_N in zip(halves, (~odd_N, odd_N), strict=True):
            for place, probe in enumerate(solve(half, penalties)):
                errors_PK[place] += np.square(probe(x_ND[test_N]) - y_NK[test_N]).sum(axis=0)
        best = [penalties[int(part.sum(axis=1).argmin())] for part in np.split(errors_PK, ends, axis=1)]
        sums = halves[0] + halves[1]
    solved = dict(zip(dict.fromkeys(best), solve(sums, list(dict.fromkeys(best))), strict=True))
    own = [np.split(np.arange(y_NK.shape[1]), ends)[place] for place in range(len(targets))]
    return [_columns(solved[penalty], places, origin_D) for penalty, places in zip(best, own, strict=True)]


def _columns(probe: Probe, places_K: Ints, origin_D: Floats) -> Probe:
    """Some outputs of a probe, of features that weren't moved to their origin."""
    weights_DK = probe.weights_DK[:, places_K]
    return Probe(weights_DK, probe.offset_K[places_K] - origin_D @ weights_DK)


def fit_probe(x_ND: Features, y_NK: Floats, recordings_N: Ints, penalties: Sequence[float] = PENALTIES) -> Probe:
    """`fit_probes` of one target."""
    return fit_probes(x_ND, [y_NK], recordings_N, penalties)[0]


def half_of(recordings_N: Ints) -> Flags:
    """True at the steps of every other recording, in order of number."""
    numbers = np.unique(recordings_N, return_inverse=True)[1]
    return np.asarray(numbers % 2 == 1)


def one_hot(labels_N: Ints, classes: int) -> Floats:
    """Codes (N, K) of class ids."""
    return np.eye(classes)[labels_N]


def accuracy(predicted_N: Ints, true_N: Ints) -> float:
    """Share of steps that are right."""
    return float((predicted_N == true_N).mean())


def balanced_accuracy(predicted_N: Ints, true_N: Ints) -> float:
    """Mean over the classes that occur of the share of their steps that are right (their recall)."""
    classes = np.unique(true_N)
    return float(np.mean([(predicted_N[true_N == name] == name).mean() for name in classes]))


def r_squared(predicted_N: Floats, true_N: Floats) -> float:
    """1 - squared error over that of the truth's own mean; 1 is perfect, 0 as good as that mean, below is worse."""
    spread = float(np.square(true_N - true_N.mean()).sum())
    return 1 - float(np.square(predicted_N - true_N).sum()) / spread if spread > 0 else np.nan
