"""Reading labels: Assembly101 segment files, MS-TCN frame files, and one CSV for everything.

All take one way: a format cuts a file into lines and gives name, start, end and action of each; `_annotations` looks
the action up and puts the segments together. Every reader takes a `Fault`: by default the first bad line stops it;
the check notes all of them instead.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from viewloom.dataset.labels import Annotation, Fault, LabelSet, Row, UnknownAction, stop
from viewloom.dataset.multilabel import BUILDERS, class_ids, occurring_actions
from viewloom.dataset.settings import LabelsMode
from viewloom.dataset.text_files import CsvTable, is_number, numbered, read_csv, read_lines
from viewloom.errors import DataError, listed

SEQUENCE_PREFIXES = ("assembly_", "disassembly_")
"""What Assembly101 puts before a recording's name in its label files."""
UNITS = {
    **dict.fromkeys(("frames", "frame"), "frames"),
    **dict.fromkeys(("seconds", "s"), "seconds"),
    **dict.fromkeys(("milliseconds", "ms"), "milliseconds"),
}
"""What the column ``unit`` of a CSV may say, and what it means."""
PER_SECOND = {"seconds": 1, "milliseconds": 1000}
"""How many of a unit are a second."""
TIMES = {("start", "end"): "frames", ("start_s", "end_s"): "seconds", ("start_ms", "end_ms"): "milliseconds"}
"""Columns of a CSV that say from when to when, and their unit; the first that are there count."""

Line = TypeVar("Line")
Parsed = tuple[str, int, int, str]
"""(annotation, start, end, action) of a line; frames, end exclusive."""


