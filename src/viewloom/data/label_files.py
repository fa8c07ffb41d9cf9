"""Reading labels: Assembly101 segment files, MS-TCN frame files, and one CSV for everything."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from viewloom.data.labels import Annotation, LabelSet, build_annotation
from viewloom.errors import DataError, listed

SEQUENCE_PREFIXES = ("assembly_", "disassembly_")
"""What Assembly101 puts before a recording's name in its label files."""


def recording_of(name: str) -> str:
    """The recording that an Assembly101 label file belongs to; other names are the recording's own."""
    for prefix in SEQUENCE_PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file without their ends (CR LF too); `DataError` when it isn't one."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path} is not there.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None


def read_actions(path: Path) -> tuple[str, ...]:
    """Action names by id from Assembly101's ``actions.csv`` (columns action_id and action_cls)."""
    rows = list(csv.DictReader(read_lines(path)))
    if not rows or not {"action_id", "action_cls"} <= set(rows[0]):
        raise DataError(f"{path} must be a CSV with the columns action_id and action_cls, and hold actions.")
    return _by_id(path, [(row["action_id"], (row["action_cls"] or "").strip()) for row in rows], 2)


def read_mapping(path: Path) -> tuple[str, ...]:
    """Action names by id from an MS-TCN ``mapping.txt`` (lines ``id name``)."""
    rows = [line.split(maxsplit=1) for line in read_lines(path) if line.strip()]
    bad = [row for row in rows if len(row) != 2]
    if bad or not rows:
        raise DataError(f"{path} must hold lines of an id and a name, such as `0 background`; got {bad[:1]}.")
    return _by_id(path, [(row[0], row[1].strip()) for row in rows], 1)


def _by_id(path: Path, rows: Sequence[tuple[str, str]], first_line: int) -> tuple[str, ...]:
    """Names in the order of their ids, which must be 0, 1, 2, ... each once."""
    actions: dict[int, str] = {}
    for line, (number, name) in enumerate(rows, first_line):
        if not number.strip().isdigit() or int(number) in actions or not name or name in actions.values():
            raise DataError(
                f"{path}, line {line}: id {number!r} with name {name!r}; ids must be whole numbers, and ids and "
                "names must not repeat."
            )
        actions[int(number)] = name
    holes = sorted(set(range(len(actions))) - set(actions))
    if holes:
        raise DataError(f"{path}: ids must run from 0 to {len(actions) - 1}, but {listed(holes)} are not there.")
    return tuple(actions[i] for i in range(len(actions)))


def read_segments(path: Path, actions: Sequence[str]) -> Annotation:
    """An Assembly101 label file: lines of ``start end action``, tab-separated, end exclusive."""
    ids = {name: i for i, name in enumerate(actions)}
    rows, lines = [], []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        fields = line.rstrip().split("\t")
        if len(fields) != 3 or not all(field.strip().isdigit() for field in fields[:2]):
            raise DataError(
                f"{path}, line {number}: expected `start<tab>end<tab>action` with frame numbers, but got "
                f"{line[:80]!r}."
            )
        start, end, action = int(fields[0]), int(fields[1]), fields[2].strip()
        rows.append((start, end, _known(path, number, action, ids)))
        lines.append(number)
    return build_annotation(path, path.stem, recording_of(path.stem), rows, lines)


def _known(path: Path, line: int, action: str, ids: dict[str, int]) -> int:
    """Id of an action; `DataError` for one that is not in the list."""
    if action not in ids:
        raise DataError(
            f"{path}, line {line}: action {action!r} is not in the action list ({len(ids)} actions). Add it "
            "there, or correct its spelling."
        )
    return ids[action]


def read_segment_folder(folder: Path, actions: Sequence[str]) -> LabelSet:
    """All Assembly101 label files of a folder."""
    found = [read_segments(path, actions) for path in sorted(folder.glob("*.txt"))]
    if not found:
        raise DataError(f"{folder} holds no label file (*.txt).")
    return LabelSet(tuple(actions), {annotation.name: annotation for annotation in found})


def read_frames(path: Path, actions: Sequence[str]) -> Annotation:
    """An MS-TCN label file: the action of each frame, one a line, from frame 0."""
    ids = {name: i for i, name in enumerate(actions)}
    names = [line.strip() for line in read_lines(path)]
    while names and not names[-1]:
        names.pop()
    labels = np.array([_known(path, line, name, ids) for line, name in enumerate(names, 1)], np.int64)
    cuts = np.flatnonzero(np.diff(labels)) + 1
    starts, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(labels)]])
    rows = [(int(a), int(b), int(labels[a])) for a, b in zip(starts, ends, strict=True)] if len(labels) else []
    return build_annotation(path, path.stem, path.stem, rows, [a + 1 for a, _, _ in rows])


def read_frame_folder(folder: Path, actions: Sequence[str]) -> LabelSet:
    """All MS-TCN label files of a folder."""
    found = [read_frames(path, actions) for path in sorted(folder.glob("*.txt"))]
    if not found:
        raise DataError(f"{folder} holds no label file (*.txt).")
    return LabelSet(tuple(actions), {annotation.name: annotation for annotation in found})


def read_table(path: Path, fps: float, actions: Sequence[str] | None = None) -> LabelSet:
    """A CSV with the columns ``recording,start,end,label`` (frames) or ``start_s,end_s`` (seconds).

    Args:
        path: the file.
        fps: frames per second, to turn seconds into frames (rounded to the nearest).
        actions: class names by id; None takes the labels that occur, sorted.
    """
    rows = list(csv.DictReader(read_lines(path)))
    columns = set(rows[0]) if rows else set()
    seconds = {"recording", "start_s", "end_s", "label"} <= columns
    if not seconds and not {"recording", "start", "end", "label"} <= columns:
        raise DataError(
            f"{path} must be a CSV with the columns recording,start,end,label (frames) or "
            f"recording,start_s,end_s,label (seconds), and hold segments; its columns are: {listed(columns)}."
        )
    keys = ("start_s", "end_s") if seconds else ("start", "end")
    if actions is None:
        actions = sorted({(row["label"] or "").strip() for row in rows})
    ids = {name: i for i, name in enumerate(actions)}
    groups: dict[str, tuple[list[tuple[int, int, int]], list[int]]] = {}
    for line, row in enumerate(rows, 2):
        start, end = (_frame(path, line, row[key], fps if seconds else None) for key in keys)
        segments, lines = groups.setdefault((row["recording"] or "").strip(), ([], []))
        segments.append((start, end, _known(path, line, (row["label"] or "").strip(), ids)))
        lines.append(line)
    return LabelSet(
        tuple(actions),
        {name: build_annotation(path, name, name, *group) for name, group in sorted(groups.items())},
    )


def _frame(path: Path, line: int, text: str | None, fps: float | None) -> int:
    """A frame number from a field in frames (fps None) or seconds."""
    try:
        value = float(text or "")
        if fps is None and value != int(value):
            raise ValueError
        return int(value) if fps is None else round(value * fps)
    except (ValueError, OverflowError):
        kind = "a whole number of frames" if fps is None else "a number of seconds"
        raise DataError(f"{path}, line {line}: {text!r} is not {kind}.") from None
