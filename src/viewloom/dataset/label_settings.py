"""Settings of `viewloom convert-labels`."""

from dataclasses import dataclass
from typing import Literal

from viewloom.errors import ConfigError
from viewloom.ranges import RATE, Settings, ranged


@dataclass(frozen=True, kw_only=True)
class ConvertLabelsConfig(Settings):
    """Turn labels, or predicted segments, into the format of another annotation tool."""

    labels: str
    """File or folder to read: what an annotation tool wrote, labels.csv, or the segments.csv of `viewloom predict`. Its
    format is recognised by its content."""
    out: str
    """File to write, or folder: several recordings or views need one in most formats."""
    format: str = "csv"
    """Format to write: csv, text, frames, elan, webvtt, srt, audacity, via3, cvat, label_studio, boris, boris_csv, or
    one of a plugin."""
    fps: float | None = ranged(None, **RATE)
    """Frames per second of the labels; needed wherever one of the formats has times."""
    labels_tier: str | None = None
    """The only view, annotator, subject or tier to read; default: all."""
    actions: str | None = None
    """List of all actions, one a line, for the vocabulary that the tool offers; default: those that occur, sorted."""
    videos: str | None = None
    """Where the tool finds the videos, with {recording} and {view} in their places: 'videos/{recording}_{view}.mp4', or
    'https://host/{view}/{recording}.mp4'."""
    unit: Literal["frames", "seconds", "milliseconds"] = "frames"
    """Times in a CSV."""
    delimiter: Literal[",", ";"] = ","
    """Between the fields of a CSV; beside a semicolon numbers have a decimal comma, as spreadsheets want it."""
    overwrite: bool = False
    """Replace files that are there."""
    plan: bool = False
    """Only say what would be read and written."""

    def __post_init__(self) -> None:
        if self.format != "csv" and (self.unit, self.delimiter) != ("frames", ","):
            raise ConfigError(f"--unit and --delimiter are of --format csv; {self.format} has its own. Leave them out.")
