"""ELAN's annotation documents (``.eaf``): a file a recording, a tier a view or annotator, times in whole milliseconds.

Source: Max Planck Institute for Psycholinguistics, ELAN Annotation Format 3.0 (schema EAFv3.0.xsd,
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf). Annotations of a tier can't overlap there, so
what does goes to tiers of the same name with `` (2)``, `` (3)`` ... behind it; how sure a prediction is, to a tier of
its own below (symbolic association). Tiers that only refer to others are not read, and said.
"""

import mimetypes
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from viewloom.console import note
from viewloom.dataset.formats import DEFAULT_TIER, AnnotationFormat, Writing, by_tier, file_stem
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, share_in, whole_in
from viewloom.dataset.source_file import Element, SourceFile
from viewloom.dataset.xml_text import xml_text
from viewloom.errors import DataError, listed
from viewloom.registry import FORMATS

ACTION, CONFIDENCE = "action", "confidence"
"""Linguistic types of tiers."""
VOCABULARY = "actions"
SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
WRITTEN = "2000-01-01T00:00:00+00:00"
"""The date that a document must have; always the same, so that the same segments give the same file."""
CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}
"""What the format itself calls the ways in which tiers depend on each other."""
UNNAMED = "labels"
"""A file of this name is of the recording that its video is called."""


