"""The action of each frame (``.txt``), as MS-TCN has it: a file a recording and view, a line a frame.

Source: Farha and Gall, CVPR 2019, https://github.com/yabufarha/ms-tcn. The first line is frame 0, so there are no
gaps, and neighbours of one action are one segment. There is no place for several actions a frame, or for how sure a
prediction is.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise

from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError
from viewloom.registry import FORMATS

MOST_LINES = 50_000_000
"""Lines that are written at most: 19 days at 30 frames per second."""


@FORMATS.register("frames")
class Frames(AnnotationFormat):
    """``.txt``."""

    title = "an action a frame (MS-TCN)"
    suffixes = (".txt",)
    timed = False
    overlaps = False
    gaps = False
    precedence = 1

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """Lines without a tab."""
        return bool(source.lines) and not any("\t" in line for line in source.lines[:100])

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """Runs of one action."""
        names = [cleaned(line) for line in source.lines]
        while names and not names[-1]:
            names.pop()
        found, start = [], 0
        for name, frames in groupby(names):
            end = start + len(list(frames))
            found.append(NamedSegment(source.stem, start, end, name, source.tier, None, start + 1))
            start = end
        return found

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A line a frame; `DataError` where one has no action, or several."""
        if segments[-1].end > MOST_LINES:
            raise DataError(
                f"{segments[-1].recording}: {segments[-1].end} lines, one a frame, are beyond belief. Correct the "
                "labels, or choose another --format, such as text."
            )
        ends = [0, *(segment.end for segment in segments)]
        for end, segment in zip(ends, segments, strict=False):
            if segment.start != end:
                what = "no action" if segment.start > end else "several actions"
                raise DataError(
                    f"{segment.recording}: frame {min(end, segment.start)} has {what}, but an action a frame needs one "
                    "for each from 0 on. Choose another --format, such as text."
                )
        same = next((b for a, b in pairwise(segments) if a.label == b.label), None)
        if same is not None:
            raise DataError(
                f"{same.recording}: two segments of {same.label!r} meet at frame {same.start}, and would become one in "
                "this format. Choose another --format, such as text."
            )
        return "".join(f"{segment.label}\n" * (segment.end - segment.start) for segment in segments)
