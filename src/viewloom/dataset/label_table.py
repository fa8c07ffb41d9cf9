"""Reading labels from one CSV: a segment a row, in frames or in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viewloom.dataset.label_files import CsvTable, class_of, csv_rows
from viewloom.dataset.labels import Annotation, Fault, LabelSet, build_annotation, stop
from viewloom.errors import DataError, listed

UNITS = {"frames": False, "frame": False, "seconds": True, "s": True}
"""What the column ``unit`` may say, and whether it means seconds."""


@dataclass(frozen=True)
class _Columns:
    """Where a table keeps what; ``unit`` is the place of that column, or None, and ``table`` the table itself."""

    recording: int
    start: int
    end: int
    label: int
    seconds: bool
    unit: int | None
    table: CsvTable

    @property
    def last(self) -> int:
        """The last place that a row must fill."""
        return max(self.recording, self.start, self.end, self.label, self.unit or 0)


def read_table(path: Path, fps: float | None, actions: Sequence[str] | None = None, fault: Fault = stop) -> LabelSet:
    """A CSV with the columns ``recording,start,end,label`` in frames, end exclusive. Fields are separated by commas,
    or by semicolons, and then a comma may stand for the decimal point.

    Times in seconds stand in ``start_s,end_s`` instead (where both pairs are there, as in what `viewloom predict`
    writes, the frames count), or in ``start,end`` beside a column ``unit`` that says ``frames`` or ``seconds`` in
    each row. Second t is frame t * fps, rounded to the nearest.

    Args:
        path: the file.
        fps: frames per second; None where nobody said, which seconds don't allow.
        actions: class names by id; None takes the labels that occur, sorted.
        fault: what to do with a bad row.
    """
    table = csv_rows(path)
    rows, columns = table.rows, _find_columns(path, table)
    if actions is None:
        actions = sorted({fields[columns.label] for _, fields in rows if len(fields) > columns.last} - {""})
    ids = {name: i for i, name in enumerate(actions)}
    groups: dict[str, tuple[list[tuple[int, int, int]], list[int]]] = {}
    for line, fields in rows:
        try:
            recording, segment = _row(f"{path}, line {line}", fields, columns, fps, ids)
        except DataError as error:
            fault(error)
            continue
        segments, lines = groups.setdefault(recording, ([], []))
        segments.append(segment)
        lines.append(line)
    found: dict[str, Annotation] = {}
    for name, group in sorted(groups.items()):
        try:
            found[name] = build_annotation(path, name, name, *group)
        except DataError as error:
            fault(error)
    return LabelSet(tuple(actions), found)


def _find_columns(path: Path, table: CsvTable) -> _Columns:
    """Places of the columns; `DataError` where they are not there."""
    names, filled = table.columns, bool(table.rows)
    frames, seconds = {"start", "end"} <= set(names), {"start_s", "end_s"} <= set(names)
    if not filled or not {"recording", "label"} <= set(names) or not (frames or seconds):
        raise DataError(
            f"{path} must be a CSV with the columns recording,start,end,label (frames) or "
            f"recording,start_s,end_s,label (seconds), and hold segments; its columns are: {listed(names)}."
        )
    start, end = ("start", "end") if frames else ("start_s", "end_s")
    unit = names.index("unit") if "unit" in names and frames else None
    recording, first, last, label = (names.index(name) for name in ("recording", start, end, "label"))
    return _Columns(recording, first, last, label, seconds=not frames, unit=unit, table=table)


def _row(
    where: str, fields: list[str], columns: _Columns, fps: float | None, ids: dict[str, int]
) -> tuple[str, tuple[int, int, int]]:
    """(recording, (start, end, class id)) of a row."""
    if len(fields) <= columns.last:
        raise DataError(f"{where}: {len(fields)} fields are too few ({columns.table.separated}). Complete the line.")
    recording, seconds = fields[columns.recording], columns.seconds
    if not recording:
        raise DataError(f"{where}: the recording is missing. Name it.")
    if columns.unit is not None:
        unit = fields[columns.unit].lower()
        if unit not in UNITS:
            raise DataError(f"{where}: the unit {unit!r} is unknown. Write frames or seconds.")
        seconds = UNITS[unit]
    if seconds and fps is None:
        raise DataError(f"{where} gives seconds, but nobody says the features' frame rate. Pass --fps.")
    comma = columns.table.delimiter == ";"
    ends = (fields[place] for place in (columns.start, columns.end))
    start, end = (_frame(where, text, fps if seconds else None, comma) for text in ends)
    return recording, (start, end, class_of(where, fields[columns.label], ids))


def _frame(where: str, text: str, fps: float | None, comma: bool) -> int:
    """A frame number from a field in frames (fps None) or seconds; with ``comma`` that may be the decimal point."""
    try:
        value = float(text.replace(",", ".") if comma else text)
        if fps is None and value != int(value):
            raise ValueError
        return int(value) if fps is None else round(value * fps)
    except (ValueError, OverflowError):
        kind = "a whole number of frames" if fps is None else "a number of seconds"
        odd = "," in text and not comma
        hint = "Write a decimal point; a comma is one only where fields are separated by ';'." if odd else ""
        raise DataError(f"{where}: {text!r} is not {kind}. {hint or 'Correct the line.'}") from None
