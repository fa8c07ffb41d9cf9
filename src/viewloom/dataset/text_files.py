"""Text files that users bring: their lines, and tables of separated fields."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from viewloom.errors import DataError
from viewloom.files import from_cell


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


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of every line that isn't blank."""
    return ((number, line) for number, line in enumerate(read_lines(path), 1) if line.strip())


class CsvTable(NamedTuple):
    """A CSV: its columns, (line number, {column: field}) of each row, and what separates the fields."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]
    delimiter: str

    def check_length(self, where: str, fields: dict[str, str], wanted: tuple[str, ...]) -> None:
        """`DataError` for a row that ends before one of the columns ``wanted``."""
        if not all(name in fields for name in wanted):
            raise DataError(
                f"{where}: {len(fields)} fields are too few, expected {len(self.columns)} (separated by "
                f"{self.delimiter!r}, as in the header). Complete the line."
            )


def read_csv(path: Path, lines: list[str] | None = None) -> CsvTable:
    """A CSV whose fields are separated by commas, or by semicolons or tabs where its header is; fields are stripped,
    and of the apostrophe before what a spreadsheet would compute.

    Args:
        path: the file.
        lines: its lines, where they have been read already.
    """
    lines = read_lines(path) if lines is None else lines
    delimiter = _delimiter(next((line for line in lines if line.strip()), ""))
    reader = csv.reader(lines, delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            found.append((reader.line_num, [from_cell(field.strip()) for field in fields]))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}. Save it as comma-separated text.") from None
    header, *rows = [(line, fields) for line, fields in found if any(fields)] or [(0, [])]
    columns = header[1]
    return CsvTable(columns, [(line, dict(zip(columns, fields, strict=False))) for line, fields in rows], delimiter)


def _delimiter(header: str) -> str:
    """Comma, semicolon or tab, whichever cuts a header into more fields; where spreadsheets have a decimal comma, they
    write semicolons."""
    with suppress(csv.Error):
        return max(",;\t", key=lambda sign: len(next(csv.reader([header], delimiter=sign))))
    return ","


def is_number(text: str) -> bool:
    """Whether a field is a whole number that can be a frame or an id."""
    return text.isascii() and text.isdigit() and len(text) < 16
