"""Writing files so that a reader sees the old one, the new one, or none: never half of one."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viewloom.durable import flush, flush_names, make_folder
from viewloom.failures import writing
from viewloom.owned import let_go, own_temporary


@contextmanager
def atomic_path(path: Path | str, needed_bytes: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on leaving without an error it replaces ``path`` at once.

    The folder is made if needed. After an error the temporary file is removed and ``path`` is untouched.
    A process killed in between leaves at most a file whose name starts with ``.tmp-``, which the next one that writes
    ``path`` takes away. File and name are on the disk on return (see `viewloom.durable`).

    Args:
        path: the file to be.
        needed_bytes: its size, where it is known before, for the message of a full disk.

    Raises:
        WriteError: the system refused it, by whatever package; it names ``path``.
    """
    with writing(path, needed_bytes), _beside(Path(path)) as temporary:
        yield temporary


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """What `atomic_path` does."""
    make_folder(path.parent)
    temporary, handle = own_temporary(path)
    try:
        yield temporary
        temporary.chmod(0o644)
        flush(temporary)
        temporary.replace(path)
        flush_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        let_go(handle)


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


def as_json(value: Any) -> str:
    """A value as it stands in a JSON file; NaN is refused."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically; NaN is refused."""
    write_text(path, as_json(value))
