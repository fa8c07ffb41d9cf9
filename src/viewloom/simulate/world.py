"""The frozen extractor: one random network for all cameras, set to the statistics of real TSM features.

Pooled activations go through two random layers. The last one's gains and offsets are set once per world, so
that within stretches of 100 frames of fixed cameras each feature's mean and deviation are distributed as in a
real sample. Nothing here knows actions, and nothing is fitted to any score.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.simulate.actions import own_actions
from viewloom.simulate.cameras import VIEWS
from viewloom.simulate.motion import F32, Scene, make_scene
from viewloom.simulate.rendering import LOCAL, Filters, Optics, make_filters, make_optics, render
from viewloom.simulate.seeds import stream
from viewloom.simulate.timelines import own_script

HIDDEN = 160
"""Units between pooling and features."""

MEAN = 0.363
"""Mean of the real sample's features."""

ZEROS = 0.090
"""Share of exact zeros in it."""

PROFILE = 1.0
"""Exponent that shapes the distribution of the features' means, from squared normal quantiles."""

MOVEMENT = 1.7
"""Factor on the features' movement, for what the last ReLU takes away."""

ROUNDING = 1.0
"""Rounding of the last ReLU's corner against a feature's movement, as pooling over the picture gives it."""

NOISE_RANK = 40
"""Dimensions of the extractor's own noise, each weaker than the one before."""

NOISE_DECAY = 0.97
"""Ratio of the deviations of one noise dimension and the one before."""

NOISE_S = 0.15
"""Correlation time of the noise."""

NOISE = {"exo": 0.27, "ego": 0.30}
"""Deviation of the noise against that of the picture's own changes."""

SAMPLE_FRAMES = 100
"""Length of the stretches that the statistics are about."""


@dataclass(frozen=True)
class World:
    """All that two data sets of one world share.

    Attributes:
        seed: of the world.
        dim: feature size D.
        filters: local part of the extractor.
        optics: each view's colours and background.
        mix, mix_bias: second layer (LOCAL, HIDDEN), (HIDDEN,).
        out: last layer (HIDDEN, D), its gain included.
        offset: added before the last ReLU (D,).
        rounding: half width of the last ReLU's rounded corner (D,).
        floor: what is taken off behind the rounding, before the cut at 0.
        noise: directions of the noise (NOISE_RANK, D).
    """

    seed: int
    dim: int
    filters: Filters
    optics: dict[str, Optics]
    mix: F32
    mix_bias: F32
    out: F32
    offset: F32
    rounding: F32
    floor: float
    noise: F32

    @property
    def hash(self) -> str:
        """Short hexadecimal hash: worlds of equal hash make comparable features.

        Of the numbers drawn, and of the sizes of those computed from them, whose last digits may differ from
        one machine's arithmetic to the next.
        """
        digest = hashlib.sha256(f"{self.seed} {self.dim}".encode())
        drawn = [self.filters.sides, self.filters.weights, self.filters.bias]
        drawn += [x for _, one in sorted(self.optics.items()) for x in (one.colours, one.background, one.sway)]
        for array in drawn:
            digest.update(np.ascontiguousarray(array).tobytes())
        for array in (self.mix, self.mix_bias, self.out, self.offset, self.rounding, self.noise):
            digest.update(f"{np.abs(array).mean():.3g} ".encode())
        return digest.hexdigest()[:16]

    def features(self, scene: Scene, view: str, rng: np.random.Generator) -> F32:
        """Features (T, D) of one view of a scene, float32; ``rng`` gives the noise."""
        hidden = _mixed(render(scene, view, self.filters, self.optics[view]), self.mix, self.mix_bias)
        x_TD = hidden @ self.out
        x_TD += self.offset
        noise = _noise(scene.frames, scene.fps, rng) * np.float32(NOISE["ego" if view[0] == "e" else "exo"])
        x_TD += noise @ self.noise
        x_TD = _rounded(x_TD, self.rounding)
        x_TD -= np.float32(self.floor)
        return np.maximum(x_TD, 0, out=x_TD)


def make_worlds(seed: int, dims: Iterable[int]) -> dict[int, World]:
    """Draw the world of a seed, once with each of these feature sizes.

    They differ in the last layer alone, which is set on a short recording of the world's own.
    """
    rng = stream("world", seed)
    filters = make_filters(seed)
    optics = {view: make_optics(view, seed) for view in VIEWS}
    mix = rng.normal(0, 1 / np.sqrt(LOCAL), (LOCAL, HIDDEN)).astype(np.float32)
    samples = _samples(seed, filters, optics)
    # Units are switched by the difference between pictures, not by what all pictures have in common.
    common = np.mean([sample.mean(axis=0) for sample in samples.values()], axis=0)
    scale = np.sqrt(np.mean([sample.var(axis=0) for sample in samples.values()], axis=0)).mean()
    mix /= np.float32(scale)
    bias = (rng.normal(0, 0.5, HIDDEN) - common @ mix).astype(np.float32)
    hidden = {view: _mixed(sample, mix, bias) for view, sample in samples.items()}
    shared = {"seed": seed, "filters": filters, "optics": optics, "mix": mix, "mix_bias": bias}
    return {dim: World(dim=dim, **shared, **_last_layer(seed, dim, hidden)) for dim in dims}


