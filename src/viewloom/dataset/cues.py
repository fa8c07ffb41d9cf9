"""Blocks of subtitle files, which WebVTT and SRT share: a line of times, and text below."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError

TIMES = re.compile(
    r"^\s*(?:(\d+):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,3})\s*-->\s*(?:(\d+):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,3})(?:\s.*)?$",
    re.ASCII,
)
"""hours (which WebVTT may leave out), minutes, seconds, milliseconds, twice."""
MEANT = re.compile(r"\s*[\d:.,]+\s*-->\s*[\d:.,]+(?:\s.*)?", re.ASCII)
"""What is meant as times, right or not."""


class Cue(NamedTuple):
    """A subtitle.

    Attributes:
        line: of its times in the file.
        start_s: when it begins.
        end_s: when it ends.
        text: its lines.
        head: what the block has before its times.
    """

    line: int
    start_s: float
    end_s: float
    text: list[str]
    head: list[str]


class Block(NamedTuple):
    """Lines without a blank one between.

    Attributes:
        line: number of the first.
        lines: the lines.
    """

    line: int
    lines: list[str]

    def cue(self, source: SourceFile) -> Cue:
        """The block as a cue; `DataError` where no line has times, one can't be read, or a second one has some."""
        place = next((place for place, line in enumerate(self.lines[:2]) if "-->" in line), None)
        if place is None:
            raise DataError(
                f"{source.path}, line {self.line}: expected times such as 00:00:01.500 --> 00:00:04.000, but got "
                f"{self.lines[0][:60]!r}. Correct the line."
            )
        found = TIMES.match(self.lines[place])
        if found is None or len(found[1] or "") > 9 or len(found[5] or "") > 9:
            where = f"{source.path}, line {self.line + place}"
            raise DataError(f"{where}: times that can't be read: {self.lines[place][:60]!r}. Correct the line.")
        self.refuse_times(source, "in the text of another subtitle", place + 1)
        start_s, end_s = _seconds(found.groups()[:4]), _seconds(found.groups()[4:])
        return Cue(self.line + place, start_s, end_s, self.lines[place + 1 :], self.lines[:place])

    def refuse_times(self, source: SourceFile, what: str, first: int = 0) -> None:
        """`DataError` where a line from ``first`` on has times: what it begins would be lost in what is before it."""
        place = next((n for n, line in enumerate(self.lines) if n >= first and MEANT.fullmatch(line)), None)
        if place is not None:
            where, times = f"{source.path}, line {self.line + place}", self.lines[place].strip()
            raise DataError(f"{where}: times {what}: {times[:60]!r}. Leave a blank line before each subtitle.")


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) + int(fraction.ljust(3, "0")) / 1000


def blocks(source: SourceFile) -> Iterator[Block]:
    """The blocks of a file."""
    numbered = enumerate(source.lines, 1)
    for blank, group in groupby(numbered, key=lambda line: not line[1].strip()):
        if not blank:
            lines = list(group)
            yield Block(lines[0][0], [text for _, text in lines])


def stamp(milliseconds: int, comma: str) -> str:
    """A time as subtitles write it: hours, minutes, seconds, and ``comma`` before the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{comma}{rest:03d}"
