"""JSON files that data sets bring: read with checks, so that a message names the file and the place."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from viewloom import reading
from viewloom.errors import DataError

LARGEST = 1 << 62
"""Numbers from here on are no frame, time, id or count."""
_NAME = re.compile(r"[\w.+-]+( [\w.+-]+)*")


def read_json(path: Path) -> Any:
    """The values of a file; `DataError` where it isn't JSON, or has a key twice."""
    again = "Copy or download it again."
    return reading.parse_json(path, reading.read_text(path), again, constants=True)


def entry(path: Path, where: str, value: Any, key: str | int, kind: type | tuple[type, ...]) -> Any:
    """``value[key]`` of a kind; `DataError` with file and place where it isn't there or is something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    odd = isinstance(found, int | float) and not _finite(found)
    if odd or not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        names = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
        shown = "nothing" if found is None else f"{found!r}"[:60]
        raise DataError(f"{path}: {where} must have {key!r}, a {names}, but has {shown}. Download the file again.")
    return found


def _finite(number: float) -> bool:
    """Whether a number is one that can be computed with."""
    return abs(number) < LARGEST


def safe_name(path: Path, name: Any) -> str:
    """A name from a file that becomes part of a path: of letters, digits, ``._+-`` and single blanks alone.

    Raises:
        DataError: another one; it could lead out of the data set's folder.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or set(name) == {"."}:
        raise DataError(f"{path} names {name!r}, which can't be a file's or folder's name. Download the file again.")
    return name


def refuse_second(path: Path, recording: str, place: str, before: str | None) -> None:
    """`DataError` where a recording was there ``before``, at that place or at another that gives the same name."""
    if before is not None:
        places = place if place == before else f"{before} and {place}"
        raise DataError(f"{path} has the recording {recording} twice: {places}. Keep one of them, or rename it.")


def first_there(root: Path, names: Iterable[str]) -> Path | None:
    """The first of some paths inside a folder that is there, or None."""
    return next((root / name for name in names if (root / name).exists()), None)


def ordered_by_id(names: Mapping[str, int | str]) -> tuple[str, ...]:
    """Names in the order of their ids, whole numbers before text; ids needn't follow each other."""

    def key(name: str) -> tuple[bool, int, str]:
        number = names[name]
        whole = isinstance(number, int) or str(number).isdigit()
        return (not whole, int(number) if whole else 0, str(number))

    return tuple(sorted(names, key=key))