def recording_of(name: str) -> str:
    """The recording that an Assembly101 label file belongs to; other names are the recording's own."""
    prefix = next((prefix for prefix in SEQUENCE_PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def recording_in(labels: LabelSet | None) -> Callable[[str], str]:
    """Maps an item to its recording by its annotation, else by its name."""
    annotations = {} if labels is None else labels.annotations
    return lambda name: annotations[name].recording if name in annotations else recording_of(name)


def read_segment_folder(
    folder: Path, actions: Sequence[str], fault: Fault = stop, mode: LabelsMode = "single"
) -> LabelSet:
    """All Assembly101 label files of a folder."""
    return replace(_read_folder(folder, partial(read_segments, mode=mode), actions, fault), mode=mode)


def read_frame_folder(folder: Path, actions: Sequence[str], fault: Fault = stop) -> LabelSet:
    """All MS-TCN label files of a folder."""
    return _read_folder(folder, read_frames, actions, fault)


def _read_folder(
    folder: Path,
    read: Callable[[Path, Sequence[str], Fault], dict[str, Annotation]],
    actions: Sequence[str],
    fault: Fault,
) -> LabelSet:
    """All label files of a folder; hidden files are not labels."""
    if not folder.is_dir():
        raise DataError(f"{folder} is {'a file' if folder.exists() else 'not there'}; pass a folder of label files.")
    paths = [path for path in sorted(folder.glob("*.txt")) if not path.name.startswith(".")]
    found: dict[str, Annotation] = {}
    for path in paths:
        try:
            found |= read(path, actions, fault)
        except DataError as error:
            fault(error)
    if not paths:
        raise DataError(f"{folder} holds no label file (*.txt). Bring the label files, or pass --labels.")
    return LabelSet(tuple(actions), found)


def read_segments(
    path: Path, actions: Sequence[str], fault: Fault = stop, mode: LabelsMode = "single"
) -> dict[str, Annotation]:
    """An Assembly101 label file: lines of ``start end action``, tab-separated, end exclusive."""

    def parse(where: str, line: str) -> Parsed:
        fields = [field.strip() for field in line.rstrip().split("\t")]
        if len(fields) != 3 or not all(is_number(field) for field in fields[:2]):
            raise DataError(
                f"{where}: expected `start<tab>end<tab>action` with frame numbers, but got {line[:80]!r}. Correct the "
                "line."
            )
        return path.stem, int(fields[0]), int(fields[1]), fields[2]

    return _annotations(path, numbered(path), parse, actions, fault, path.stem, recording_of, mode)


def read_frames(path: Path, actions: Sequence[str], fault: Fault = stop) -> dict[str, Annotation]:
    """An MS-TCN label file: the action of each frame, one a line, from frame 0."""
    names = [line.strip() for line in read_lines(path)]
    while names and not names[-1]:
        names.pop()

    def stretches() -> Iterator[tuple[int, Parsed]]:
        start = 0
        for name, frames in groupby(names):
            end = start + len(list(frames))
            yield start + 1, (path.stem, start, end, name)
            start = end

    return _annotations(path, stretches(), lambda where, row: row, actions, fault, path.stem)


def read_table(
    path: Path,
    fps: float | None,
    actions: Sequence[str] | None = None,
    fault: Fault = stop,
    mode: LabelsMode = "single",
) -> LabelSet:
    """A CSV with the columns ``recording,start,end,label`` in frames, end exclusive. Fields are separated by commas,
    or by semicolons, and then a comma may stand for the decimal point.

    Times in seconds stand in ``start_s,end_s`` instead, in milliseconds in ``start_ms,end_ms`` (where several pairs are
    there, as in what `viewloom predict` writes, the frames count), or in ``start,end`` beside a column ``unit`` that
    says ``frames``, ``seconds`` or ``milliseconds`` in each row. Second t is frame t * fps, rounded to the nearest.

    Args:
        path: the file.
        fps: frames per second; None where nobody said, which seconds don't allow.
        actions: class names by id; None takes the labels that occur, sorted.
        fault: what to do with a bad row.
        mode: whether rows of a recording may overlap (multi).
    """
    table = read_csv(path)
    columns = _columns(path, table)
    if actions is None:
        whole = (fields for _, fields in table.rows if all(name in fields for name in columns))
        actions = occurring_actions((fields["label"] for fields in whole), mode)
    parse = table_parser(path, table, fps)
    return LabelSet(tuple(actions), _annotations(path, table.rows, parse, actions, fault, mode=mode), mode)


def table_parser(path: Path, table: CsvTable, fps: float | None) -> Callable[[str, dict[str, str]], Parsed]:
    """What reads a row of such a CSV, given its place for messages and its fields; see `read_table`."""
    columns = _columns(path, table)

    def parse(where: str, fields: dict[str, str]) -> Parsed:
        table.check_length(where, fields, columns)
        if not fields["recording"]:
            raise DataError(f"{where}: the recording is missing. Name it.")
        unit = fields["unit"].lower() if "unit" in columns else TIMES[columns[1], columns[2]]
        if unit not in UNITS:
            raise DataError(f"{where}: the unit {unit!r} is unknown. Write frames, seconds or milliseconds.")
        unit = UNITS[unit]
        if unit != "frames" and fps is None:
            raise DataError(f"{where} gives {unit}, but nobody says the features' frame rate. Pass --fps.")
        start, end = (_frame(where, fields[name], unit, fps, table.delimiter == ";") for name in columns[1:3])
        return fields["recording"], start, end, fields["label"]

    return parse


def read_rows(
    path: Path,
    rows: Iterable[Parsed],
    actions: Sequence[str],
    fault: Fault = stop,
    mode: LabelsMode = "single",
) -> LabelSet:
    """Labels from segments that a file of another kind (JSON) holds, each with its recording: one annotation for each.

    Args:
        path: the file, for messages, which count its segments from 1.
        rows: (recording, start, end, action) of each segment; frames, end exclusive.
        actions: class names by id.
        fault: what to do with a bad segment.
        mode: whether segments may overlap (multi).
    """

    def of_segment(error: DataError) -> None:
        error.args = (str(error).replace(", line ", ", segment ").replace(" in line ", " in segment "),)
        fault(error)

    found = _annotations(path, enumerate(rows, 1), lambda _, row: row, actions, of_segment, mode=mode)
    return LabelSet(tuple(actions), found, mode)


def _columns(path: Path, table: CsvTable) -> tuple[str, ...]:
    """The columns that each row must fill: recording, start, end, label and perhaps unit; `DataError` without them."""
    there = set(table.columns)
    times = next((pair for pair in TIMES if {*pair} <= there), ())
    if not table.rows or not {"recording", "label"} <= there or not times:
        raise DataError(
            f"{path} must be a CSV with the columns recording,start,end,label (frames) or "
            "recording,start_s,end_s,label (seconds; start_ms,end_ms: milliseconds), and hold segments; its columns "
            f"are: {listed(table.columns)}."
        )
    return ("recording", *times, "label", *(["unit"] if "unit" in there and "start" in times else []))


def _frame(where: str, text: str, unit: str, fps: float | None, comma: bool) -> int:
    """A frame number from a field in a unit; with ``comma`` that may be the decimal point."""
    rate = fps / PER_SECOND[unit] if fps is not None and unit in PER_SECOND else None
    try:
        value = float(text.replace(",", ".") if comma else text)
        if rate is None and value != int(value):
            raise ValueError
        return int(value) if rate is None else round(value * rate)
    except (ValueError, OverflowError):
        kind = "a whole number of frames" if rate is None else f"a number of {unit}"
        odd = "," in text and not comma
        hint = "Write a decimal point; a comma is one only where fields are separated by ';'." if odd else ""
        raise DataError(f"{where}: {text!r} is not {kind}. {hint or 'Correct the line.'}") from None


def _annotations(
    path: Path,
    lines: Iterable[tuple[int, Line]],
    parse: Callable[[str, Line], Parsed],
    actions: Sequence[str],
    fault: Fault,
    only: str | None = None,
    recording: Callable[[str], str] = str,
    mode: LabelsMode = "single",
) -> dict[str, Annotation]:
    """The annotations of a file, by name.

    Args:
        path: of the file.
        lines: (line number, line).
        parse: gives what a line says, or raises a `DataError` that begins with its first argument, file and line.
        actions: class names by id.
        fault: what to do with a bad line, or with segments that don't go together.
        only: name of the one annotation in the file, which must have segments then.
        recording: maps an annotation's name to its recording.
        mode: whether segments may overlap.
    """
    ids, build = class_ids(actions, mode), BUILDERS[mode]
    groups: dict[str, list[Row]] = {} if only is None else {only: []}
    for number, line in lines:
        where = f"{path}, line {number}"
        try:
            name, start, end, action = parse(where, line)
            groups.setdefault(name, []).append((start, end, class_of(where, action, ids), number))
        except DataError as error:
            fault(error)
    found = {}
    for name, rows in sorted(groups.items()):
        try:
            found[name] = build(path, name, recording(name), rows)
        except DataError as error:
            fault(error)
    return found


def class_of(where: str, action: str, ids: dict[str, int]) -> int:
    """Id of an action; `UnknownAction` for one that is not in the list."""
    if action in ids:
        return ids[action]
    if not action:
        raise DataError(f"{where}: the action is missing. Name one of the action list.")
    raise UnknownAction(
        f"{where}: action {action!r} is not in the action list ({len(ids)} actions). Add it there, or correct "
        "its spelling.",
        action,
    )
