"""Audacity's label tracks (``.txt``): a file a recording and view, lines of start, end (seconds) and label.

Source: Audacity Manual, Importing and Exporting Labels,
https://manual.audacityteam.org/man/importing_and_exporting_labels.html. Lines that begin with a backslash give a
range of frequencies, and are passed over. Six decimals hold any frame. There is no place for how sure a prediction
is.
"""

import re
from collections.abc import Iterator, Sequence

from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, number_in
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError
from viewloom.registry import FORMATS

TIMES = re.compile(r"^\s*-?\d+[.,]\d+\t-?\d+[.,]\d+(\t|$)", re.ASCII)
"""How a line begins; whole numbers are frames, and not Audacity's."""


@FORMATS.register("audacity")
class Audacity(AnnotationFormat):
    """``.txt``."""

    title = "Audacity labels"
    suffixes = (".txt",)

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The first line that isn't blank tells."""
        first = next((line for line in source.lines if line.strip()), "")
        return TIMES.match(first) is not None

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """A segment a line."""

        def parse(row: tuple[int, str]) -> Iterator[NamedSegment]:
            number, line = row
            fields, where = line.split("\t"), f"{source.path}, line {number}"
            if len(fields) < 2:
                raise DataError(f"{where}: expected `start<tab>end<tab>label` (seconds), but got {line[:60]!r}.")
            times = [number_in(where, field, "a number of seconds") for field in fields[:2]]
            label = cleaned("\t".join(fields[2:]))
            yield NamedSegment(source.stem, *clock.span(where, times[0], times[1]), label, source.tier, None, number)

        rows = [(number, line) for number, line in enumerate(source.lines, 1) if line.strip()]
        return list(each([row for row in rows if not row[1].startswith("\\")], parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A line a segment."""
        seconds = writing.clock.seconds
        return "".join(f"{seconds(s.start):.6f}\t{seconds(s.end):.6f}\t{s.label}\n" for s in segments)
