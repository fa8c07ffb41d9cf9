"""Writing files so that a reader sees the old one, the new one, or none: never half of one."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viewloom.durable import flush, flush_names, make_folder

TEMPORARY = ".tmp-"
"""What the name of a file begins with that isn't whole yet."""


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on leaving without an error it replaces ``path`` at once.

    The folder is made if needed. After an error the temporary file is removed and ``path`` is untouched.
    A process killed in between leaves at most a file whose name starts with ``.tmp-``. File and name are on the disk
    on return (see `viewloom.durable`).
    """
    path = Path(path)
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=f"-{path.name}"[-60:], dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        flush(temporary)
        temporary.replace(path)
        flush_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for something to compute."""


def in_cell(value: Any) -> Any:
    """A value as a CSV's cell: text that a spreadsheet would compute gets an apostrophe before it, and so does what
    would look like that; see `from_cell`."""
    return f"'{value}" if isinstance(value, str) and _computed(value.lstrip("'")) else value


def from_cell(text: str) -> str:
    """What `in_cell` was given."""
    return text[1:] if text.startswith("'") and _computed(text.lstrip("'")) else text


def _computed(text: str) -> bool:
    """Whether a spreadsheet would take text for a formula: a number is none."""
    if not text.startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header to ``path`` atomically, cells by `in_cell`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([in_cell(value) for value in row] for row in rows)
    write_text(path, text.getvalue())


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
