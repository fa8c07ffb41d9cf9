"""Label Studio's tasks (``.json``): all recordings in one file, a task a recording and view, in frames.

Source: HumanSignal, https://labelstud.io/guide/task_format (tasks), https://labelstud.io/tags/timelinelabels (spans
of videos, from Label Studio 1.13 on) and https://labelstud.io/tags/videorectangle. Frames count from 1 there, and a
range ends with its last one. Segments with a confidence are written as predictions, which Label Studio shows to be
corrected; others as annotations. Of a file with annotations these alone are read, and the tasks without any are left
out, which is said; of one without, the predictions. Read besides: spans in seconds (``labels``,
``timeserieslabels``), the stretches in which boxes of a video are there (``videorectangle``), and the short export
(JSON-MIN).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from viewloom.console import note
from viewloom.dataset.formats import AnnotationFormat, Writing, by_recording, by_tier, file_stem, refuse_merged
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, number_in, share_in, whole_in
from viewloom.dataset.source_file import SourceFile
from viewloom.dataset.xml_text import xml_text
from viewloom.errors import DataError
from viewloom.registry import FORMATS

CONTROL, VIDEO = "actions", "video"
"""Names of the tags in the labelling interface."""
CONFIG = "label_studio.config"
"""The labelling interface that is written beside the tasks."""
UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
ANNOTATIONS = ("annotations", "completions")


@FORMATS.register("label_studio")
class LabelStudio(AnnotationFormat):
    """``.json``."""

    title = "Label Studio"
    suffixes = (".json",)
    whole = True
    tiers = True
    confidences = True
    timed = False

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """A list of tasks."""
        tasks = source.json
        return isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks)

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """The spans of every task."""
        people = _checked_people(source)
        of_tasks = [list(_layers(source, task, who)) for task, who in zip(source.json, people, strict=True)]
        tasks = [layer for layers in of_tasks for layer in layers]
        judged = [layer for layer in tasks if not layer.predicted]
        without = [layers for layers in of_tasks if layers and all(layer.predicted for layer in layers)]
        if judged and without:
            note(f"{source.path}: {len(without)} task(s) without annotations, only predictions, are left out.")
        _check_videos(source, judged or tasks)
        spans = [(layer, result) for layer in judged or tasks for result in layer.results]

        def parse(span: tuple[Layer, Any]) -> Iterator[NamedSegment]:
            layer, result = span
            where = f"{source.path}, line {layer.line}, task {layer.task}"
            if not isinstance(result, dict) or not isinstance(result.get("value", {}), dict):
                raise DataError(f"{where}: a result that Label Studio doesn't write. Export the project again.")
            kind, value = str(result.get("type")), result.get("value", {})
            if kind not in SPANS:
                return
            labels = value.get(kind if kind != "videorectangle" else "labels") or value.get("labels")
            if not isinstance(labels, list) or not labels:
                raise DataError(f"{where}: a span without a label. Give it one in Label Studio.")
            confidence = share_in(where, result.get("score")) if layer.predicted else None
            for start, end in SPANS[kind](where, value, clock):
                for label in labels:
                    line = getattr(result, "line", layer.line)
                    yield NamedSegment(layer.recording, start, end, cleaned(str(label)), layer.tier, confidence, line)

        return list(each(spans, parse, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A list of tasks to import."""
        tasks = []
        for recording, of_recording in by_recording(segments).items():
            for tier, own in by_tier(of_recording).items():
                video = writing.video(recording, tier) or f"{recording}.mp4"
                tasks.append({"data": {VIDEO: video, "recording": recording, "view": tier}, **_judgements(own)})
        return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def beside(cls, segments: Sequence[NamedSegment], writing: Writing) -> Mapping[str, str]:
        """The labelling interface, to be pasted into the project's settings."""
        view = ET.Element("View")
        labels = ET.SubElement(view, "TimelineLabels", {"name": CONTROL, "toName": VIDEO})
        for action in writing.actions:
            ET.SubElement(labels, "Label", {"value": action})
        rate = {} if writing.clock.fps is None else {"frameRate": f"{writing.clock.fps:g}"}
        ET.SubElement(view, "Video", {"name": VIDEO, "value": f"${VIDEO}", **rate, "timelineHeight": "120"})
        return {CONFIG: xml_text(view, writing.path).partition("\n")[2]}


