"""Settings of the closed forms besides canonical correlation and ridge regression."""

from dataclasses import dataclass

from viewloom.errors import ConfigError
from viewloom.methods.settings import CCAConfig, MethodConfig
from viewloom.nn.settings import Standardise


@dataclass(frozen=True, kw_only=True)
class DelayCCAConfig(CCAConfig):
    """Settings of canonical correlation over time."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since principal components depend on units."""
    taps: int = 5
    """Copies of a step's features, delayed against each other: what the map of a step looks at."""
    stride_s: float | None = None
    """Seconds between two copies. None takes 0.5, or the length of a step of the pairs if that is longer."""
    causal: bool = False
    """Look at the past alone, instead of as far into the future."""
    pca_dim: int = 64
    """Principal components kept of each view before that, at most; 0 keeps its features as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taps < 1 or self.pca_dim < 0:
            raise ConfigError(f"taps must be 1 or more and pca_dim 0 or more, but are {self.taps} and {self.pca_dim}.")
        if self.stride_s is not None and not self.stride_s > 0:
            raise ConfigError(f"stride_s must be above 0 seconds, but is {self.stride_s}.")


@dataclass(frozen=True, kw_only=True)
class RFFCCAConfig(CCAConfig):
    """Settings of canonical correlation of random Fourier features."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since distances depend on units."""
    features: int = 600
    """Random features of each view; 2,000 are finer, and take ten times as long to solve."""
    pca_dim: int = 64
    """Principal components kept of each view before that, at most; 0 keeps its features as they are."""
    bandwidth: float = 1.0
    """Width of the Gaussian kernel, as a multiple of the median distance between steps of a view."""
    seed: int = 0
    """Seed of the random features, which are saved with the refiner."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features < 1 or self.pca_dim < 0:
            raise ConfigError(f"features must be 1 or more, pca_dim 0 or more: got {self.features}, {self.pca_dim}.")
        if not self.bandwidth > 0:
            raise ConfigError(f"bandwidth must be above 0, but is {self.bandwidth}.")


@dataclass(frozen=True, kw_only=True)
class ProcrustesConfig(MethodConfig):
    """Settings of orthogonal alignment."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since principal components depend on units."""
    out_dim: int = 0
    """Principal components turned into one space; 0 takes the smallest view's number of features, 64 at most."""

    def __post_init__(self) -> None:
        if self.out_dim < 0:
            raise ConfigError(f"out_dim must be 0 or more, but is {self.out_dim}.")


@dataclass(frozen=True, kw_only=True)
class CoralConfig(MethodConfig):
    """Settings of correlation alignment."""

    standardise: Standardise = "view"
    """As in other methods; by default each view is, since roots of covariances depend on units."""
    reference: str = ""
    """View whose mean and covariances the others are given; empty takes the first (exo, where those come first)."""
    strength: float = 1e-2
    """Ridge on the covariances of every view, as a share of its mean variance."""

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ConfigError(f"strength must be above 0, but is {self.strength}.")