def _mixed(pooled: F32, mix: F32, bias: F32) -> F32:
    hidden: F32 = pooled @ mix
    hidden += bias
    np.maximum(hidden, 0, out=hidden)
    return hidden


def _samples(seed: int, filters: Filters, optics: dict[str, Optics]) -> dict[str, F32]:
    """Pooled activations of a few recordings in every view, to set the extractor on."""
    actions = own_actions(24)
    script = own_script(actions, 2, 2, pace=6.0, fps=30.0, seed=-1, world=seed)
    scenes = [make_scene(line, actions, fps=30.0, seed=-1, world=seed) for line in script.timelines]
    return {view: np.concatenate([render(scene, view, filters, optics[view]) for scene in scenes]) for view in VIEWS}


def _last_layer(seed: int, dim: int, hidden: dict[str, F32]) -> dict[str, Any]:
    """A `World`'s last layer and noise, which give each feature its share of mean and movement."""
    rng = stream("features", seed, dim)
    out = rng.normal(0, 1 / np.sqrt(HIDDEN), (HIDDEN, dim)).astype(np.float32)
    projected = {view: x @ out for view, x in hidden.items()}
    within = np.sqrt(np.mean([_within(x) for v, x in projected.items() if v[0] == "v"], axis=0))
    centre = np.mean([x.mean(axis=0) for x in projected.values()], axis=0)
    mean = rng.permutation(_profile(dim))
    movement = _movement(mean)
    gain = movement / within
    rounding = ROUNDING * movement
    # The rounded ReLU of x is the mean where x = mean - rounding^2 / (4 mean).
    offset = mean - rounding**2 / (4 * mean) - centre * gain
    fixed = np.concatenate([x for view, x in projected.items() if view[0] == "v"])
    floor, scale = _level(_rounded((fixed * gain + offset).astype(np.float32), rounding.astype(np.float32)))
    noise = rng.normal(0, 1, (NOISE_RANK, dim)) * NOISE_DECAY ** np.arange(NOISE_RANK)[:, None]
    noise *= movement / np.sqrt((noise**2).sum(axis=0))
    return {
        "out": np.float32(scale) * (out * gain).astype(np.float32),
        "offset": (scale * offset).astype(np.float32),
        "rounding": (scale * rounding).astype(np.float32),
        "floor": scale * floor,
        "noise": (scale * noise).astype(np.float32),
    }


def _rounded(x_TD: F32, rounding_D: F32) -> F32:
    """ReLU with a rounded corner: (x + sqrt(x^2 + r^2)) / 2."""
    root = np.square(x_TD)
    root += np.square(rounding_D)
    np.sqrt(root, out=root)
    root += x_TD
    root *= np.float32(0.5)
    return root


def _level(x_TD: F32) -> tuple[float, float]:
    """The floor that gives the sample's share of zeros, and the scale that then gives its mean."""
    floor = float(np.quantile(x_TD, ZEROS))
    return floor, MEAN / float(np.maximum(x_TD - floor, 0).mean())


def _profile(dim: int) -> NDArray[np.float64]:
    """Means of D features, rising: quantiles of a squared normal, as the real sample's are."""
    from scipy.stats import chi2

    quantiles = chi2.ppf((np.arange(dim) + 0.5) / dim, 1) ** PROFILE
    return np.asarray(MEAN * quantiles / quantiles.mean())


def _movement(mean: NDArray[np.floating]) -> NDArray[np.floating]:
    """Deviation of a feature within 100 frames for a mean: a fit to the real sample's 2048 features."""
    return MOVEMENT * (0.29 * mean / (mean + 0.35) + 0.003)


def _within(x_TD: F32) -> NDArray[np.float64]:
    """Mean variance of each feature within stretches of 100 frames."""
    whole = len(x_TD) // SAMPLE_FRAMES * SAMPLE_FRAMES
    return np.asarray(x_TD[:whole].reshape(-1, SAMPLE_FRAMES, x_TD.shape[1]).var(axis=1).mean(axis=0))


def _noise(frames: int, fps: float, rng: np.random.Generator) -> F32:
    """Short-lived noise (T, NOISE_RANK) of deviation 1."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / (NOISE_S * fps))
    kick = rng.standard_normal((frames, NOISE_RANK), np.float32) * np.float32(np.sqrt(1 - keep**2))
    kick[:1] /= np.float32(np.sqrt(1 - keep**2))
    return np.asarray(lfilter([1.0], [1.0, -keep], kick, axis=0), np.float32)
