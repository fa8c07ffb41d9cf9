"""Text and JSON files that may come from anybody: read with checks, so that a fault is one message that names the file.

What can't be text (a pipe, a folder, NUL, other encodings), what a reader would pass over without a word (a key twice),
and what would only show later (half of a character, tables thousands deep) is refused here.
"""

import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from viewloom.errors import DataError, UserError

SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]|\\u0000")
"""How JSON can write half of a character, or NUL."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL as it is written: a backslash before it that is a character of its own is another thing."""


def read_bytes(
    path: Path, remedy: str = "Check the path, or bring the file.", kind: type[UserError] = DataError
) -> bytes:
    """What is in a file; an error of ``kind`` where it isn't there, is no file, or can't be read."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise kind(f"{path} is {what}, not a file. {remedy}")
        return path.read_bytes()
    except FileNotFoundError:
        raise kind(f"{path} is not there. {remedy}") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:  # a path with NUL is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise kind(f"{path} can't be read: {reason}. {remedy}") from None


def read_text(path: Path, remedy: str = "Check the path, or bring the file.", kind: type[UserError] = DataError) -> str:
    """A file's characters, UTF-8 with or without a mark, with LF between lines; errors of ``kind``."""
    data = read_bytes(path, remedy, kind)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise kind(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    refuse_nul(path, text, kind)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_nul(path: Path, text: str, kind: type[UserError] = DataError) -> None:
    """An error where text holds NUL, as files cut short by a crash and UTF-16 without a mark do."""
    place = text.find("\0")
    if place >= 0:
        line = text.count("\n", 0, place) + 1
        raise kind(f"{path}, line {line}: a NUL character, which no text has. Save it as UTF-8, or bring it again.")


def read_json(path: Path, remedy: str = "Copy or download it again.", kind: type[UserError] = DataError) -> Any:
    """The values of a JSON file; an error of ``kind`` where it is none, or has a key twice."""
    return parse_json(path, read_text(path, remedy, kind), remedy, kind)


def parse_json(
    path: Path,
    text: str,
    remedy: str = "Write it again.",
    kind: type[UserError] = DataError,
    constants: bool = False,
) -> Any:
    """The values of JSON text that ``path`` names in messages; with ``constants`` NaN and Infinity are let be, which
    other programs write for numbers that nobody asks for."""
    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=float if constants else _refused)
        refuse_broken(text, value)
        return value
    except json.JSONDecodeError as error:
        raise kind(f"{path} is not JSON (line {error.lineno}: {error.msg}). {remedy}") from None
    except RecursionError:
        raise kind(f"{path} is not JSON that can be read: too deep. {remedy}") from None
    except ValueError as error:
        raise kind(f"{path} is not JSON that can be read: {error}. {remedy}") from None


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of pairs; `ValueError` for a key that is there twice, where the last would win unseen."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} is there twice in one object")
    return found


def refuse_broken(text: str, value: Any) -> None:
    """`ValueError` where values hold NUL or half of a character, which no file and no screen can take."""
    if _ESCAPED.search(text) is None:
        return
    written = json.dumps(value, ensure_ascii=False)
    if SURROGATE.search(written) or _NUL.search(written):
        raise ValueError("a text with NUL or half of a character")


@contextmanager
def parsing(
    path: Path, remedy: str, kind: type[UserError] = DataError, what: str = "as it should be"
) -> Iterator[None]:
    """Turn what a parser of the file stumbles over into an error of ``kind`` that names the file; the cause is kept."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise kind(f"{path} is not {what} ({reason}). {remedy}") from error
