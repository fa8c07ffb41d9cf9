"""Settings of `viewloom simulate metaworld`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.ranges import SEED, Settings, ranged


@dataclass(frozen=True, kw_only=True)
class MetaworldConfig(Settings):
    """Rendered recordings of a robot hand at Meta-World's tasks, seen by several cameras, with labels."""

    out: str
    """Folder to write. A run that was stopped goes on there when started again."""
    preset: Literal["tiny", "small", "large"] = "small"
    """Size: small (40 recordings of 16 tasks), large (240 recordings of 47 tasks), tiny (for trying out)."""
    recordings: int | None = ranged(None, at_least=1, at_most=100_000)
    """Number of recordings, instead of the preset's."""
    people: int | None = ranged(None, at_least=4, at_most=10_000)
    """Number of people, instead of the preset's; no person has two roles (pairs, train, val, test)."""
    tasks_each: int | None = ranged(None, at_least=1, at_most=1000)
    """Tasks in a recording, instead of the preset's number."""
    tasks: str | None = None
    """Tasks instead of the preset's, comma-separated: drawer-open,drawer-close."""
    views: str = "corner,corner3,gripperPOV"
    """Views, comma-separated: corner, corner2, corner3, topview (fixed), gripperPOV (wrist), behindGripper."""
    size: int = ranged(128, at_least=32, at_most=2048)
    """Width and height of the pictures in pixels, even."""
    fps: float = ranged(10.0, at_least=1, at_most=240)
    """Frames per second. Movements last as long in seconds at any rate; the robot is shown slower than real time."""
    seed: int = ranged(0, **SEED)
    """Seed of everything: people, tasks, places of things, noise, cameras, lights, colours."""
    workers: int = ranged(1, at_least=1, at_most=1024)
    """Processes that act and render. The result doesn't depend on it."""
    gl: Literal["auto", "egl", "osmesa"] = "auto"
    """Way to render without a display; auto: what MUJOCO_GL says, else the first that works."""
    plan: bool = False
    """Say what would be written and how large it would be, and write nothing."""

    def __post_init__(self) -> None:
        if self.size % 2:
            raise ConfigError(f"--size must be even, as mp4 wants it, but is {self.size}.")
