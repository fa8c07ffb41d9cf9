"""Projects of VIA 3, the VGG Video Annotator (``.json``): all recordings in one file, times in seconds.

Source: Dutta and Zisserman, The VIA Annotation Software for Images, Audio and Video, ACM Multimedia 2019, and the
description of projects at https://gitlab.com/vgg/via (data_format_version 3.1.1). A segment is an entry of
``metadata`` with two times ``z`` and no region ``xy``; its action is the value of an attribute of the kind
FILE1_Z2_XY0. Each tier is such an attribute. The recording is an attribute of the file (FILE1_Z0_XY0), else the
file's name. Six decimals hold any frame.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from viewloom.dataset.formats import (
    DEFAULT_TIER,
    AnnotationFormat,
    Writing,
    by_recording,
    by_tier,
    file_stem,
    refuse_merged,
)
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, number_in, share_in
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError
from viewloom.registry import FORMATS

SEGMENT, WHOLE_FILE = "FILE1_Z2_XY0", "FILE1_Z0_XY0"
"""What attributes are of: a stretch of a file, or all of it."""
RECORDING, CONFIDENCE = "recording", "confidence"
"""Names of attributes that are no tiers."""
VIA_TIER = "TEMPORAL-SEGMENTS"
"""What VIA calls the attribute that it adds by default."""
TEXT, CHECKBOX, SELECT, VIDEO, LOCAL, ADDRESS, PLACE = 1, 2, 4, 4, 1, 2, 3
"""VIA's numbers of kinds of attributes, of files, and of where a file is."""
UI = {
    "file_content_align": "center",
    "file_metadata_editor_visible": True,
    "spatial_metadata_editor_visible": False,
    "temporal_segment_metadata_editor_visible": True,
    "spatial_region_label_attribute_id": "",
    "gtimeline_visible_row_count": "4",
}


