"""Settings of how a head's probabilities become one action a frame."""

from dataclasses import dataclass, field
from typing import Literal

from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError
from viewloom.identity import added
from viewloom.ranges import SHARE, Settings


@dataclass(frozen=True, kw_only=True)
class DurationsConfig(Settings, called="durations"):
    """How long segments may be (--decoding durations)."""

    shortest: float | None = added(0.0, **SHARE)
    """Shortest segment of an action: the quantile of its segments in training; 0 is the shortest of all,
    and null sets no bound. The first and the last segment of an item may be shorter."""
    longest: float | None = added(1.0, **SHARE)
    """Longest segment of an action: the quantile likewise, not below the other; 1 is the longest of all, and null sets
    no bound."""
    enough: int = added(50, at_least=1)
    """Segments of an action in training from which their longest is a bound. Of n segments the next one is
    longer than all with probability 1 / (n + 1), and a bound that is too tight breaks what was right."""

    def __post_init__(self) -> None:
        if self.shortest is not None and self.longest is not None and self.shortest > self.longest:
            raise ConfigError(
                f"--durations.shortest must not be above --durations.longest, but they are {self.shortest} and "
                f"{self.longest}."
            )


def refuse_idle_bounds(decoding: str, durations: DurationsConfig) -> None:
    """`ConfigError` for bounds that nothing looks at."""
    if decoding != "durations" and durations != DurationsConfig():
        raise ConfigError("--durations are bounds of --decoding durations: pass that, or leave them out.")


@dataclass(frozen=True, kw_only=True)
class DecodedConfig(DataConfig):
    """What commands have that segment with a head."""

    decoding: Literal["argmax", "durations"] = added("argmax")
    """How probabilities become segments: argmax (each frame its likeliest action), or durations (the most probable
    segmentation whose segments are neither shorter nor longer than those of their action in training)."""
    durations: DurationsConfig = field(default_factory=DurationsConfig)
    """How long segments may be, with --decoding durations."""

    def __post_init__(self) -> None:
        refuse_idle_bounds(self.decoding, self.durations)
