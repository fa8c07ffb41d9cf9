"""How many frames two views of a recording are out of step, from when their features change.

What moves in the scene changes the features of every camera at the same moment, whatever each of them shows.
So the amount of change over time, a single curve per view, lines up at the true offset: normalised
cross-correlation of the two curves, by FFT.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STRIDE_FRAMES = 2
"""Change is measured over this many frames: over one, noise weighs too much."""
TREND_FRAMES = 151
"""Slower trends than this are taken out of the curves: they line up at any offset."""


@dataclass(frozen=True)
class Offset:
    """Estimated offset between two views.

    Attributes:
        frames: frames by which the second view is late: moment t of the first is t + frames of the second.
        correlation: of the two curves at that offset, -1 to 1.
        confidence: the peak over the largest value more than 3 frames away from it; 1 is no peak at all.
    """

    frames: int
    correlation: float
    confidence: float

    @property
    def reliable(self) -> bool:
        """Whether the peak stands out enough to believe it."""
        return self.correlation > 0.1 and self.confidence > 1.5


def change_curve(x_TD: NDArray[np.float32]) -> Floats:
    """How much the features change around each frame, detrended and of unit variance; (T, D) to (T - 2,).

    Missing frames (rows of NaN) count as no more and no less change than usual.
    """
    difference = np.linalg.norm(x_TD[STRIDE_FRAMES:] - x_TD[:-STRIDE_FRAMES], axis=1).astype(np.float64)
    curve = np.log(difference + 1e-6)
    known = np.isfinite(curve)
    if not known.any():
        return np.zeros(len(curve))
    curve[~known] = curve[known].mean()
    width = min(TREND_FRAMES, max(3, len(curve) // 4 * 2 + 1))
    weights = np.convolve(np.ones(len(curve)), np.ones(width), "same")
    curve = curve - np.convolve(curve, np.ones(width), "same") / weights
    curve[~known] = 0.0
    spread = curve.std()
    return curve / spread if spread > 1e-9 else np.zeros(len(curve))


def estimate_offset(one_TD: NDArray[np.float32], other_TD: NDArray[np.float32], most_frames: int) -> Offset:
    """Offset between two stretches of features that start at the same frame number.

    Args:
        one_TD: features (T, D) of the first view.
        other_TD: features of the second, same T.
        most_frames: largest offset looked for, either way.
    """
    one, other = change_curve(one_TD), change_curve(other_TD)
    most = min(most_frames, len(one) - 1)
    if most < 1 or not one.any() or not other.any():
        return Offset(0, 0.0, 1.0)
    values = _correlations(one, other, most)
    peak = int(values.argmax())
    lags = np.arange(-most, most + 1)
    beside = np.abs(lags - lags[peak]) > 3
    floor = max(float(values[beside].max(initial=0.0)), 1e-3)
    return Offset(int(lags[peak]), float(values[peak]), max(float(values[peak]) / floor, 0.0))


def _correlations(one: Floats, other: Floats, most: int) -> Floats:
    """Mean product of the curves at every lag from -most to most; positive: the second is late."""
    size = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    product = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size), size)
    lags = np.arange(-most, most + 1)
    overlap = len(one) - np.abs(lags)
    result: Floats = product[lags] / overlap
    return result
