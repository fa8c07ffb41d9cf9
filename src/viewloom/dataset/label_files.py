"""Reading labels: Assembly101 segment files, MS-TCN frame files, and one CSV for everything.

Every reader takes a `Fault`: by default the first bad line stops it; the check notes all of them instead.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from viewloom.dataset.labels import Annotation, Fault, LabelSet, UnknownAction, build_annotation, stop
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
    """Lines of a UTF-8 text file without their ends (LF, CR LF or CR); `DataError` when it isn't one."""
    try:
        # Not splitlines(): that also cuts at form feeds and other characters that may stand inside a line.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(f"{path} is not there. Check the path, or bring the file.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Pass a text file that can.") from None
    return lines[:-1] if lines[-1] == "" else lines


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of every line that isn't blank."""
    return ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())


class CsvTable(NamedTuple):
    """A CSV: names of its columns, (line number, fields) without blank lines, and what separates the fields."""

    columns: list[str]
    rows: list[tuple[int, list[str]]]
    delimiter: str

    @property
    def separated(self) -> str:
        """What separates the fields, for messages about a line that has too few."""
        return f"fields are separated by {self.delimiter!r}, as in the header"


def csv_rows(path: Path) -> CsvTable:
    """A CSV whose fields are separated by commas, or by semicolons where its header is; fields are stripped."""
    lines = read_lines(path)
    delimiter = _delimiter(next((line for line in lines if line.strip()), ""))
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            rows.append((reader.line_num, [field.strip() for field in fields]))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Save it as comma-separated text.") from None
    rows = [(line, fields) for line, fields in rows if any(fields)]
    return CsvTable(rows[0][1], rows[1:], delimiter) if rows else CsvTable([], [], delimiter)


def _delimiter(header: str) -> str:
    """Comma or semicolon, whichever cuts a header into more fields; where spreadsheets have a decimal comma, they
    write semicolons."""
    with suppress(csv.Error):
        return max(",;", key=lambda sign: len(next(csv.reader([header], delimiter=sign))))
    return ","


def read_actions(path: Path) -> tuple[str, ...]:
    """Action names by id from Assembly101's ``actions.csv`` (columns action_id and action_cls)."""
    table = csv_rows(path)
    columns, rows, _ = table
    if not rows or not {"action_id", "action_cls"} <= set(columns):
        raise DataError(f"{path} must be a CSV with the columns action_id and action_cls, and hold actions.")
    number, name = columns.index("action_id"), columns.index("action_cls")
    short = [line for line, fields in rows if len(fields) <= max(number, name)]
    if short:
        wanted = f"expected {len(columns)} columns ({table.separated})"
        raise DataError(f"{path}, line {short[0]}: {wanted}. Complete the line.")
    return _by_id(path, [(line, fields[number], fields[name]) for line, fields in rows])


def read_mapping(path: Path) -> tuple[str, ...]:
    """Action names by id from an MS-TCN ``mapping.txt`` (lines ``id name``)."""
    rows = [(line, text.split(maxsplit=1)) for line, text in _numbered(path)]
    bad = [line for line, fields in rows if len(fields) != 2]
    if bad or not rows:
        where = f"{path}, line {bad[0]}," if bad else f"{path} is empty, but"
        raise DataError(f"{where} must hold an id and a name a line, such as `0 background`.")
    return _by_id(path, [(line, fields[0], fields[1].strip()) for line, fields in rows])


def read_action_list(path: Path) -> tuple[str, ...]:
    """Action names from a list, one a line; the id is the place."""
    names = [(number, line.strip()) for number, line in _numbered(path)]
    if not names:
        raise DataError(f"{path} is empty. Name one action a line, or remove the file.")
    return _by_id(path, [(number, str(place), name) for place, (number, name) in enumerate(names)])


def _by_id(path: Path, rows: Sequence[tuple[int, str, str]]) -> tuple[str, ...]:
    """Names in the order of their ids, which must be 0, 1, 2, ... each once; rows are (line, id, name)."""
    actions: dict[int, str] = {}
    names: set[str] = set()
    for line, number, name in rows:
        if not _is_number(number) or int(number) in actions or not name or name in names:
            raise DataError(
                f"{path}, line {line}: id {number!r} with name {name!r}; ids must be whole numbers, and ids and "
                "names must not repeat."
            )
        actions[int(number)] = name
        names.add(name)
    holes = sorted(set(range(len(actions))) - set(actions))
    if holes:
        raise DataError(
            f"{path}: ids must run from 0 to {len(actions) - 1}, but {listed(holes)} are not there. Number the "
            "actions without holes."
        )
    return tuple(actions[i] for i in range(len(actions)))


