"""Old statistics pickles, ``{sequence: {camera: [first, last + 1]}}``, read without running what they may hold.

A pickle is a program. Before it is run at all, every instruction is looked at (`viewloom.pickles`): those that build
dictionaries, lists, tuples, text and whole numbers pass, any other refuses the file, and so does what would stand for
more values than there may be. The loader then refuses every look-up of a class or function once more.
"""

import io
import pickle
from itertools import islice
from pathlib import Path
from typing import NoReturn

from viewloom.errors import DataError
from viewloom.features.base import Span
from viewloom.pickles import CONTAINERS, MEMO, NUMBERS, STRUCTURE, TEXTS, Refused, outline
from viewloom.regular import regular

MAX_BYTES = 16 << 20
"""Larger files are refused; the statistics of 362 recordings take 53 kB."""
MOST_SPANS = 1_000_000
"""Recordings times cameras."""
_ALLOWED = STRUCTURE | MEMO | CONTAINERS | NUMBERS | TEXTS


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
    path = regular(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} a statistics pickle may have.")
    data = path.read_bytes()
    try:
        outline(data, _ALLOWED)
        value = _Refuser(io.BytesIO(data), encoding="ascii").load()
    except Refused as error:
        remedy = "A pickle can run code, so only dictionaries, lists, tuples, text and whole numbers are read; make an "
        remedy += "index from the features instead (viewloom index)."
        raise DataError(f"{path} was not read: it {error}. {remedy}") from None
    except Exception as error:
        raise DataError(f"{path} can't be read as a statistics pickle: {error}. Fetch it again.") from error
    return _checked(path, value)


def _checked(path: Path, value: object) -> dict[str, dict[str, Span]]:
    """The pickle's value, if it is ``{text: {text: [int, int]}}``."""
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__}, not a dictionary of recordings.")
    spans: dict[str, dict[str, Span]] = {}
    counted = 0
    for recording, cameras in value.items():
        if not isinstance(recording, str) or not isinstance(cameras, dict):
            raise DataError(f"{path}: the entry {_shown(recording)} is not a recording with its cameras.")
        counted += len(cameras)  # a table of cameras may stand in several places
        if counted > MOST_SPANS:
            raise DataError(f"{path} tells of more than {MOST_SPANS:,} recordings and cameras. Make an index instead.")
        spans[recording] = {str(camera): _span(path, recording, camera, x) for camera, x in cameras.items()}
    return spans


def _span(path: Path, recording: str, camera: object, value: object) -> Span:
    numbers = value if isinstance(value, (list, tuple)) and len(value) == 2 else (None, None)
    first, end = numbers
    if type(first) is int and type(end) is int and 0 <= first < end and isinstance(camera, str):
        return Span(first, end)
    raise DataError(
        f"{path}: recording {recording}, camera {_shown(camera)} has {_shown(value)} instead of [first frame, last "
        "frame + 1]."
    )


def _shown(value: object) -> str:
    """A value in a message: a few bytes of a pickle can stand for more text than there is memory."""
    if isinstance(value, (list, tuple)):
        inside = ", ".join(repr(one)[:40] if isinstance(one, int | str) else "..." for one in islice(value, 4))
        return f"[{inside}]" if len(value) <= 4 else f"[{inside}, ...]"
    return repr(value)[:80] if isinstance(value, int | str) else f"a {type(value).__name__}"
