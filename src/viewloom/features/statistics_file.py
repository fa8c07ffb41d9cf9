"""Old statistics pickles, ``{sequence: {camera: [first, last + 1]}}``, read without running what they may hold.

A pickle is a program. Before it is run at all, every instruction is looked at: those that build dictionaries,
lists, tuples, text and whole numbers pass, any other refuses the file. The loader then refuses every look-up
of a class or function once more.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NoReturn

from viewloom.errors import DataError
from viewloom.features.base import Span

MAX_BYTES = 64 << 20
"""Larger files are refused; the statistics of 362 recordings take 53 kB."""
_STRUCTURE = {"PROTO", "FRAME", "MARK", "STOP", "POP", "POP_MARK", "MEMOIZE"}
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"}
_CONTAINERS = {"EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"}
_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_VALUES = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"}
_PYTHON2_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_ALLOWED = _STRUCTURE | _MEMO | _CONTAINERS | _TUPLES | _VALUES | _PYTHON2_TEXT


class _Refuser(pickle.Unpickler):
    """Loads no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for the object {pid!r} of another place")


def read_statistics(path: Path | str) -> dict[str, dict[str, Span]]:
    """Spans {recording: {camera: [first, end)}} of an old statistics pickle.

    Raises:
        DataError: saying what was refused: a file too large, a class or function, a value of another form.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} a statistics pickle may have.")
    data = path.read_bytes()
    _refuse_instructions(path, data)
    try:
        value = _Refuser(io.BytesIO(data), encoding="ascii").load()
    except Exception as error:
        raise DataError(f"{path} can't be read as a statistics pickle: {error}. Fetch it again.") from error
    return _checked(path, value)


def _refuse_instructions(path: Path, data: bytes) -> None:
    """`DataError` unless every instruction only builds plain values."""
    texts: list[Any] = ["?", "?"]
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            count += 1
            if opcode.name not in _ALLOWED:
                raise DataError(
                    f"{path} was not read: it asks for {_asked(opcode.name, argument, texts)}. A pickle can run "
                    "code, so only dictionaries, lists, tuples, text and whole numbers are read; make an index "
                    "from the features instead (viewloom index)."
                )
            # A huge memo number would make the loader allocate that much before it fails.
            if "PUT" in opcode.name and int(argument or 0) > count:
                raise ValueError(f"memo number {argument}")
            if isinstance(argument, str):
                texts = [texts[1], argument]
    except DataError:
        raise
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not a whole pickle ({error}). Fetch it again.") from error


def _asked(opcode: str, argument: object, texts: list[Any]) -> str:
    """What an instruction wants, in words: ``posix.system`` rather than its number."""
    if opcode in ("GLOBAL", "INST"):
        return str(argument).replace(" ", ".")
    if opcode == "STACK_GLOBAL":
        return ".".join(texts)
    return f"the instruction {opcode}"


def _checked(path: Path, value: object) -> dict[str, dict[str, Span]]:
    """The pickle's value, if it is ``{text: {text: [int, int]}}``."""
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__}, not a dictionary of recordings.")
    spans: dict[str, dict[str, Span]] = {}
    for recording, cameras in value.items():
        if not isinstance(recording, str) or not isinstance(cameras, dict):
            raise DataError(f"{path}: the entry {recording!r} is not a recording with its cameras.")
        spans[recording] = {str(camera): _span(path, recording, camera, x) for camera, x in cameras.items()}
    return spans


def _span(path: Path, recording: str, camera: object, value: object) -> Span:
    numbers = value if isinstance(value, (list, tuple)) and len(value) == 2 else (None, None)
    first, end = numbers
    if type(first) is int and type(end) is int and 0 <= first < end and isinstance(camera, str):
        return Span(first, end)
    raise DataError(
        f"{path}: recording {recording}, camera {camera!r} has {value!r} instead of [first frame, last frame + 1]."
    )
