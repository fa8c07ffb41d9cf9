"""`viewloom simulate`: its settings. The work itself is imported when it runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from viewloom.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FaultConfig:
    """Faults to plant; what was planted is recorded in simulation.json. None by default."""

    offset_frames: int = 0
    """Frames by which one view lags behind the others (negative: runs ahead)."""
    offset_view: str | None = None
    """The view that lags; the last of the views if not said."""
    dropped_share: float = 0.0
    """Share of every view's frames that are missing, in bursts of up to a second (0 to 0.5)."""
    missing_ego: int = 0
    """Number of recordings without any ego view."""
    unequal_frames: int = 0
    """Largest number of frames by which the views of a recording end apart."""
    two_serials: bool = False
    """Store half of the recordings' ego views under the camera's second serial."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropped_share <= 0.5:
            raise ConfigError(f"--faults.dropped_share must lie between 0 and 0.5, but is {self.dropped_share}.")
        for name in ("missing_ego", "unequal_frames"):
            if getattr(self, name) < 0:
                raise ConfigError(f"--faults.{name} must be 0 or more, but is {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class SimulateConfig:
    """Synthetic recordings of two hands and parts at a bench, seen by several cameras."""

    out: str
    """Folder to write; it must not exist yet."""
    recordings: int = 40
    """Number of recordings; with timelines, how many of theirs to take (0: all)."""
    views: str = "v3,e4"
    """Views, comma-separated, out of v1 to v8 (fixed around the bench) and e1 to e4 (on the head)."""
    dim: int = 128
    """Feature size D."""
    classes: int = 24
    """Number of actions (2 to 202); with timelines, theirs are taken."""
    people: int = 12
    """Number of people, each with a style and a speed of their own; with timelines, theirs are taken."""
    pace: float = 1.5
    """How many times shorter the actions last than the real ones, whose median is 11.9 s."""
    seed: int = 0
    """Seed of everything that differs between two data sets: people, timelines, motion, noise, lists."""
    world: int = 0
    """Seed of what two data sets share: parts, verbs, cameras and the frozen feature extractor."""
    fps: float = 30.0
    """Frames per second."""
    layout: Literal["assembly101", "npy"] = "assembly101"
    """Layout to write: Assembly101's LMDB and label files, or a table of npy files with labels.csv."""
    timelines: str | None = None
    """Folder with real coarse_labels/, coarse_splits/ and actions.csv whose timelines to take."""
    workers: int = 1
    """Processes that compute; 1 is this one. The result doesn't depend on it."""
    plan: bool = False
    """Say what would be written and how large it would be, and write nothing."""
    faults: FaultConfig = field(default_factory=FaultConfig)
    """Faults to plant."""

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"--{name} must lie between {low} and {high}, but is {value}.")
        if self.recordings == 0 and self.timelines is None:
            raise ConfigError("--recordings 0 (all) needs --timelines; give a number of 1 or more.")


_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("recordings", 0, 100_000),
    ("dim", 4, 16_384),
    ("classes", 2, 202),
    ("people", 1, 10_000),
    ("pace", 0.1, 20),
    ("fps", 5, 240),
    ("workers", 1, 1024),
)


def run_simulate(config: SimulateConfig) -> Path | None:
    """Simulate and write a data set, and return its folder; with ``plan`` say what would be written."""
    from viewloom.simulate.run import simulate  # numpy and lmdb only when the verb runs

    return simulate(config)