@FORMATS.register("via3")
class Via3(AnnotationFormat):
    """``.json``."""

    title = "VIA 3"
    suffixes = (".json",)
    whole = True
    tiers = True
    confidences = True

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """Its tables tell."""
        return isinstance(source.json, dict) and {"metadata", "attribute", "file"} <= set(source.json)

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """Each entry with two times and no region; others are of moments, regions or whole files."""
        project, places = Project.of(source), dict[tuple[str, str], str]()
        spans = [one for one in project.metadata.values() if len(one.get("z") or []) == 2 and not one.get("xy")]

        def parse(entry: Any) -> Iterator[NamedSegment]:
            where = f"{source.path}, line {entry.line}"
            start, end = clock.span(where, *(number_in(where, time, "a number of seconds") for time in entry["z"]))
            values = project.values(entry, SEGMENT)
            confidence = share_in(where, ",".join(values.pop(CONFIDENCE, [])))
            recording = project.recording(where, entry, places)
            if not values:
                raise DataError(f"{where}: a segment of {recording} without an action. Name it in VIA.")
            for name, value in ((name, value) for name, own in values.items() for value in own):
                tier = source.tier if name in (VIA_TIER, DEFAULT_TIER) else name
                yield NamedSegment(recording, start, end, cleaned(value), tier, confidence, entry.line)

        return list(each(spans, parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """One project; ids follow the order of the segments, so that the same ones give the same file."""
        tiers = {tier: str(place) for place, tier in enumerate(by_tier(segments), 1)}
        names, sure = str(len(tiers) + 1), str(len(tiers) + 2)
        options = {action: action for action in (*writing.actions, *(segment.label for segment in segments))}
        attributes = {place: _attribute(tier or VIA_TIER, SEGMENT, options) for tier, place in tiers.items()}
        attributes[names] = _attribute(RECORDING, WHOLE_FILE)
        if any(segment.confidence is not None for segment in segments):
            attributes[sure] = _attribute(CONFIDENCE, SEGMENT)
        files, metadata = {}, {}
        for fid, (recording, own) in enumerate(by_recording(segments).items(), 1):
            files[str(fid)] = _file(str(fid), writing.video(recording, own[0].tier) or f"{recording}.mp4")
            metadata[f"{fid}_name"] = _metadata(str(fid), [], {names: recording})
            for place, segment in enumerate(own):
                times = [round(writing.clock.seconds(frame), 6) for frame in (segment.start, segment.end)]
                values = {tiers[segment.tier]: segment.label}
                if segment.confidence is not None:
                    values[sure] = f"{segment.confidence:.4f}"
                metadata[f"{fid}_{place:08d}"] = _metadata(str(fid), times, values)
        project = {
            "project": _head(list(files)),
            "config": {"file": {"loc_prefix": {str(place): "" for place in (1, 2, 3, 4)}}, "ui": UI},
            "attribute": attributes,
            "file": files,
            "metadata": metadata,
            "view": {fid: {"fid_list": [fid]} for fid in files},
        }
        return json.dumps(project, ensure_ascii=False, indent=1) + "\n"


class Project(NamedTuple):
    """The tables of a project, checked.

    Attributes:
        source: the file.
        attributes: by id.
        files: by id.
        views: by id: which files are seen together.
        metadata: by id.
        recordings: names of recordings that attributes of files give, by view.
    """

    source: SourceFile
    attributes: Mapping[str, Any]
    files: Mapping[str, Any]
    views: Mapping[str, Any]
    metadata: Mapping[str, Any]
    recordings: dict[str, str]

    @classmethod
    def of(cls, source: SourceFile) -> "Project":
        """The project in a file; `DataError` for tables of another shape."""
        tables = [source.json.get(name, {}) for name in ("attribute", "file", "view", "metadata")]
        for table in tables:
            if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
                raise DataError(f"{source.path} has tables that VIA 3 doesn't write. Export the project again.")
        attributes, files, views, metadata = tables
        project = cls(source, attributes, files, views, metadata, {})
        project.check_attributes()
        for entry in project.metadata.values():
            if not isinstance(entry.get("z", []), list) or not isinstance(entry.get("av", {}), dict):
                raise DataError(
                    f"{source.path}, line {entry.line}: an entry that VIA 3 doesn't write. Export it again."
                )
            for name in project.values(entry, WHOLE_FILE).get(RECORDING, []):
                known = project.recordings.setdefault(str(entry.get("vid")), name)
                if known != name:
                    where = f"{source.path}, line {entry.line}"
                    raise DataError(f"{where}: one file is the recording {known!r} and {name!r}. Keep one name in VIA.")
        return project

    def check_attributes(self) -> None:
        """`DataError` for two attributes of one name and kind: a segment can have both, and they'd be one tier."""
        seen: set[tuple[str, str]] = set()
        for place, attribute in self.attributes.items():
            key = str(attribute.get("anchor_id")), str(attribute.get("aname", place))
            if key in seen and key[0] in (SEGMENT, WHOLE_FILE):
                where = f"{self.source.path}, line {attribute.line}"
                raise DataError(f"{where}: two attributes are called {key[1]!r}. Rename one of them in VIA.")
            seen.add(key)

    def values(self, entry: Any, anchor: str) -> dict[str, list[str]]:
        """What an entry says by attributes of a kind: their names, and values, of a choice the options' texts."""
        found = {}
        for place, value in entry.get("av", {}).items():
            where = f"{self.source.path}, line {entry.line}"
            attribute = self.attributes.get(str(place))
            if attribute is None:
                raise DataError(f"{where}: the project has no attribute {str(place)[:40]!r}. Export it again.")
            if attribute.get("anchor_id", anchor) == anchor and str(value).strip():
                found[str(attribute.get("aname", place))] = _chosen(where, attribute, str(value))
        return found

    def recording(self, where: str, entry: Mapping[str, Any], places: dict[tuple[str, str], str]) -> str:
        """The recording that an entry is of: as an attribute of its file says, else the file's name, which no other
        file of ``places`` may have; it is added there."""
        view = str(entry.get("vid"))
        fids = self.views.get(view, {}).get("fid_list", [view])
        file = self.files.get(str(fids[0]), {}) if isinstance(fids, list) and fids else {}
        if view in self.recordings:
            return self.recordings[view]
        name = file_stem(str(file.get("fname", "")))
        if not name:
            raise DataError(f"{where}: a segment of a file that the project doesn't have ({view}). Export it again.")
        address = file.get("src") if file.get("loc") in (ADDRESS, PLACE) else None
        refuse_merged(where, places, (name, ""), str(address or file["fname"]))
        return name


def _chosen(where: str, attribute: Mapping[str, Any], value: str) -> list[str]:
    """The texts of the options that a value names: of checkboxes all that are ticked. What was typed is its own text.

    VIA numbers options anew when they are edited, so that a segment can keep the number of one that is gone.
    """
    options = attribute.get("options")
    if not isinstance(options, dict) or not options or value in options:
        return [str(options[value]) if isinstance(options, dict) and options else value]
    parts = [part.strip() for part in value.split(",")] if attribute.get("type") == CHECKBOX else [value]
    gone = [part for part in parts if part not in options and part.isdigit() and all(map(str.isdigit, options))]
    if gone:
        raise DataError(
            f"{where}: {str(attribute.get('aname'))[:40]!r} has no option {gone[0][:40]!r}. Choose one in VIA again."
        )
    return [str(options.get(part, part)) for part in parts if part]


def _attribute(name: str, anchor: str, options: Mapping[str, str] | None = None) -> dict[str, Any]:
    kind = TEXT if options is None else SELECT
    own = {"aname": name, "anchor_id": anchor, "type": kind, "desc": ""}
    return own | {"options": options or {}, "default_option_id": ""}


def _file(fid: str, video: str) -> dict[str, Any]:
    """A video; VIA asks for one that is not at an address."""
    place = {"loc": ADDRESS, "src": video} if "://" in video else {"loc": LOCAL, "src": ""}
    return {"fid": fid, "fname": video, "type": VIDEO, **place}


def _metadata(vid: str, times: list[float], values: dict[str, str]) -> dict[str, Any]:
    return {"vid": vid, "flg": 0, "z": times, "xy": [], "av": values}


def _head(vids: list[str]) -> dict[str, Any]:
    """What VIA wants to know of a project that isn't shared yet."""
    pid = {"pid": "__VIA_PROJECT_ID__"}
    rev = {"rev": "__VIA_PROJECT_REV_ID__", "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__"}
    own = {"pname": "viewloom", "creator": "viewloom", "created": 0, "data_format_version": "3.1.1"}
    return pid | rev | own | {"vid_list": vids}
