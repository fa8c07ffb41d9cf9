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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from viewloom.console import note
from viewloom.dataset.formats import AnnotationFormat, Writing, by_recording, by_tier, file_stem
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
        tasks = [task for entry in source.json for task in _layers(source, entry)]
        judged = [layer for layer in tasks if not layer.predicted]
        without = {layer.task for layer in tasks} - {layer.task for layer in judged}
        if judged and without:
            note(f"{source.path}: {len(without)} task(s) without annotations, only predictions, are left out.")
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
        tier: view, and who, where several people annotated it.
        predicted: whether a model says so.
        results: spans.
    """

    task: str
    line: int
    recording: str
    tier: str
    predicted: bool
    results: list[Any]


def _layers(source: SourceFile, task: Any) -> Iterator[Layer]:
    """Annotations of a task that weren't cancelled, and predictions."""
    data = task.get("data", task)
    annotations = next((task[name] for name in ANNOTATIONS if name in task), None)
    predictions = task.get("predictions") or []
    if annotations is None and not predictions:
        annotations = [{"result": _short_results(task)}]
    for entries in (annotations or [], predictions):
        if not isinstance(entries, list) or not all(_is_judgement(entry) for entry in entries):
            raise DataError(
                f"{source.path}, line {task.line}: a task that Label Studio doesn't write. Export it again."
            )
    number, recording = str(task.get("id", "?")), _recording(source, task, data)
    view = data.get("view")
    tier = view if isinstance(view, str) and view else source.tier
    kept = [entry for entry in annotations or [] if not entry.get("was_cancelled")]
    for who, entry in zip(_people(kept), kept, strict=True):
        own = " ".join(part for part in (tier, who) if part)
        yield Layer(number, task.line, recording, own, False, entry.get("result") or [])
    for entry in predictions[-1:]:
        yield Layer(number, task.line, recording, tier, True, entry.get("result") or [])


def _is_judgement(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("result") or [], list)


def _people(annotations: list[Any]) -> list[str]:
    """Who made each annotation, where there are several; two of one person are told apart by their ids."""
    if len(annotations) < 2:
        return ["" for _ in annotations]
    by = [entry.get("completed_by") for entry in annotations]
    names = [str(who.get("email") or who.get("id")) if isinstance(who, dict) else str(who) for who in by]
    often = Counter(names)
    return [n if often[n] == 1 else f"{n} ({entry.get('id')})" for n, entry in zip(names, annotations, strict=True)]


def _recording(source: SourceFile, task: Any, data: Any) -> str:
    """What the task says, as those written here do, else the name of its video."""
    if not isinstance(data, dict):
        raise DataError(f"{source.path}, line {task.line}: a task whose data is no table. Export the project again.")
    named = data.get("recording")
    if isinstance(named, str) and named:
        return named
    media = [data[name] for name in (VIDEO, "video_url", "videos", "audio", "url") if isinstance(data.get(name), str)]
    media += [value for value in data.values() if isinstance(value, str)]
    if not media:
        raise DataError(f"{source.path}, line {task.line}: a task without a video. Add `recording` to its data.")
    name = file_stem(media[0])
    return UPLOADED.sub("", name) if "/upload/" in media[0] or task.get("file_upload") else name


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
    frames = sorted((whole_in(where, entry.get("frame")), bool(entry.get("enabled", True))) for entry in sequence)
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
