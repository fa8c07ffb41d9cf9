"""Settings of the methods that compare more than steps: sequences, stretches, labelled segments."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.methods.settings import EncodedConfig
from viewloom.ranges import LAYERS, SHARE, ranged


@dataclass(frozen=True, kw_only=True)
class SequenceConfig(EncodedConfig):
    """Settings of methods that hold whole sequences against each other."""

    pairs: Literal["recordings", "views", "both"] = "recordings"
    """Which sequences of different views are pairs: those of different recordings of the same activity, which uses no
    synchrony, and takes recordings that one view alone saw; the views of one window; or both."""
    path: Literal["cca", "pca", "random"] = "pca"
    """Linear map that learning starts from: principal components of each view, or a random rotation; canonical
    components of all views (cca) use synchrony, and are refused with pairs=recordings."""
    max_steps: int = ranged(64, at_least=2)
    """Steps of a sequence that are compared, evenly spaced over its window."""
    partners: int = ranged(4, at_least=1)
    """Sequences that each one is held against, drawn anew in every epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
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
    temperature: float = ranged(0.3, above=0)
    """What squared distances, means over features of deviation 1 about, are divided by."""
    variance_weight: float = ranged(1e-3, at_least=0)
    """Weight of the logarithm of the deviation of a cycle's end; as in the paper."""


@dataclass(frozen=True, kw_only=True)
class SoftDTWConfig(SequenceConfig):
    """Settings of alignment by soft-DTW."""

    gamma: float = ranged(0.1, above=0)
    """Smoothing of the minimum over alignments, in squared distances, which are means over features."""
    variance_weight: float = ranged(1.0, at_least=0)
    """Weight of the variance term, without which all steps may become one."""
    variance_target: float = ranged(1.0, at_least=0)
    """Deviation that the variance term asks of every refined feature."""
    covariance_weight: float = ranged(0.04, at_least=0)
    """Weight of the covariance term, without which all features may become one; a 25th as in VICReg."""


@dataclass(frozen=True, kw_only=True)
class MaskedConfig(EncodedConfig):
    """Settings of masked prediction over views."""

    stretch_s: float = ranged(2.0, above=0, at_most=86_400)
    """Length of a stretch that views are hidden in (s); one step at least."""
    hidden_share: float = ranged(0.5, above=0, at_most=1)
    """Share of the stretches in which views are hidden."""
    whole_share: float = ranged(0.25, **SHARE)
    """Share of the windows in which views are hidden from beginning to end instead."""
    targets: Literal["all", "hidden"] = "all"
    """What is predicted where views are hidden: the features of all views, or of those alone."""
    predictor_layers: int = ranged(2, **LAYERS)
    """Convolutions of the predictor, which is thrown away after pre-training."""


@dataclass(frozen=True, kw_only=True)
class UnseenViewsConfig(EncodedConfig):
    """Settings of the labelled losses over sequences and segments."""

    sequence_weight: float = ranged(1.0, at_least=0)
    """Weight of the sequence loss, which needs no labels."""
    segment_weight: float = ranged(1.0, at_least=0)
    """Weight of the segment loss, which does."""
    temperature: float = ranged(0.1, above=0)
    """What cosines between segments are divided by."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sequence_weight and not self.segment_weight:
            raise ConfigError("sequence_weight and segment_weight are both 0: nothing is left to learn by. Raise one.")