class Layer(NamedTuple):
    """What one person, or a model, says of one task.

    Attributes:
        task: its number in the file, or its id.
        line: of the file.
        recording: its name.
        video: path or address of the video that gave it this name; empty where the task names it.
        tier: view, and who, where several people annotated it.
        predicted: whether a model says so.
        results: spans.
    """

    task: str
    line: int
    recording: str
    video: str
    tier: str
    predicted: bool
    results: list[Any]


def _checked_people(source: SourceFile) -> list[str]:
    """Who made the one annotation of each entry of a short export that shares its task with others; else nothing.

    Raises:
        DataError: a task or an annotation that is there twice, as where an export is put behind an older one.
    """
    short = [_is_short(task) for task in source.json]
    _refuse_doubled(source, "tasks", [task for task, alone in zip(source.json, short, strict=True) if not alone])
    of_task: dict[str, list[int]] = {}
    for place, task in enumerate(source.json):
        if short[place] and task.get("id") is not None:
            of_task.setdefault(str(task["id"]), []).append(place)
    found = ["" for _ in source.json]
    for places in of_task.values():
        entries = [source.json[place] for place in places]
        _refuse_doubled(source, "annotations", entries, "annotation_id")
        made = [{"completed_by": one.get("annotator"), "id": one.get("annotation_id")} for one in entries]
        for place, who in zip(places, _people(made), strict=True):
            found[place] = who
    return found


def _refuse_doubled(source: SourceFile, what: str, entries: Iterable[Any], key: str = "id") -> None:
    lines: dict[str, int] = {}
    for entry in entries:
        name = entry.get(key)
        if name is not None and str(name) in lines:
            where = f"{source.path}, lines {lines[str(name)]} and {entry.line}"
            raise DataError(f"{where}: two {what} have the id {str(name)[:40]}. Remove one of them, such as the older.")
        if name is not None:
            lines[str(name)] = entry.line


def _check_videos(source: SourceFile, layers: Iterable[Layer]) -> None:
    """`DataError` for two videos whose spans would be of one recording and view."""
    places: dict[tuple[str, str], str] = {}
    for layer in layers:
        if layer.video and layer.results:
            where = f"{source.path}, line {layer.line}, task {layer.task}"
            refuse_merged(where, places, (layer.recording, layer.tier), layer.video)


def _is_short(task: Any) -> bool:
    """Whether an entry is of the short export, which has one for each annotation."""
    return not any(task.get(name) is not None for name in ANNOTATIONS) and not task.get("predictions")


def _layers(source: SourceFile, task: Any, alone: str) -> Iterator[Layer]:
    """Annotations of a task that weren't cancelled, and predictions; ``alone`` made the only one of a short export."""
    data = task.get("data", task)
    annotations = next((task[name] for name in ANNOTATIONS if name in task), None)
    predictions = task.get("predictions") or []
    if _is_short(task):
        annotations = [{"result": _short_results(task)}]
    for entries in (annotations or [], predictions):
        if not isinstance(entries, list) or not all(_is_judgement(entry) for entry in entries):
            raise DataError(
                f"{source.path}, line {task.line}: a task that Label Studio doesn't write. Export it again."
            )
    number, (recording, video) = str(task.get("id", "?")), _recording(source, task, data)
    view = data.get("view")
    tier = view if isinstance(view, str) and view else source.tier
    kept = [entry for entry in annotations or [] if not entry.get("was_cancelled")]
    _refuse_doubled(source, "annotations", kept)
    for who, entry in zip(_people(kept), kept, strict=True):
        own = " ".join(part for part in (tier, who or alone) if part)
        yield Layer(number, task.line, recording, video, own, False, entry.get("result") or [])
    for entry in predictions[-1:]:
        yield Layer(number, task.line, recording, video, tier, True, entry.get("result") or [])


def _is_judgement(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("result") or [], list)


def _people(annotations: list[Any]) -> list[str]:
    """Who made each annotation, where there are several; two of one person are told apart by their ids, or
    their places."""
    if len(annotations) < 2:
        return ["" for _ in annotations]
    by = [entry.get("completed_by") for entry in annotations]
    names = [str(who.get("email") or who.get("id")) if isinstance(who, dict) else str(who) for who in by]
    often = Counter(names)
    ids = [f"#{place}" if one.get("id") is None else one["id"] for place, one in enumerate(annotations, 1)]
    return [name if often[name] == 1 else f"{name} ({own})" for name, own in zip(names, ids, strict=True)]


