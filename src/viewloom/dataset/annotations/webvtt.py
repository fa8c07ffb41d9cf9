"""WebVTT (``.vtt``): a file a recording and view, a cue a segment, times in whole milliseconds.

Source: W3C, WebVTT: The Web Video Text Tracks Format, https://www.w3.org/TR/webvtt1/. How sure a prediction is stands
in a comment (NOTE) before its cue. Mark-up in cues is left out; the speaker of ``<v NAME>`` is taken as tier.
"""

import html
import re
from collections.abc import Iterator, Sequence

from viewloom.dataset.cues import Block, blocks, stamp
from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, share_in
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError
from viewloom.registry import FORMATS

SURE = re.compile(r"^NOTE confidence (\S+)$")
SPEAKER = re.compile(r"^<v(?:\.[^ >]*)? ([^<>]*)>")
TAG = re.compile(r"<[^<>]*>")


@FORMATS.register("webvtt")
class WebVtt(AnnotationFormat):
    """``.vtt``."""

    title = "WebVTT"
    suffixes = (".vtt",)
    confidences = True

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The ending tells."""
        return True

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """Each cue; comments, styles and regions are none."""
        found = list(blocks(source))
        if not found or not re.match(r"^WEBVTT(\s|$)", found[0].lines[0]):
            raise DataError(f"{source.path}, line 1: WebVTT begins with the line WEBVTT. Add it, if the rest is right.")
        sure: dict[int, str] = {}
        cues: list[Block] = []
        for before, block in zip([None, *found], found, strict=False):
            own = block if before is not None or not any("-->" in line for line in block.lines) else _behind(block)
            if own.lines[0].startswith(("WEBVTT", "NOTE", "STYLE", "REGION")) and "-->" not in "".join(own.lines[:2]):
                continue
            said = SURE.match(before.lines[0]) if before is not None else None
            if said is not None:
                sure[own.line] = said[1]
            cues.append(own)

        def parse(block: Block) -> Iterator[NamedSegment]:
            cue, where = block.cue(source), f"{source.path}, line {block.line}"
            text = cleaned("\n".join(cue.text))
            speaker = SPEAKER.match(text)
            tier = html.unescape(speaker[1]).strip() if speaker is not None else source.tier
            label = cleaned(html.unescape(TAG.sub("", text)))
            confidence = share_in(where, sure.get(block.line))
            span = clock.span(f"{source.path}, line {cue.line}", cue.start_s, cue.end_s)
            yield NamedSegment(source.stem, *span, label, tier, confidence, cue.line)

        return list(each(cues, parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A numbered cue a segment."""
        text = ["WEBVTT\n"]
        for number, segment in enumerate(segments, 1):
            start, end = (stamp(writing.clock.milliseconds(f), ".") for f in (segment.start, segment.end))
            note = "" if segment.confidence is None else f"NOTE confidence {segment.confidence:.4f}\n\n"
            text.append(f"{note}{number}\n{start} --> {end}\n{html.escape(segment.label, quote=False)}\n")
        return "\n".join(text)


def _behind(block: Block) -> Block:
    """The first block without the line WEBVTT: a file may have its first cue right below."""
    return Block(block.line + 1, block.lines[1:])