@FORMATS.register("elan")
class Elan(AnnotationFormat):
    """``.eaf``."""

    title = "ELAN"
    suffixes = (".eaf",)
    tiers = True
    confidences = True

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The ending tells."""
        return True

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """Annotations with times, of all tiers."""
        root = source.xml
        if root.tag != "ANNOTATION_DOCUMENT":
            raise DataError(f"{source.path} begins with <{root.tag}>, but ELAN's files with <ANNOTATION_DOCUMENT>.")
        _check_header(source, root)
        slots, annotations, _ = (_by_name(source, root, name) for name in ("TIME_SLOT_ID", "ANNOTATION_ID", "TIER_ID"))
        confidences = _confidences(source, root, annotations)
        document = Document(source, clock, _recording(source, root), slots, confidences)
        tiers = [tier for tier in root.all("TIER") if not _is_confidence(tier)]
        names = {tier.attributes.get("TIER_ID", "") for tier in tiers}
        leaning = [tier for tier in tiers if any(a.all("REF_ANNOTATION") for a in tier.all("ANNOTATION"))]
        if leaning:
            names_of = listed(tier.attributes.get("TIER_ID", "") for tier in leaning)
            note(f"{source.path}: tiers that refer to others have no times of their own and are not read: {names_of}.")
        found: list[NamedSegment] = []
        for tier in tiers:
            parse = partial(document.segment, _tier_name(tier.attributes.get("TIER_ID", ""), names))
            aligned = [child for a in tier.all("ANNOTATION") for child in a.all("ALIGNABLE_ANNOTATION")]
            found += each(aligned, parse, fault)
        return found

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """One document, whose parts stand in the order of the schema."""
        root = ET.Element(
            "ANNOTATION_DOCUMENT",
            {
                "AUTHOR": "viewloom",
                "DATE": WRITTEN,
                "FORMAT": "3.0",
                "VERSION": "3.0",
                "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
                "xsi:noNamespaceSchemaLocation": SCHEMA,
            },
        )
        header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
        header.extend(_media(segments, writing))
        frames = sorted({frame for segment in segments for frame in (segment.start, segment.end)})
        slots = {frame: f"ts{place}" for place, frame in enumerate(frames, 1)}
        order = ET.SubElement(root, "TIME_ORDER")
        for frame, slot in slots.items():
            value = str(writing.clock.milliseconds(frame))
            ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": value})
        first = 1
        for tier, own in _lanes(segments).items():
            root.extend(_tier_elements(tier, own, slots, first))
            first += 2 * len(own)
        root.extend(_closing_elements(writing.actions))
        return xml_text(root, writing.path)


class Document(NamedTuple):
    """What segments of a document need.

    Attributes:
        source: the file.
        clock: frames of times.
        recording: name of the recording.
        slots: time slots by their names.
        confidences: by the names of annotations.
    """

    source: SourceFile
    clock: Clock
    recording: str
    slots: Mapping[str, Element]
    confidences: Mapping[str, float | None]

    def segment(self, tier: str, element: Element) -> Iterator[NamedSegment]:
        """The segment of an alignable annotation."""
        where = f"{self.source.path}, line {element.line}"
        times: list[float] = []
        for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
            slot = self.slots.get(element.attributes.get(name, ""))
            if slot is None or "TIME_VALUE" not in slot.attributes:
                raise DataError(f"{where}: an annotation without a time ({name}). Give it one in ELAN.")
            place = f"{self.source.path}, line {slot.line}"
            times.append(whole_in(place, slot.attributes["TIME_VALUE"], "a time in milliseconds") / 1000)
        label = cleaned(_value(where, element))
        confidence = self.confidences.get(element.attributes.get("ANNOTATION_ID", ""))
        span = self.clock.span(where, *times)
        yield NamedSegment(self.recording, *span, label, tier, confidence, element.line)


def _recording(source: SourceFile, root: Element) -> str:
    """The file's name; where that is `UNNAMED`, its video's."""
    media = root.find("HEADER", "MEDIA_DESCRIPTOR")
    if source.stem != UNNAMED or media is None:
        return source.stem
    return file_stem(media.attributes.get("MEDIA_URL", "")) or source.stem


def _check_header(source: SourceFile, root: Element) -> None:
    """`DataError` for times in other units; a note on videos that begin elsewhere."""
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.attributes.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"{source.path} has times in {units!r}; only milliseconds are read. Save it anew in ELAN.")
    for media in [] if header is None else header.all("MEDIA_DESCRIPTOR"):
        if media.attributes.get("TIME_ORIGIN", "0") not in ("", "0"):
            video, origin = media.attributes.get("MEDIA_URL", ""), media.attributes["TIME_ORIGIN"]
            note(f"{source.path}: {video} begins {origin} ms off; times are taken as on ELAN's time line.")


def _by_name(source: SourceFile, root: Element, attribute: str) -> dict[str, Element]:
    """Elements, wherever they stand, by an attribute that names each. The schema allows a name once: what refers to
    one that is there twice could be of either."""
    found: dict[str, Element] = {}
    waiting = [root]
    while waiting:
        element = waiting.pop()
        waiting.extend(reversed(element.children))
        name = element.attributes.get(attribute)
        if name is not None and name in found:
            where = f"{source.path}, lines {found[name].line} and {element.line}"
            raise DataError(f"{where}: {attribute} {name!r} is there twice. Give each its own; ELAN does so by itself.")
        if name is not None:
            found[name] = element
    return found


def _is_confidence(tier: Element) -> bool:
    return "PARENT_REF" in tier.attributes and tier.attributes.get("LINGUISTIC_TYPE_REF") == CONFIDENCE


def _confidences(source: SourceFile, root: Element, annotations: Mapping[str, Element]) -> dict[str, float | None]:
    """Confidences by the annotation that they are of."""
    tiers = [tier for tier in root.all("TIER") if _is_confidence(tier)]
    found: dict[str, float | None] = {}
    lost = 0
    for element in (child for tier in tiers for a in tier.all("ANNOTATION") for child in a.all("REF_ANNOTATION")):
        where, name = f"{source.path}, line {element.line}", element.attributes.get("ANNOTATION_REF", "")
        if name in found:
            raise DataError(f"{where}: the annotation {name!r} has two confidences. Remove one of them in ELAN.")
        found[name] = share_in(where, _value(where, element))
        lost += name not in annotations
    if lost:
        note(f"{source.path}: {lost} confidence(s) are of annotations that are not there, and are left out.")
    return found


def _value(where: str, element: Element) -> str:
    """What an annotation says; `DataError` where it says two things, of which the schema has one."""
    values = element.all("ANNOTATION_VALUE")
    if len(values) > 1:
        raise DataError(f"{where}: an annotation with {len(values)} values. Keep one ANNOTATION_VALUE.")
    return values[0].text if values else ""


def _tier_name(tier: str, names: set[str]) -> str:
    """A tier's name without the number that tells lanes of one tier apart."""
    name, _, number = tier.rpartition(" (")
    name = name if name in names and number[:-1].isdigit() and number.endswith(")") else tier
    return "" if name == DEFAULT_TIER else name


