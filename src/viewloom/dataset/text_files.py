"""Text files that users bring: their lines, and tables of separated fields."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from viewloom.errors import DataError
from viewloom.files import from_cell
from viewloom.reading import read_text

MORE = "\0"
"""Stands for the column of fields beyond the header's last."""


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file without their ends (LF, CR LF or CR); `DataError` when it isn't one."""
    # Not splitlines(): that also cuts at form feeds and other characters that may stand inside a line.
    lines = read_text(path).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of every line that isn't blank."""
    return ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())


class CsvTable(NamedTuple):
    """A CSV: its columns, (line number, {column: field}) of each row, and what separates the fields."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    delimiter: str

    def check_length(self, where: str, fields: dict[str, str], wanted: tuple[str, ...]) -> None:
        """`DataError` for a row that ends before one of the columns ``wanted``, or has fields beyond the header's."""
        if MORE in fields:
            raise DataError(
                f"{where}: {fields[MORE][:40]!r} stands beyond the last of {len(self.columns)} columns. Quote a field "
                f"that holds {self.delimiter!r}, or name its column in the header."
            )
        if not all(name in fields for name in wanted):
            raise DataError(
                f"{where}: {len(fields)} fields are too few, expected {len(self.columns)} (separated by "
                f"{self.delimiter!r}, as in the header). Complete the line."
            )


def read_csv(path: Path, lines: list[str] | None = None) -> CsvTable:
    """A CSV whose fields are separated by commas, or by semicolons or tabs where its header is; fields are stripped,
    and of the apostrophe before what a spreadsheet would compute. `DataError` for a quote that is never closed, which
    would swallow the rows behind it, and for a column that is there twice.

    Args:
        path: the file.
        lines: its lines, where they have been read already.
    """
    lines = read_lines(path) if lines is None else lines
    delimiter = _delimiter(next((line for line in lines if line.strip()), ""))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            found.append((reader.line_num, [from_cell(field.strip()) for field in fields]))
    except csv.Error as error:
        raise _no_table(path, found[-1][0] + 1 if found else 1, reader.line_num, error) from None
    header, *rows = [(line, fields) for line, fields in found if any(fields)] or [(0, [])]
    columns = header[1]
    twice = [name for place, name in enumerate(columns) if name and name in columns[:place]]
    if twice:
        raise DataError(f"{path}, line {header[0]}: the column {twice[0][:80]!r} is there twice. Rename or remove one.")
    return CsvTable(columns, [(line, _row(columns, fields)) for line, fields in rows], delimiter)


def _row(columns: list[str], fields: list[str]) -> dict[str, str]:
    """Fields by column; what lies beyond the last one as `MORE`."""
    beyond = [field for field in fields[len(columns) :] if field]
    return dict(zip(columns, fields, strict=False)) | ({MORE: beyond[0]} if beyond else {})


def _no_table(path: Path, first: int, last: int, error: csv.Error) -> DataError:
    """What is said of lines ``first`` to ``last`` that can't be a row."""
    where = f"{path}, line {first}" if first == last else f"{path}, lines {first} to {last}"
    reason = 'a quote (") is opened and never closed' if "end of data" in str(error) else str(error)
    return DataError(f"{where}: {reason}. Correct it, or save the table as comma-separated text.")


def _delimiter(header: str) -> str:
    """Comma, semicolon or tab, whichever cuts a header into more fields; where spreadsheets have a decimal comma, they
    write semicolons."""
    with suppress(csv.Error):
        return max(",;\t", key=lambda sign: len(next(csv.reader([header], delimiter=sign))))
    return ","


def is_number(text: str) -> bool:
    """Whether a field is a whole number that can be a frame or an id."""
    return text.isascii() and text.isdigit() and len(text) < 16
