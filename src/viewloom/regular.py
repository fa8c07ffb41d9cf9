"""Whether a path is a file that can be read, before it is opened: who opens a named pipe waits for ever.

Everything that reads a file from elsewhere asks here first, so that pipes, devices, folders, names that no file can
have and files without permission are refused in one way.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from viewloom.errors import DataError, UserError
from viewloom.limits import JSON_BYTES

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe, which can be read once only: write it to a file first"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def regular(path: Path | str, remedy: str = "Pass a file.", error: type[UserError] = DataError) -> Path:
    """The path, if it is a file that this user may read.

    Args:
        path: of a file.
        remedy: what to do otherwise, a sentence.
        error: what to raise.

    Raises:
        UserError: it isn't there, is something else than a file, has a name that no file can have, or may not be read.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise error(f"{path} is not there. {remedy}") from None
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the name
        shown = f"{str(path)!r}"[:120]
        raise error(f"{shown} can't be a file ({getattr(fault, 'strerror', None) or fault}). {remedy}") from None
    if not stat.S_ISREG(mode):
        what = next((name for test, name in KINDS if test(mode)), "no file")
        raise error(f"{path} is {what}. {remedy}")
    if not os.access(path, os.R_OK):
        raise error(f"{path} can't be read: you lack the permission. {remedy}")
    return Path(path)


def read_text(path: Path | str, remedy: str = "Save it as UTF-8.", error: type[UserError] = DataError) -> str:
    """The characters of a UTF-8 file, without a byte-order mark; raises as `regular` does, and for another encoding."""
    try:
        return regular(path, remedy, error).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(f"{path} is not UTF-8 text (byte {fault.start}). {remedy}") from None
    except OSError as fault:
        raise error(f"{path} can't be read: {fault.strerror}. {remedy}") from None


def read_json(path: Path | str, remedy: str, error: type[UserError] = DataError) -> Any:
    """The values in a JSON file; raises as `read_text` does, and for what is no JSON, too deep or too large."""
    size = regular(path, remedy, error).stat().st_size
    if size > JSON_BYTES:
        raise error(f"{path} has {size:,} bytes, and {JSON_BYTES:,} is the most that is read of JSON. {remedy}")
    text = read_text(path, remedy, error)
    try:
        return json.loads(text)
    except RecursionError:
        raise error(f"{path} is not valid JSON that can be read (too deep). {remedy}") from None
    except ValueError as fault:  # also whole numbers of thousands of digits
        raise error(f"{path} is not valid JSON ({str(fault)[:120]}). {remedy}") from None
