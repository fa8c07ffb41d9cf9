"""Projects of BORIS (``.boris``): all recordings in one file, an observation each, times in milliseconds.

Source: Friard and Gamba, BORIS, Methods in Ecology and Evolution 2016, and the user guide, https://www.boris.unito.it
(projects are JSON, format 7.0: ``behaviors_conf``, ``subjects_conf``, ``observations``). A state event is two entries
of ``[time, subject, behaviour, modifiers, comment, frame]``, the first of which begins it and the second ends it.
Subjects are tiers; modifiers are not read. Point events have no length and are refused. How sure a prediction is
stands in the comment.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from viewloom.dataset.boris_events import CONFIDENCE, Event, paired, subject_of
from viewloom.dataset.formats import AnnotationFormat, Writing, by_recording
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, each, number_in
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError
from viewloom.registry import FORMATS

TABLES = ("behaviors_conf", "observations")
LISTS = ("behavioral_categories", "behaviors_coding_map")
EMPTY = ("behavioral_categories_config", "independent_variables", "coding_map", "converters")
KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"
"""Keys that start and stop behaviours in BORIS, as far as they go."""


@FORMATS.register("boris")
class Boris(AnnotationFormat):
    """``.boris``."""

    title = "BORIS project"
    suffixes = (".boris",)
    whole = True
    tiers = True
    confidences = True

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """The ending tells."""
        return True

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """The state events of every observation."""
        project = source.json
        tables = [project.get(name) if isinstance(project, dict) else None for name in TABLES]
        if not all(isinstance(t, dict) and all(isinstance(e, dict) for e in t.values()) for t in tables):
            raise DataError(f"{source.path} has no behaviours and observations as BORIS 7 and later write them.")
        kinds = _kinds(source, project["behaviors_conf"])

        def parse(observation: tuple[str, Any]) -> Iterator[NamedSegment]:
            name, entry = observation
            rows = entry.get("events", [])
            if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) > 2 for row in rows):
                raise DataError(f"{source.path}, line {entry.line}: events of {name} that BORIS doesn't write.")
            events = [_event(f"{source.path}, line {entry.line}, {name}", row, kinds) for row in rows]
            yield from paired(events, name, source, clock, entry.line, fault)

        return list(each(project["observations"].items(), parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A project that BORIS opens: an ethogram of all actions, an observation a recording."""
        actions = dict.fromkeys((*writing.actions, *(segment.label for segment in segments)))
        behaviours = {str(place): _behaviour(place, action) for place, action in enumerate(actions)}
        tiers = [tier for tier in dict.fromkeys(segment.tier for segment in segments) if tier]
        subjects = {str(n): {"key": "", "name": tier, "description": ""} for n, tier in enumerate(tiers)}
        observations = {name: _observation(name, own, writing) for name, own in by_recording(segments).items()}
        project = {
            "time_format": "hh:mm:ss",
            "project_date": "2000-01-01T00:00:00",
            "project_name": "viewloom",
            "project_description": "",
            "project_format_version": "7.0",
            "subjects_conf": subjects,
            "behaviors_conf": behaviours,
            "observations": observations,
            **{name: [] for name in LISTS},
            **{name: {} for name in EMPTY},
        }
        return json.dumps(project, ensure_ascii=False, indent=1) + "\n"


def _kinds(source: SourceFile, behaviours: Mapping[str, Any]) -> dict[str, str]:
    """The type of each behaviour of the ethogram; `DataError` for one that is there twice."""
    found: dict[str, str] = {}
    for behaviour in behaviours.values():
        code = str(behaviour.get("code"))
        if code in found:
            raise DataError(
                f"{source.path}, line {behaviour.line}: the ethogram has the behaviour {code!r} twice. Rename or "
                "remove one in BORIS."
            )
        found[code] = str(behaviour.get("type", ""))
    return found


def _event(where: str, row: list[Any], kinds: Mapping[str, str]) -> Event:
    """An entry of a project; `DataError` for point events, and for behaviours that the ethogram doesn't have."""
    time_s, subject, code = number_in(where, row[0], "a time"), subject_of(row[1]), str(row[2])
    if code not in kinds:
        raise DataError(
            f"{where}: {code!r} at {time_s:g} s is not in the ethogram, which says whether it has a length. Add it in "
            "BORIS, or correct the name."
        )
    if kinds[code].lower().startswith("point"):
        raise DataError(
            f"{where}: {code!r} at {time_s:g} s is a point event, without a length. Make it a state event in BORIS, or "
            "remove it."
        )
    modifiers, comment = (str(row[place]) if len(row) > place else "" for place in (3, 4))
    return Event(time_s, subject, code, modifiers, comment)


def _behaviour(place: int, action: str) -> dict[str, Any]:
    key = KEYS[place] if place < len(KEYS) else ""
    named = {"type": "State event", "key": key, "code": action}
    return named | dict.fromkeys(("description", "color", "category", "excluded", "coding map"), "") | {"modifiers": {}}


def _observation(recording: str, segments: Sequence[NamedSegment], writing: Writing) -> dict[str, Any]:
    """What BORIS wants to know of an observation, its events in order of time, ends before beginnings."""
    events = []
    for segment in segments:
        sure = "" if segment.confidence is None else f"{CONFIDENCE} {segment.confidence:.4f}"
        for frame, begins, comment in ((segment.start, 1, sure), (segment.end, 0, "")):
            time_s = writing.clock.milliseconds(frame) / 1000
            events.append((time_s, begins, [time_s, segment.tier, segment.label, "", comment, frame]))
    tiers = dict.fromkeys(segment.tier for segment in segments)
    videos = [video for video in dict.fromkeys(writing.video(recording, tier) for tier in tiers) if video][:8]
    files = {str(player): videos[player - 1 : player] for player in range(1, 9)}
    media = {"length": {}, "fps": dict.fromkeys(videos, writing.clock.fps)}
    return {
        "file": files,
        "type": "MEDIA" if videos else "LIVE",
        "date": "2000-01-01T00:00:00",
        "description": "",
        "time offset": 0.0,
        "events": [row for _, _, row in sorted(events, key=lambda one: one[:2])],
        "observation time interval": [0, 0],
        "independent_variables": {},
        "media_info": media,
    }
