"""Settings of the heads, apart from their networks.

A head of another package, or in a file of its own, nests its settings as ``Config`` instead: nothing here names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError

POOLS = (2, 3, 5, 6)
LEVEL_WEIGHTS = {"c2f_tcn": (1.0, 1.0, 1.0, 1.0, 0.0, 0.0), "view_invariance": (1.0,) * 6}
"""How decoder levels vote, finest first, by the release: that of C2F-TCN itself, whose two coarsest levels have no
say, and that of the view-invariance report, where all have the same, as in Assembly101's baseline."""
MIN_STEPS = 2**6 * max(POOLS)
"""Shortest canvas: six halvings must leave enough steps for the widest pool of the pyramid."""


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Settings of a head; each head nests its own as ``Config``."""

    standardise: bool = True
    """Bring each input feature to mean 0 and deviation 1 over the training windows' steps, and cut it off at 10
    deviations; the statistics are saved with the head. False takes features as they are, as published heads do."""


@dataclass(frozen=True, kw_only=True)
class C2FTCNConfig(HeadConfig):
    """Settings of C2F-TCN."""

    canvas: Literal["length", "window"] = "length"
    """Steps a row is computed at: length (its own, at least 384), or window (window_steps, as published)."""
    window_steps: int = 1200
    """Steps of the canvas with canvas=window, whose padding is computed, and counted in batch norm, too."""
    width: int = 128
    """Channels of the decoder and of the deep encoder levels; the first three have twice as many."""
    level_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    """Say of each decoder level in the vote, finest first."""
    smoothing: float = 0.17
    """Weight of the smoothing term beside the cross-entropy."""
    smoothing_mean: Literal["valid", "all"] = "valid"
    """Smoothing is averaged over valid steps, or over the whole window with its padding (released code)."""
    probability_floor: float = 0.0
    """Added to probabilities before the logarithm of the loss; the released code has 1e-10."""

    def __post_init__(self) -> None:
        # A tuple also after a round trip through JSON or YAML, which only know lists.
        object.__setattr__(self, "level_weights", tuple(self.level_weights))
        _check(self)


def _check(config: C2FTCNConfig) -> None:
    """Refuse settings that can't work."""
    weights = config.level_weights
    faults = (
        (config.canvas not in ("length", "window"), f"canvas is {config.canvas!r}; it can be length or window"),
        (
            config.window_steps < MIN_STEPS,
            f"window_steps is {config.window_steps}; the net needs at least {MIN_STEPS}",
        ),
        (config.width < 1, f"width is {config.width}; it must be at least 1"),
        (
            len(weights) != 6 or min(weights) < 0 or not sum(weights),
            f"level_weights is {weights}; it takes six, none negative, not all zero",
        ),
        (config.smoothing < 0, f"smoothing is {config.smoothing}; it can't be negative"),
        (
            config.smoothing_mean not in ("valid", "all"),
            f"smoothing_mean is {config.smoothing_mean!r}; it can be valid or all",
        ),
        (
            config.smoothing_mean == "all" and config.canvas != "window",
            "smoothing_mean 'all' counts padding, whose amount is only fixed with canvas 'window'; "
            "set canvas to window, or smoothing_mean to valid",
        ),
        (
            config.probability_floor < 0,
            f"probability_floor is {config.probability_floor}; it can't be negative",
        ),
    )
    for found, fault in faults:
        if found:
            raise ConfigError(f"Head c2f_tcn: {fault}.")


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """Settings of the linear probe."""

    bias: bool = True
    """Add a learned constant to each class's logit."""


SETTINGS: Mapping[str, type[HeadConfig]] = {"c2f_tcn": C2FTCNConfig, "linear": LinearConfig}
"""Registered names, and the settings that can be shown without importing their networks."""
