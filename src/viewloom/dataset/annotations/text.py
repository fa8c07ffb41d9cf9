"""Segment files as Assembly101 has them (``.txt``): a file a recording and view, lines of start, end and action.

Source: Sener et al., CVPR 2022, https://github.com/assembly-101/assembly101-annotations (coarse labels). Frames, end
exclusive, tab-separated; a tab at the end is usual. There is no place for how sure a prediction is.
"""

from collections.abc import Iterator, Sequence

from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, whole_in
from viewloom.dataset.source_file import SourceFile
from viewloom.dataset.text_files import is_number
from viewloom.errors import DataError
from viewloom.registry import FORMATS


@FORMATS.register("text")
class Text(AnnotationFormat):
    """``.txt``."""

    title = "segments as text (Assembly101)"
    suffixes = (".txt",)
    timed = False

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The first line that isn't blank tells."""
        fields = next((line.split("\t") for line in source.lines if line.strip()), ["0", "1", ""])
        return len(fields) > 2 and all(is_number(field.strip()) for field in fields[:2])

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """A segment a line."""

        def parse(row: tuple[int, str]) -> Iterator[NamedSegment]:
            number, line = row
            fields, where = line.rstrip().split("\t"), f"{source.path}, line {number}"
            if len(fields) != 3:
                raise DataError(f"{where}: expected `start<tab>end<tab>action`, but got {line[:60]!r}.")
            start, end = (whole_in(where, field) for field in fields[:2])
            yield NamedSegment(source.stem, start, end, cleaned(fields[2]), source.tier, None, number)

        return list(each([row for row in enumerate(source.lines, 1) if row[1].strip()], parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A line a segment."""
        return "".join(f"{s.start:09d}\t{s.end:09d}\t{s.label}\t\n" for s in segments)
