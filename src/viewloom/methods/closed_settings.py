"""Settings of the closed forms besides canonical correlation and ridge regression."""

from dataclasses import dataclass

from viewloom.methods.settings import CCAConfig, MethodConfig
from viewloom.nn.settings import Standardise
from viewloom.ranges import SEED, WIDTH, ranged


@dataclass(frozen=True, kw_only=True)
class DelayCCAConfig(CCAConfig):
    """Settings of canonical correlation over time."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since principal components depend on units."""
    taps: int = ranged(5, at_least=1, at_most=1000)
    """Copies of a step's features, delayed against each other: what the map of a step looks at."""
    stride_s: float | None = ranged(None, above=0, at_most=86_400)
    """Seconds between two copies. None takes 0.5, or the length of a step of the pairs if that is longer."""
    causal: bool = False
    """Look at the past alone, instead of as far into the future."""
    pca_dim: int = ranged(64, at_least=0)
    """Principal components kept of each view before that, at most; 0 keeps its features as they are."""


@dataclass(frozen=True, kw_only=True)
class RFFCCAConfig(CCAConfig):
    """Settings of canonical correlation of random Fourier features."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since distances depend on units."""
    features: int = ranged(600, **WIDTH)
    """Random features of each view; 2,000 are finer, and take ten times as long to solve."""
    pca_dim: int = ranged(64, at_least=0)
    """Principal components kept of each view before that, at most; 0 keeps its features as they are."""
    bandwidth: float = ranged(1.0, above=0)
    """Width of the Gaussian kernel, as a multiple of the median distance between steps of a view."""
    seed: int = ranged(0, **SEED)
    """Seed of the random features, which are saved with the refiner."""


@dataclass(frozen=True, kw_only=True)
class ProcrustesConfig(MethodConfig):
    """Settings of orthogonal alignment."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since principal components depend on units."""
    out_dim: int = ranged(0, at_least=0)
    """Principal components turned into one space; 0 takes the smallest view's number of features, 64 at most."""


@dataclass(frozen=True, kw_only=True)
class CoralConfig(MethodConfig):
    """Settings of correlation alignment."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since roots of covariances depend on units."""
    reference: str = ""
    """View whose mean and covariances the others are given; empty takes the first (exo, where those come first)."""
    strength: float = ranged(1e-2, above=0)
    """Ridge on the covariances of every view, as a share of its mean variance."""
