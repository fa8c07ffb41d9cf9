"""``metrics.csv`` of a run: what was logged, a row an epoch, every row of the same columns, all of them numbers."""

import csv
from pathlib import Path

from viewloom.errors import DataError
from viewloom.reading import read_text

REMEDY = "The file is `viewloom train`'s; restore or delete it."


def read_logged(path: Path) -> list[dict[str, str]]:
    """The rows, as text; a value may be blank, or not finite.

    Raises:
        DataError: no table, a column twice, or something else than whole epochs and numbers, with its line.
    """
    rows = csv.DictReader(read_text(path, REMEDY).split("\n"), strict=True)
    found: list[dict[str, str]] = []
    try:
        names = [name for name in rows.fieldnames or () if name is not None]
        if len(set(names)) < len(names):
            raise DataError(f"{path}: a column is there twice. {REMEDY}")
        for row in rows:
            _refuse_text(row)
            found.append(row)
    except (csv.Error, ValueError, TypeError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}, line {rows.line_num}: expected an epoch and numbers. {REMEDY}") from None
    return found


def _refuse_text(row: dict[str, str]) -> None:
    """`ValueError`, `TypeError` or `KeyError` for a row that isn't a whole epoch and numbers."""
    if not 0 <= int(row["epoch"]) < 1 << 62:
        raise ValueError("no epoch")
    for text in row.values():
        float(text or 0)
