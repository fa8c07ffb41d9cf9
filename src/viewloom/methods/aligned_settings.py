"""Settings of the methods that compare more than steps: sequences, stretches, labelled segments."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.methods.settings import EncodedConfig


@dataclass(frozen=True, kw_only=True)
class SequenceConfig(EncodedConfig):
    """Settings of methods that hold whole sequences against each other."""

    pairs: Literal["recordings", "views", "both"] = "recordings"
    """Which sequences of different views are pairs: those of different recordings of the same activity, which uses no
    synchrony, and takes recordings that one view alone saw; the views of one window; or both."""
    path: Literal["cca", "pca", "random"] = "pca"
    """Linear map that learning starts from: principal components of each view, or a random rotation; canonical
    components of all views (cca) use synchrony, and are refused with pairs=recordings."""
    max_steps: int = 64
    """Steps of a sequence that are compared, evenly spaced over its window."""
    partners: int = 4
    """Sequences that each one is held against, drawn anew in every epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_steps < 2 or self.partners < 1:
            raise ConfigError(
                f"max_steps must be 2 or more and partners 1 or more, but are {self.max_steps} and {self.partners}."
            )
        if self.path == "cca" and self.pairs == "recordings":
            raise ConfigError(
                "path=cca starts from steps that are synchronised, which pairs=recordings is there to do without. "
                "Set path to pca, or pairs to both."
            )


@dataclass(frozen=True, kw_only=True)
class TCCConfig(SequenceConfig):
    """Settings of temporal cycle-consistency."""

    cycle: Literal["regression", "classification"] = "regression"
    """What a cycle has to come back to: the time it started at, measured against its own variance, or the step."""
    temperature: float = 0.3
    """What squared distances, means over features of deviation 1 about, are divided by."""
    variance_weight: float = 1e-3
    """Weight of the logarithm of the deviation of a cycle's end; as in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0 or not self.variance_weight >= 0:
            raise ConfigError(
                "temperature must be above 0 and variance_weight 0 or more, but are "
                f"{self.temperature} and {self.variance_weight}."
            )


@dataclass(frozen=True, kw_only=True)
class SoftDTWConfig(SequenceConfig):
    """Settings of alignment by soft-DTW."""

    gamma: float = 0.1
    """Smoothing of the minimum over alignments, in squared distances, which are means over features."""
    variance_weight: float = 1.0
    """Weight of the variance term, without which all steps may become one."""
    variance_target: float = 1.0
    """Deviation that the variance term asks of every refined feature."""
    covariance_weight: float = 0.04
    """Weight of the covariance term, without which all features may become one; a 25th as in VICReg."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gamma > 0 or not min(self.variance_weight, self.variance_target, self.covariance_weight) >= 0:
            raise ConfigError(
                f"gamma must be above 0, but is {self.gamma}; variance_weight, variance_target and covariance_weight "
                f"0 or more, but are {self.variance_weight}, {self.variance_target}, {self.covariance_weight}."
            )


@dataclass(frozen=True, kw_only=True)
class MaskedConfig(EncodedConfig):
    """Settings of masked prediction over views."""

    stretch_s: float = 2.0
    """Length of a stretch that views are hidden in (s); one step at least."""
    hidden_share: float = 0.5
    """Share of the stretches in which views are hidden, above 0 and up to 1."""
    whole_share: float = 0.25
    """Share of the windows in which views are hidden from beginning to end instead, from 0 to 1."""
    targets: Literal["all", "hidden"] = "all"
    """What is predicted where views are hidden: the features of all views, or of those alone."""
    predictor_layers: int = 2
    """Convolutions of the predictor, which is thrown away after pre-training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stretch_s > 0 or not 0 < self.hidden_share <= 1 or not 0 <= self.whole_share <= 1:
            raise ConfigError(
                "stretch_s must be above 0, hidden_share above 0 and up to 1, whole_share from 0 to 1, but are "
                f"{self.stretch_s}, {self.hidden_share}, {self.whole_share}."
            )
        if self.predictor_layers < 1:
            raise ConfigError(f"predictor_layers must be 1 or more, but is {self.predictor_layers}.")


@dataclass(frozen=True, kw_only=True)
class UnseenViewsConfig(EncodedConfig):
    """Settings of the labelled losses over sequences and segments."""

    sequence_weight: float = 1.0
    """Weight of the sequence loss, which needs no labels."""
    segment_weight: float = 1.0
    """Weight of the segment loss, which does."""
    temperature: float = 0.1
    """What cosines between segments are divided by."""

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.sequence_weight, self.segment_weight
        if not min(weights) >= 0 or not max(weights) > 0:
            raise ConfigError(
                "sequence_weight and segment_weight must be 0 or more and one of them above, but are "
                f"{weights[0]} and {weights[1]}."
            )
        if not self.temperature > 0:
            raise ConfigError(f"temperature must be above 0, but is {self.temperature}.")
