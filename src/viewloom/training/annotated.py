"""Predicted segments in the formats of annotation tools."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset.annotation_files import format_named
from viewloom.dataset.formats import Writing
from viewloom.dataset.label_writing import write_labels
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned
from viewloom.errors import ConfigError
from viewloom.names import names_in

if TYPE_CHECKING:
    from viewloom.training.settings import PredictConfig


@dataclass(frozen=True)
class OutputFormats:
    """What `viewloom predict` writes besides its table.

    Attributes:
        layout: of the text files: segments or frames; None: there are none.
        tools: names of formats of annotation tools.
        videos: where the videos are, see `viewloom.dataset.formats.Writing`.
    """

    layout: str | None
    tools: tuple[str, ...]
    videos: str | None

    @classmethod
    def of(cls, config: PredictConfig) -> OutputFormats:
        """What settings ask for; `ConfigError` for a format that isn't there, or for both layouts of text files."""
        names = names_in(config.format)
        if not names:
            raise ConfigError("--format names none. Leave it out, or pass csv for the table alone.")
        if "text" in names and "frames" in names:
            raise ConfigError("--format text and frames write the same files. Choose one.")
        layout = "frames" if "frames" in names else config.text if "text" in names else None
        tools = tuple(name for name in dict.fromkeys(names) if name not in ("text", "frames", "csv"))
        for name in tools:
            format_named(name)
        return cls(layout, tools, config.videos)

    def write(
        self, rows: Iterable[tuple[Any, ...]], out: Path, actions: tuple[str, ...], fps: float, overwrite: bool
    ) -> None:
        """Write the rows of ``segments.csv`` in every tool's format, into a folder of its name; views are tiers."""
        segments = [
            NamedSegment(recording, start, end, cleaned(label), view, confidence)
            for recording, view, start, end, _, _, label, confidence in (rows if self.tools else ())
        ]
        for name in self.tools:
            folder = out / name
            writing = Writing(Clock(fps), actions, folder, self.videos)
            write_labels(segments, format_named(name), folder, writing, overwrite)