def _is_number(text: str) -> bool:
    """Whether a field is a whole number that can be a frame or an id."""
    return text.isascii() and text.isdigit() and len(text) < 16


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


def read_segments(path: Path, actions: Sequence[str], fault: Fault = stop) -> Annotation:
    """An Assembly101 label file: lines of ``start end action``, tab-separated, end exclusive."""
    ids = {name: i for i, name in enumerate(actions)}
    rows, lines = [], []
    for number, line in _numbered(path):
        try:
            rows.append(_segment(f"{path}, line {number}", line, ids))
            lines.append(number)
        except DataError as error:
            fault(error)
    return build_annotation(path, path.stem, recording_of(path.stem), rows, lines)


def _segment(where: str, line: str, ids: dict[str, int]) -> tuple[int, int, int]:
    """(start, end, class id) from a line."""
    fields = [field.strip() for field in line.rstrip().split("\t")]
    if len(fields) != 3 or not all(_is_number(field) for field in fields[:2]):
        raise DataError(
            f"{where}: expected `start<tab>end<tab>action` with frame numbers, but got {line[:80]!r}. Correct the line."
        )
    return int(fields[0]), int(fields[1]), class_of(where, fields[2], ids)


def read_frames(path: Path, actions: Sequence[str], fault: Fault = stop) -> Annotation:
    """An MS-TCN label file: the action of each frame, one a line, from frame 0."""
    names = [line.strip() for line in read_lines(path)]
    while names and not names[-1]:
        names.pop()
    ids = {name: i for i, name in enumerate(actions)}
    known: dict[str, int] = {}
    for name in dict.fromkeys(names):  # each name once: an unknown one would be told for thousands of lines
        try:
            known[name] = class_of(f"{path}, line {names.index(name) + 1}", name, ids)
        except DataError as error:
            fault(error)
    labels = np.array([known.get(name, -1) for name in names], np.int64)
    cuts = np.flatnonzero(np.diff(labels)) + 1
    bounds = np.concatenate([[0], cuts, [len(labels)]]) if len(labels) else np.zeros(1, np.int64)
    rows = [(int(a), int(b), int(labels[a])) for a, b in pairwise(bounds)]
    rows = [row for row in rows if row[2] >= 0]
    return build_annotation(path, path.stem, path.stem, rows, [start + 1 for start, _, _ in rows])


def _read_folder(folder: Path, read: Callable[[Path], Annotation], actions: Sequence[str], fault: Fault) -> LabelSet:
    """All label files of a folder; hidden files are not labels."""
    if not folder.is_dir():
        raise DataError(f"{folder} is {'a file' if folder.exists() else 'not there'}; pass a folder of label files.")
    found: dict[str, Annotation] = {}
    paths = [path for path in sorted(folder.glob("*.txt")) if not path.name.startswith(".")]
    for path in paths:
        try:
            found[path.stem] = read(path)
        except DataError as error:
            fault(error)
    if not paths:
        raise DataError(f"{folder} holds no label file (*.txt). Bring the label files, or pass --labels.")
    return LabelSet(tuple(actions), found)


def read_segment_folder(folder: Path, actions: Sequence[str], fault: Fault = stop) -> LabelSet:
    """All Assembly101 label files of a folder."""
    return _read_folder(folder, lambda path: read_segments(path, actions, fault), actions, fault)


def read_frame_folder(folder: Path, actions: Sequence[str], fault: Fault = stop) -> LabelSet:
    """All MS-TCN label files of a folder."""
    return _read_folder(folder, lambda path: read_frames(path, actions, fault), actions, fault)


def recording_in(labels: LabelSet | None) -> Callable[[str], str]:
    """Maps an item to its recording by its annotation, else by its name."""

    def recording(name: str) -> str:
        if labels is not None and name in labels.annotations:
            return labels.annotations[name].recording
        return recording_of(name)

    return recording
