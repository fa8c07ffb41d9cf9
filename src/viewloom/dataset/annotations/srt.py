"""SubRip subtitles (``.srt``): a file a recording and view, a numbered subtitle a segment, times in whole milliseconds.

Source: SubRip's own documentation, as kept at https://www.matroska.org/technical/subtitles.html (SRT Subtitles).
There is no place for how sure a prediction is. Marks around a whole text (``<i>...</i>``, ``{\\an8}``) are left out.
"""

import re
from collections.abc import Iterator, Sequence

from viewloom.dataset.cues import Block, blocks, stamp
from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each
from viewloom.dataset.source_file import SourceFile
from viewloom.registry import FORMATS

PLACE = re.compile(r"^\{\\an?\d+\}")
AROUND = re.compile(r"^<(b|i|u|s|font)(?: [^>]*)?>(.*)</\1>$", re.IGNORECASE)


@FORMATS.register("srt")
class Srt(AnnotationFormat):
    """``.srt``."""

    title = "SRT"
    suffixes = (".srt",)

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The ending tells."""
        return True

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """Each subtitle."""

        def parse(block: Block) -> Iterator[NamedSegment]:
            cue = block.cue(source)
            span = clock.span(f"{source.path}, line {cue.line}", cue.start_s, cue.end_s)
            yield NamedSegment(source.stem, *span, _plain(cue.text), source.tier, None, cue.line)

        return list(each(blocks(source), parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A block a segment."""
        text = []
        for number, segment in enumerate(segments, 1):
            start, end = (stamp(writing.clock.milliseconds(f), ",") for f in (segment.start, segment.end))
            text.append(f"{number}\n{start} --> {end}\n{segment.label}\n")
        return "\n".join(text)


def _plain(lines: Sequence[str]) -> str:
    """A label without the marks around each of its lines."""
    plain = []
    for line in lines:
        text = cleaned(PLACE.sub("", line.strip()))
        while (found := AROUND.match(text)) is not None:
            text = cleaned(found[2])
        plain.append(text)
    return cleaned(" ".join(plain))
