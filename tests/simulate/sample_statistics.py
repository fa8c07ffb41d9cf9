"""The figures that simulated features are held to: those of the real sample of 100 frames."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

FRAMES = 100
"""Length of the real sample."""

LAGS = (1, 2, 5, 10, 20)


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics of features within stretches of `FRAMES` frames, averaged over the stretches.

    Attributes:
        mean, sd, zeros: mean, deviation and share of exact zeros over all features and frames.
        rms: root of the mean square, which is the L2 norm over the root of D.
        moving: variance of the features over time, averaged over features.
        lag_1, lag_2, lag_5, lag_10, lag_20: autocorrelation about each stretch's mean, pooled over features.
        cosine_1, cosine_50: cosine of raw frames 1 and 50 apart.
        pc_50, pc_90, pc_99: principal components that hold that much of the variance, in percent.
    """

    mean: float
    sd: float
    zeros: float
    rms: float
    moving: float
    lag_1: float
    lag_2: float
    lag_5: float
    lag_10: float
    lag_20: float
    cosine_1: float
    cosine_50: float
    pc_50: float
    pc_90: float
    pc_99: float


REAL = FeatureStatistics(
    mean=0.363,
    sd=0.549,
    zeros=0.090,
    rms=0.658,
    moving=0.0192,
    lag_1=0.915,
    lag_2=0.844,
    lag_5=0.622,
    lag_10=0.338,
    lag_20=0.017,
    cosine_1=0.997,
    cosine_50=0.940,
    pc_50=1,
    pc_90=5,
    pc_99=26,
)
"""Of the real sample: 100 TSM frames of one fixed camera, D = 2048 (norm 29.8)."""


def feature_statistics(x_TD: NDArray[np.float32]) -> FeatureStatistics:
    """Statistics of features (T, D), T of `FRAMES` or more; a last, shorter stretch is left out."""
    whole = len(x_TD) // FRAMES
    assert whole, f"needs {FRAMES} frames, got {len(x_TD)}"
    rows = [_stretch(x.astype(np.float64)) for x in np.split(x_TD[: whole * FRAMES], whole)]
    return FeatureStatistics(*np.mean(rows, axis=0).tolist())


def _stretch(x_TD: NDArray[np.float64]) -> list[float]:
    """The statistics of one stretch, in the order of the fields."""
    centred = x_TD - x_TD.mean(axis=0)
    power = (centred**2).sum() / len(x_TD)
    lagged = [(centred[lag:] * centred[:-lag]).sum() / (len(x_TD) - lag) / power for lag in LAGS]
    unit = x_TD / np.linalg.norm(x_TD, axis=1, keepdims=True)
    cosines = [(unit[lag:] * unit[:-lag]).sum(axis=1).mean() for lag in (1, 50)]
    held = np.cumsum(np.linalg.eigvalsh(centred @ centred.T)[::-1])
    components = [int(np.searchsorted(held / held[-1], share)) + 1 for share in (0.5, 0.9, 0.99)]
    sizes = [x_TD.mean(), x_TD.std(), (x_TD == 0).mean(), np.sqrt((x_TD**2).mean()), power / x_TD.shape[1]]
    values = [float(value) for value in (*sizes, *lagged, *cosines, *components)]
    assert len(values) == len(fields(FeatureStatistics))
    return values
