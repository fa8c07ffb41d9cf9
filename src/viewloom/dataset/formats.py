"""What an annotation format is: how files of other programs become segments, and segments such files."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import unquote

from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError

Unit = Literal["frames", "seconds", "milliseconds"]
DEFAULT_TIER = "actions"
"""What segments without a tier lie in, in programs that need one."""


@dataclass(frozen=True)
class Writing:
    """What a format needs besides segments.

    Attributes:
        clock: times of frames.
        actions: names of all actions, in the order of their ids; vocabularies are made of them.
        path: the file to be written.
        videos: pattern of the videos' paths or addresses, with ``{recording}`` and ``{view}``; None: not known.
        unit: of times in a CSV.
        delimiter: between fields of a CSV.
    """

    clock: Clock
    actions: tuple[str, ...]
    path: Path = field(default_factory=Path)
    videos: str | None = None
    unit: Unit = "frames"
    delimiter: Literal[",", ";"] = ","

    def video(self, recording: str, tier: str) -> str | None:
        """Path or address of a recording's video."""
        if self.videos is None:
            return None
        names = {"recording": recording, "view": tier}
        return re.sub(r"\{(recording|view)\}", lambda found: names[found[1]], self.videos)


class AnnotationFormat(ABC):
    """A format of an annotation tool; a file in ``annotations/`` each."""

    title: ClassVar[str]
    """What it is, in words, for tables."""
    suffixes: ClassVar[tuple[str, ...]]
    """Endings of its files; the first is what is written."""
    whole: ClassVar[bool] = False
    """Whether one file has all recordings, instead of a file for each."""
    tiers: ClassVar[bool] = False
    """Whether a file has several views or annotators; else there is a folder for each."""
    overlaps: ClassVar[bool] = True
    """Whether segments of a tier may overlap."""
    gaps: ClassVar[bool] = True
    """Whether there may be frames without a segment."""
    confidences: ClassVar[bool] = False
    """Whether it keeps how sure a prediction is."""
    timed: ClassVar[bool] = True
    """Whether it has times, which need a frame rate, instead of frames."""
    precedence: ClassVar[int] = 0
    """Formats are asked in this order, then by name, whether a file is theirs."""

    @classmethod
    @abstractmethod
    def matches(cls, source: SourceFile) -> bool:
        """Whether a file with one of its endings is of this format."""

    @classmethod
    @abstractmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """The segments of a file, in any order; none is no error. Faults name file and line."""

    @classmethod
    @abstractmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """The text of a file (UTF-8).

        Args:
            segments: of one recording, unless the format is `whole`; by recording, tier and time.
            writing: all else.
        """

    @classmethod
    def beside(cls, segments: Sequence[NamedSegment], writing: Writing) -> Mapping[str, str]:
        """Other files that the tool wants beside, name to text."""
        return {}


def by_recording(segments: Sequence[NamedSegment]) -> dict[str, list[NamedSegment]]:
    """Segments of each recording, in their order."""
    return _grouped(segments, "recording")


def by_tier(segments: Sequence[NamedSegment]) -> dict[str, list[NamedSegment]]:
    """Segments of each tier, in their order."""
    return _grouped(segments, "tier")


def _grouped(segments: Sequence[NamedSegment], name: str) -> dict[str, list[NamedSegment]]:
    found: dict[str, list[NamedSegment]] = {}
    for segment in segments:
        found.setdefault(getattr(segment, name), []).append(segment)
    return found


def file_stem(path: str) -> str:
    """The name of a video in a path or an address, of any system, without folders, query and ending."""
    return re.split(r"[/\\]", file_place(path))[-1]


def file_place(path: str) -> str:
    """The same with its folders: two videos of one name are two recordings, if they lie in other folders."""
    if "://" in path or path.startswith("/data/"):
        path = unquote(path.partition("?d=")[2] or re.split(r"[?#]", path)[0])
    folders, name = re.fullmatch(r"(.*[/\\])?(.*)", path, re.DOTALL).groups("")  # type: ignore[union-attr]
    return folders + (name.rpartition(".")[0] or name)


def refuse_merged(where: str, places: dict[tuple[str, str], str], key: tuple[str, str], video: str) -> None:
    """`DataError` where another video gave a recording and tier its name: they would become one.

    Args:
        where: for messages.
        places: `file_place` by recording and tier, of all videos so far; this one is added.
        key: recording and tier.
        video: path or address of the one that gave the recording its name.
    """
    place = file_place(video)
    if places.setdefault(key, place) != place:
        raise DataError(
            f"{where}: {place[:200]!r} and {places[key][:200]!r} are two videos, and both would be the recording "
            f"{key[0]!r}. Name each with `recording`, or rename the videos."
        )
