"""Settings of `viewloom check`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.dataset.settings import DataConfig
from viewloom.ranges import Settings, ranged


@dataclass(frozen=True, kw_only=True)
class CheckConfig(DataConfig):
    """Tell whether a folder is usable."""

    depth: Literal["spans", "sample", "full"] = "sample"
    """How much is read: no features, some frames of each recording and view, or every frame."""
    sync_recordings: int = ranged(8, at_least=0)
    """Recordings whose views are compared for an offset (0: none; depth=full takes all)."""
    max_offset_frames: int = ranged(60, at_least=1, at_most=100_000)
    """Largest offset between views that is looked for, in frames."""
    index: str | None = None
    """Index or old statistics pickle to take frame spans from, where the features themselves aren't here."""
    out: str | None = None
    """JSON file to write everything found to."""
    overwrite: bool = False
    """Replace a JSON file that is already there."""


@dataclass(frozen=True, kw_only=True)
class InitConfig(Settings):
    """Settings of `viewloom init`."""

    data: str
    """Folder to look at. Its dataset.yaml is written, and never overwritten."""
    plan: bool = False
    """Show what would be written, and write nothing."""
