"""Whether a path is a file that can be read, before it is opened: who opens a named pipe waits for ever.

Everything that reads a file from elsewhere asks here first, so that pipes, devices, folders, names that no file can
have and files without permission are refused in one way.
"""

import os
import stat
from pathlib import Path

from viewloom.errors import DataError, UserError

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
