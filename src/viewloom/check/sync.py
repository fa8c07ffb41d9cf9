"""How many frames two views of a recording are out of step, from when their features change.

What moves in the scene changes the features of every camera at the same moment, whatever each of them shows.
So the amount of change over time, a single curve per view, lines up at the true offset: normalised
cross-correlation of the two curves, by FFT. Noise of single frames would drown that change: it is measured
between means of a few frames before and after, over several lengths at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCALES_FRAMES = (3, 5, 9)
"""Change at a frame is the distance between the means of this many frames after and before it; all are used."""
TREND_FRAMES = 151
"""Slower trends than this are taken out of the curves: they line up at any offset."""
BESIDE_FRAMES = 3
"""A rival peak lies farther away than this."""
LEAST_SIGMAS = 4.0
LEAST_CONFIDENCE = 1.3
"""Together they believe none of 60 pairs of unrelated curves, and most pairs whose change is mostly shared."""


@dataclass(frozen=True)
class Offset:
    """Estimated offset between two views.

    Attributes:
        frames: frames by which the second view is late: moment t of the first is t + frames of the second.
        exact_frames: the same between whole frames, from a parabola through the peak.
        correlation: of the two curves at that offset, -1 to 1.
        confidence: the peak over the next highest one; about 1 when there is none to speak of.
        sigmas: the peak over the deviation that unrelated curves of this kind have.
    """

    frames: int
    exact_frames: float
    correlation: float
    confidence: float
    sigmas: float

    @property
    def reliable(self) -> bool:
        """Whether the peak stands out enough to believe it, to a frame or two."""
        return self.sigmas >= LEAST_SIGMAS and self.confidence >= LEAST_CONFIDENCE


NO_OFFSET = Offset(0, 0.0, 0.0, 1.0, 0.0)
"""Nothing could be measured."""


def change_curve(x_TD: NDArray[np.float32]) -> Floats:
    """How much features change at each frame, detrended and of unit variance; (T, D) to (T,).

    Where a frame is missing (a row of NaN) or the stretch begins or ends, the curve is 0: no more and no less
    change than usual. It is 0 throughout where there is nothing to measure, or nothing changes.
    """
    frames, widest = len(x_TD), max(SCALES_FRAMES)
    absent = np.asarray(np.logical_not(np.isfinite(x_TD)).any(axis=1))
    if frames - absent.sum() < 4 * widest:
        return np.zeros(frames)
    filled_TD = _held(x_TD, absent)
    unsure = _near(absent, widest)
    curve = np.zeros(frames)
    for scale in SCALES_FRAMES:
        curve += _standardised(_change(filled_TD, scale), unsure)
    return _standardised(curve, unsure)


def _held(x_TD: NDArray[np.float32], absent: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Features with each missing row replaced by the last row there was."""
    if not absent.any():
        return x_TD
    last = np.maximum.accumulate(np.where(absent, -1, np.arange(len(x_TD))))
    return x_TD[np.where(last < 0, np.argmin(absent), last)]


def _near(absent: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Frames whose change is unsure: missing ones, and all within ``reach`` of one or of an end."""
    padded = np.concatenate([np.ones(reach, bool), absent, np.ones(reach, bool)])
    counts = np.convolve(padded, np.ones(2 * reach + 1), "valid")
    near: NDArray[np.bool_] = counts > 0.5
    return near


def _change(x_TD: NDArray[np.float32], scale: int) -> Floats:
    """Logarithm of the distance between the means of ``scale`` frames from each frame on, and before it; (T,)."""
    places = len(x_TD) - scale + 1
    means_PD = x_TD[:places].copy()
    for shift in range(1, scale):
        means_PD += x_TD[shift : shift + places]
    distances = np.linalg.norm(means_PD[scale:] - means_PD[:-scale], axis=1).astype(np.float64)
    change = np.full(len(x_TD), np.nan)
    change[scale : scale + len(distances)] = np.log(distances + 1e-6 * distances.mean() + 1e-30)
    return change


def _standardised(curve: Floats, unsure: NDArray[np.bool_]) -> Floats:
    """A curve without its trend, of mean 0 and deviation 1 where it is sure; 0 elsewhere."""
    sure = (~unsure).astype(np.float64)
    curve = np.where(unsure, 0.0, curve)
    width = np.ones(min(TREND_FRAMES, len(curve)))
    weights = np.maximum(np.convolve(sure, width, "same"), 1.0)
    curve = (curve - np.convolve(curve, width, "same") / weights) * sure
    spread = np.sqrt((curve**2).sum() / max(sure.sum(), 1.0))
    return curve / spread if spread > 1e-6 else np.zeros(len(curve))


def offset_of_curves(one: Floats, other: Floats, most_frames: int) -> Offset:
    """Offset between two curves of `change_curve`.

    Args:
        one: curve (T,) of the first view.
        other: of the second, over the same frame numbers.
        most_frames: largest offset looked for, either way.
    """
    most = min(most_frames, len(one) // 2)
    if most < 1 or not one.any() or not other.any():
        return NO_OFFSET
    values, sigma = correlations(one, other, most)
    peak = int(values.argmax())
    lags = np.arange(-most, most + 1)
    rivals = _is_peak(values) & (np.abs(lags - lags[peak]) > BESIDE_FRAMES)
    rival = max(float(values[rivals].max(initial=0.0)), sigma)
    height = float(values[peak])
    exact = float(lags[peak]) + _vertex(values, peak)
    return Offset(int(lags[peak]), exact, height, max(height / rival, 0.0), height / sigma)


def correlations(one: Floats, other: Floats, most: int) -> tuple[Floats, float]:
    """Correlation of two curves at every lag from -most to most, positive where the second is late.

    Returns:
        The correlations (2 most + 1,), and the deviation they would have if the curves were unrelated, from
        their autocorrelations (Bartlett 1946).
    """
    size = 1 << int(np.ceil(np.log2(2 * len(one))))
    spectra = np.fft.rfft(one, size), np.fft.rfft(other, size)
    lags = np.arange(-most, most + 1)
    overlap = len(one) - np.abs(lags)
    values: Floats = np.fft.irfft(np.conj(spectra[0]) * spectra[1], size)[lags] / overlap
    reach = min(2 * TREND_FRAMES, len(one))
    auto = [np.fft.irfft(np.abs(s) ** 2, size)[:reach] / len(one) for s in spectra]
    products = auto[0] * auto[1]
    variance = (products[0] + 2 * products[1:].sum()) / len(one)
    return values, float(np.sqrt(max(variance, 1 / len(one))))


def _is_peak(values: Floats) -> NDArray[np.bool_]:
    """Where a value is at least as high as both neighbours; not at the ends."""
    peak = np.zeros(len(values), np.bool_)
    peak[1:-1] = (values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])
    return peak


def _vertex(values: Floats, peak: int) -> float:
    """Where between -1/2 and 1/2 the parabola through a peak and its neighbours is highest."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, top, after = values[peak - 1 : peak + 2]
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
