"""Settings of `viewloom simulate metaworld`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError, refuse_outside

_LIMITS = {
    "recordings": (1, 100_000),
    "people": (4, 10_000),
    "tasks_each": (1, 1000),
    "size": (32, 2048),
    "fps": (1, 240),
    "workers": (1, 1024),
}


@dataclass(frozen=True, kw_only=True)
class MetaworldConfig:
    """Rendered recordings of a robot hand at Meta-World's tasks, seen by several cameras, with labels."""

    out: str
    """Folder to write. A run that was stopped goes on there when started again."""
    preset: Literal["tiny", "small", "large"] = "small"
    """Size: small (40 recordings of 16 tasks), large (240 recordings of 47 tasks), tiny (for trying out)."""
    recordings: int | None = None
    """Number of recordings, instead of the preset's."""
    people: int | None = None
    """Number of people, instead of the preset's; 4 or more, as no person has two roles (pairs, train, val, test)."""
    tasks_each: int | None = None
    """Tasks in a recording, instead of the preset's number."""
    tasks: str | None = None
    """Tasks instead of the preset's, comma-separated: drawer-open,drawer-close."""
    views: str = "corner,corner3,gripperPOV"
    """Views, comma-separated: corner, corner2, corner3, topview (fixed), gripperPOV (wrist), behindGripper."""
    size: int = 128
    """Width and height of the pictures in pixels, even."""
    fps: float = 10.0
    """Frames per second. Movements last as long in seconds at any rate; the robot is shown slower than real time."""
    seed: int = 0
    """Seed of everything: people, tasks, places of things, noise, cameras, lights, colours."""
    workers: int = 1
    """Processes that act and render. The result doesn't depend on it."""
    gl: Literal["auto", "egl", "osmesa"] = "auto"
    """Way to render without a display; auto: what MUJOCO_GL says, else the first that works."""
    plan: bool = False
    """Say what would be written and how large it would be, and write nothing."""

    def __post_init__(self) -> None:
        refuse_outside(self, _LIMITS)
        if self.size % 2:
            raise ConfigError(f"--size must be even, as mp4 wants it, but is {self.size}.")