def _recording(source: SourceFile, task: Any, data: Any) -> tuple[str, str]:
    """What the task says, as those written here do, else the name of its video, and that."""
    if not isinstance(data, dict):
        raise DataError(f"{source.path}, line {task.line}: a task whose data is no table. Export the project again.")
    named = data.get("recording")
    if isinstance(named, str) and named:
        return named, ""
    media = [data[name] for name in (VIDEO, "video_url", "videos", "audio", "url") if isinstance(data.get(name), str)]
    media += [value for value in data.values() if isinstance(value, str)]
    if not media:
        raise DataError(f"{source.path}, line {task.line}: a task without a video. Add `recording` to its data.")
    name = file_stem(media[0])
    uploaded = "/upload/" in media[0] or task.get("file_upload")
    return UPLOADED.sub("", name) if uploaded else name, media[0]


def _short_results(task: Any) -> list[Any]:
    """Spans of the short export, which names them by the control that made them."""
    entries = [
        entry for value in task.values() if isinstance(value, list) for entry in value if isinstance(entry, dict)
    ]
    found = []
    for entry in entries:
        kind = "videorectangle" if "sequence" in entry else next((name for name in SPANS if name in entry), None)
        if kind is not None:
            found.append({"type": kind, "value": entry})
    return found


def _ranges(where: str, value: Any, clock: Clock) -> Iterator[tuple[int, int]]:
    """Frames from 1, with the last one."""
    ranges = value.get("ranges")
    if not isinstance(ranges, list) or not all(isinstance(entry, dict) for entry in ranges):
        raise DataError(f"{where}: a span without ranges. Export the project again.")
    for entry in ranges:
        start, end = (whole_in(where, entry.get(name)) for name in ("start", "end"))
        if not 1 <= start <= end:
            raise DataError(f"{where}: a span from frame {start} to {end}; frames count from 1. Correct it.")
        yield start - 1, end


def _times(where: str, value: Any, clock: Clock) -> Iterator[tuple[int, int]]:
    """Seconds."""
    start_s, end_s = (number_in(where, value.get(name), "a number of seconds") for name in ("start", "end"))
    yield clock.span(where, start_s, end_s)


def _visible(where: str, value: Any, clock: Clock) -> Iterator[tuple[int, int]]:
    """Frames from a key frame to the one that says it is the last, or to the end."""
    sequence = value.get("sequence")
    if not isinstance(sequence, list) or not all(isinstance(entry, dict) for entry in sequence):
        raise DataError(f"{where}: a box without a sequence. Export the project again.")
    frames = sorted({(whole_in(where, entry.get("frame")), bool(entry.get("enabled", True))) for entry in sequence})
    twice = next((frame for (frame, _), (after, _) in pairwise(frames) if frame == after), None)
    if twice is not None:
        raise DataError(f"{where}: a box is there and gone at frame {twice}. Remove one of these key frames.")
    begun: int | None = None
    for frame, goes_on in frames:
        begun = frame if begun is None else begun
        if not goes_on:
            yield begun - 1, frame
            begun = None
    if begun is not None:
        last = value.get("framesCount")
        yield begun - 1, max(frames[-1][0], whole_in(where, last) if last is not None else 0)


SPANS = {
    "timelinelabels": _ranges,
    "videorectangle": _visible,
    "labels": _times,
    "timeserieslabels": _times,
}
"""Kinds of results that are spans of time, and what gives their frames."""


def _judgements(segments: Sequence[NamedSegment]) -> dict[str, Any]:
    """Annotations and predictions of one task."""
    found: dict[str, Any] = {"annotations": [], "predictions": []}
    sure = [segment.confidence for segment in segments if segment.confidence is not None]
    for kind, predicted in (("annotations", False), ("predictions", True)):
        own = [segment for segment in segments if (segment.confidence is not None) == predicted]
        results = [_result(place, segment) for place, segment in enumerate(own)]
        head = {"model_version": "viewloom", "score": round(sum(sure) / len(sure), 4)} if predicted and sure else {}
        found[kind] = [{**head, "result": results}] if results else []
    return found


def _result(place: int, segment: NamedSegment) -> dict[str, Any]:
    value = {"ranges": [{"start": segment.start + 1, "end": segment.end}], "timelinelabels": [segment.label]}
    names = {"id": f"segment{place}", "from_name": CONTROL, "to_name": VIDEO, "type": "timelinelabels"}
    score = {} if segment.confidence is None else {"score": round(segment.confidence, 4)}
    return {**names, "value": value, **score}
