"""CVAT for video 1.1 (``.xml``): a file a recording and view, in frames from 0.

Source: CVAT documentation, XML annotation format 1.1, https://docs.cvat.ai/docs/other/xml_format. CVAT has no
segments in time, and tags of frames are neither exported nor imported for videos (cvat-ai/cvat, issues 2923 and
7198). So a segment is a track: a box in the corner that appears at its first frame, and is ``outside`` from the frame
after its last. Read are tracks of any shape, and tags of frames as CVAT for images 1.1 has them. How sure a
prediction is, is the attribute ``confidence`` of the boxes, which the labels in CVAT must have for it to be imported.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from xml.etree import ElementTree as ET

from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, share_in, whole_in
from viewloom.dataset.source_file import Element, SourceFile
from viewloom.dataset.xml_text import xml_text
from viewloom.errors import DataError
from viewloom.registry import FORMATS

CONFIDENCE = "confidence"
EXPORTED = "annotations"
"""What CVAT calls every file that it exports: the recording is the task's name then."""
CORNER = {"xtl": "0.00", "ytl": "0.00", "xbr": "16.00", "ybr": "16.00"}
"""The box that stands for a whole frame (pixels)."""


@FORMATS.register("cvat")
class Cvat(AnnotationFormat):
    """``.xml``."""

    title = "CVAT for video 1.1"
    suffixes = (".xml",)
    confidences = True
    timed = False

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The first element tells."""
        return b"<annotations" in source.data[:4096].replace(b"\0", b"")

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """The stretches in which tracks are visible, and runs of frames with a tag."""
        root = source.xml
        if root.find("meta", "project") is not None:
            raise DataError(
                f"{source.path} is of a whole project, whose tasks all count frames from 0. Export each task."
            )
        named = root.find("meta", "task", "name") or root.find("meta", "job", "name")
        recording = source.stem
        if recording == EXPORTED and named is not None and named.text.strip():
            recording = named.text.strip()
        found = list(each(root.all("track"), partial(_of_track, source, recording), fault))
        return found + list(each([root.all("image")], partial(_of_tags, source, recording), fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A track a segment."""
        root = ET.Element("annotations")
        ET.SubElement(root, "version").text = "1.1"
        _write_task(ET.SubElement(ET.SubElement(root, "meta"), "task"), segments, writing)
        for number, segment in enumerate(segments):
            source = "manual" if segment.confidence is None else "auto"
            track = ET.SubElement(root, "track", {"id": str(number), "label": segment.label, "source": source})
            last = {segment.end - 1} - {segment.start}
            for frame in (segment.start, *last, segment.end):
                gone = str(int(frame == segment.end))
                flags = {"keyframe": "1", "outside": gone, "occluded": "0"}
                box = ET.SubElement(track, "box", {"frame": str(frame), **flags, **CORNER, "z_order": "0"})
                if segment.confidence is not None:
                    ET.SubElement(box, "attribute", {"name": CONFIDENCE}).text = f"{segment.confidence:.4f}"
        return xml_text(root, writing.path)


def _of_track(source: SourceFile, recording: str, track: Element) -> Iterator[NamedSegment]:
    """A segment for each stretch from a shape that is there to the next that is outside, or behind the last shape."""
    shapes = [shape for shape in track.children if "frame" in shape.attributes]
    placed = [(whole_in(f"{source.path}, line {one.line}", one.attributes["frame"]), one) for one in shapes]
    begun: tuple[int, Element] | None = None
    for frame, shape in _in_order(source, placed, lambda one: (_is_outside(source, one), _confidence(source, one))):
        outside = _is_outside(source, shape)
        if begun is None and not outside:
            begun = frame, shape
        elif begun is not None and outside:
            yield _segment(source, recording, track, begun, frame)
            begun = None
    if begun is not None:
        yield _segment(source, recording, track, begun, max(frame for frame, _ in placed) + 1)


def _in_order(
    source: SourceFile, placed: list[tuple[int, Element]], says: Callable[[Element], object]
) -> list[tuple[int, Element]]:
    """Elements in the order of their frames; `DataError` for two of one frame that say different things."""
    ordered = sorted(placed, key=lambda one: one[0])
    for (frame, one), (after, other) in pairwise(ordered):
        if frame == after and says(one) != says(other):
            where = f"{source.path}, lines {one.line} and {other.line}"
            raise DataError(f"{where}: frame {frame} is there twice, and each says something else. Remove one of them.")
    return ordered


def _is_outside(source: SourceFile, shape: Element) -> bool:
    """Whether a shape says that its track is not there any more; `DataError` for what is no 0 or 1."""
    said = shape.attributes.get("outside", "0")
    if said not in ("0", "1"):
        raise DataError(f"{source.path}, line {shape.line}: outside={said[:40]!r} is neither 0 nor 1. Correct it.")
    return said == "1"


def _segment(source: SourceFile, recording: str, track: Element, begun: tuple[int, Element], end: int) -> NamedSegment:
    start, shape = begun
    label = cleaned(track.attributes.get("label", ""))
    return NamedSegment(recording, start, end, label, source.tier, _confidence(source, shape), track.line)


def _confidence(source: SourceFile, shape: Element) -> float | None:
    sure = next((one for one in shape.all("attribute") if one.attributes.get("name") == CONFIDENCE), None)
    return share_in(f"{source.path}, line {shape.line}", None if sure is None else sure.text)


def _of_tags(source: SourceFile, recording: str, images: list[Element]) -> Iterator[NamedSegment]:
    """A segment for each run of frames with the same tag."""
    open_at: dict[str, tuple[int, int, int]] = {}
    numbered = [(whole_in(f"{source.path}, line {one.line}", one.attributes.get("id")), one) for one in images]
    for frame, image in _in_order(source, numbered, lambda one: {t.attributes.get("label") for t in one.all("tag")}):
        for tag in image.all("tag"):
            label = cleaned(tag.attributes.get("label", ""))
            start, end, line = open_at.get(label, (frame, frame, tag.line))
            if end < frame:
                yield NamedSegment(recording, start, end, label, source.tier, None, line)
                start, line = frame, tag.line
            open_at[label] = start, frame + 1, line
    for label, (start, end, line) in open_at.items():
        yield NamedSegment(recording, start, end, label, source.tier, None, line)


def _write_task(task: ET.Element, segments: Sequence[NamedSegment], writing: Writing) -> None:
    """What the file says of its task: name, frames, labels, video."""
    recording, tier = segments[0].recording, segments[0].tier
    size = max(segment.end for segment in segments)
    for name, value in (("name", recording), ("size", str(size)), ("mode", "interpolation"), ("start_frame", "0")):
        ET.SubElement(task, name).text = value
    ET.SubElement(task, "stop_frame").text = str(size - 1)
    labels = ET.SubElement(task, "labels")
    sure = any(segment.confidence is not None for segment in segments)
    for action in writing.actions:
        label = ET.SubElement(labels, "label")
        for name, value in (("name", action), ("type", "rectangle")):
            ET.SubElement(label, name).text = value
        attributes = ET.SubElement(label, "attributes")
        if sure:
            own = ET.SubElement(attributes, "attribute")
            for name, value in (("name", CONFIDENCE), ("mutable", "False"), ("input_type", "text")):
                ET.SubElement(own, name).text = value
            ET.SubElement(own, "default_value")
            ET.SubElement(own, "values")
    video = writing.video(recording, tier)
    if video is not None:
        ET.SubElement(task, "source").text = video