def _lanes(segments: Sequence[NamedSegment]) -> dict[str, list[NamedSegment]]:
    """Segments by the name of the tier that they are written into: none of a tier overlap."""
    found: dict[str, list[NamedSegment]] = {}
    for tier, own in by_tier(segments).items():
        lanes: list[list[NamedSegment]] = []
        for segment in sorted(own, key=lambda one: (one.start, one.end)):
            lane = next((lane for lane in lanes if lane[-1].end <= segment.start), None)
            if lane is None:
                lanes.append([segment])
            else:
                lane.append(segment)
        name = tier or DEFAULT_TIER
        found |= {name if not place else f"{name} ({place + 1})": lane for place, lane in enumerate(lanes)}
    return found


def _media(segments: Sequence[NamedSegment], writing: Writing) -> Iterable[ET.Element]:
    """A descriptor of each view's video."""
    views = dict.fromkeys((segment.recording, segment.tier) for segment in segments)
    videos = dict.fromkeys(video for view in views if (video := writing.video(*view)))
    for video in videos:
        kind = mimetypes.guess_type(video)[0] or "video/*"
        if "://" in video:
            yield ET.Element("MEDIA_DESCRIPTOR", {"MEDIA_URL": video, "MIME_TYPE": kind})
            continue
        whole = Path(video).absolute()
        beside = os.path.relpath(whole, writing.path.absolute().parent).replace(os.sep, "/")
        urls = {"MEDIA_URL": whole.as_uri(), "RELATIVE_MEDIA_URL": beside if beside[0] == "." else f"./{beside}"}
        yield ET.Element("MEDIA_DESCRIPTOR", {**urls, "MIME_TYPE": kind})


def _tier_elements(
    tier: str, segments: Sequence[NamedSegment], slots: Mapping[int, str], first: int
) -> Iterator[ET.Element]:
    """A tier, and below it one of confidences if there are any; annotations are numbered from ``first`` on."""
    element = ET.Element("TIER", {"LINGUISTIC_TYPE_REF": ACTION, "TIER_ID": tier})
    sure = ET.Element("TIER", {"LINGUISTIC_TYPE_REF": CONFIDENCE, "PARENT_REF": tier, "TIER_ID": f"{tier} confidence"})
    for number, segment in enumerate(segments, first):
        refs = {"TIME_SLOT_REF1": slots[segment.start], "TIME_SLOT_REF2": slots[segment.end]}
        own = {"ANNOTATION_ID": f"a{number}", **refs}
        _annotation(element, "ALIGNABLE_ANNOTATION", own, segment.label)
        if segment.confidence is not None:
            other = {"ANNOTATION_ID": f"a{number + len(segments)}", "ANNOTATION_REF": f"a{number}"}
            _annotation(sure, "REF_ANNOTATION", other, f"{segment.confidence:.4f}")
    yield element
    if len(sure):
        yield sure


def _annotation(tier: ET.Element, tag: str, attributes: dict[str, str], value: str) -> None:
    own = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), tag, attributes)
    ET.SubElement(own, "ANNOTATION_VALUE").text = value


def _closing_elements(actions: Sequence[str]) -> Iterator[ET.Element]:
    """Linguistic types, the language, constraints, and the vocabulary of actions."""
    common = {"GRAPHIC_REFERENCES": "false"}
    aligned = {"CONTROLLED_VOCABULARY_REF": VOCABULARY, **common, "TIME_ALIGNABLE": "true"}
    yield ET.Element("LINGUISTIC_TYPE", {**aligned, "LINGUISTIC_TYPE_ID": ACTION})
    leaning = {"CONSTRAINTS": "Symbolic_Association", **common, "TIME_ALIGNABLE": "false"}
    yield ET.Element("LINGUISTIC_TYPE", {**leaning, "LINGUISTIC_TYPE_ID": CONFIDENCE})
    undetermined = {"LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001", "LANG_LABEL": "undetermined (und)"}
    yield ET.Element("LANGUAGE", {"LANG_ID": "und", **undetermined})
    for name, text in CONSTRAINTS.items():
        yield ET.Element("CONSTRAINT", {"DESCRIPTION": text, "STEREOTYPE": name})
    vocabulary = ET.Element("CONTROLLED_VOCABULARY", {"CV_ID": VOCABULARY})
    ET.SubElement(vocabulary, "DESCRIPTION", {"LANG_REF": "und"})
    for place, action in enumerate(actions):
        entry = ET.SubElement(vocabulary, "CV_ENTRY_ML", {"CVE_ID": f"cveid{place}"})
        ET.SubElement(entry, "CVE_VALUE", {"DESCRIPTION": "", "LANG_REF": "und"}).text = action
    yield vocabulary
