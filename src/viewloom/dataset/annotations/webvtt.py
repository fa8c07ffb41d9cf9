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
ASIDE = ("WEBVTT", "NOTE", "STYLE", "REGION")
"""How blocks begin that are no cues."""
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
        if any("-->" in line for line in found[0].lines[1:]):
            found[0] = _behind(found[0])

        def parse(place: int) -> Iterator[NamedSegment]:
            block, before = found[place], found[place - 1] if place else None
            where, said = f"{source.path}, line {block.line}", SURE.match(block.lines[0])
            if _is_aside(block):
                block.refuse_times(source, "in a comment, style or region")
                if said is not None and (place + 1 == len(found) or _is_aside(found[place + 1])):
                    raise DataError(f"{where}: {block.lines[0][:60]!r} has no cue right behind it. Move or remove it.")
                return
            cue, said = block.cue(source), SURE.match(before.lines[0]) if before is not None else None
            text = cleaned("\n".join(cue.text))
            speaker = SPEAKER.match(text)
            tier = html.unescape(speaker[1]).strip() if speaker is not None else source.tier
            label = cleaned(html.unescape(TAG.sub("", text)))
            confidence = share_in(where, None if said is None else said[1])
            span = clock.span(f"{source.path}, line {cue.line}", cue.start_s, cue.end_s)
            yield NamedSegment(source.stem, *span, label, tier, confidence, cue.line)

        return list(each(range(len(found)), parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A numbered cue a segment."""
        text = ["WEBVTT\n"]
        for number, segment in enumerate(segments, 1):
            start, end = (stamp(writing.clock.milliseconds(f), ".") for f in (segment.start, segment.end))
            note = "" if segment.confidence is None else f"NOTE confidence {segment.confidence:.4f}\n\n"
            text.append(f"{note}{number}\n{start} --> {end}\n{html.escape(segment.label, quote=False)}\n")
        return "\n".join(text)


def _is_aside(block: Block) -> bool:
    """Whether a block is a comment, a style, a region or the head of the file."""
    return block.lines[0].startswith(ASIDE) and "-->" not in "".join(block.lines[:2])


def _behind(block: Block) -> Block:
    """The first block without the line WEBVTT: a file may have its first cue right below."""
    return Block(block.line + 1, block.lines[1:])
