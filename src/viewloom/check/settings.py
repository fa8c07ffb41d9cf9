"""Settings of `viewloom check`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CheckConfig(DataConfig):
    """Tell whether a folder is usable."""

    depth: Literal["spans", "sample", "full"] = "sample"
    """How much is read: no features, some frames of each recording and view, or every frame."""
    sync_recordings: int = 8
    """Recordings whose views are compared for an offset (0: none; depth=full takes all)."""
    max_offset_frames: int = 60
    """Largest offset between views that is looked for, in frames."""
    index: str | None = None
    """Index or old statistics pickle to take frame spans from, where the features themselves aren't here."""
    out: str | None = None
    """JSON file to write everything found to."""
    overwrite: bool = False
    """Replace a JSON file that is already there."""

    def __post_init__(self) -> None:
        if self.sync_recordings < 0 or self.max_offset_frames < 1:
            raise ConfigError(
                "--sync_recordings must be 0 or more and --max_offset_frames 1 or more, but are "
                f"{self.sync_recordings} and {self.max_offset_frames}."
            )


@dataclass(frozen=True, kw_only=True)
class InitConfig:
    """Settings of `viewloom init`."""

    data: str
    """Folder to look at. Its dataset.yaml is written, and never overwritten."""
    plan: bool = False
    """Show what would be written, and write nothing."""
