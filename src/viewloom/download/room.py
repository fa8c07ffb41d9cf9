"""Room on disk, looked at before it is needed."""

import shutil
from pathlib import Path

from viewloom.errors import DataError

GB = 10**9
SPARE_BYTES = 1 << 28
"""Room that is left free."""


def free_bytes(folder: Path) -> int:
    """Free room where a folder is, or will be made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def shown(size: float) -> str:
    """A number of bytes in words."""
    for unit, scale in (("GB", GB), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"


def check_room(folder: Path, needed: int, what: str) -> None:
    """`DataError` where a folder's disk has less room than is needed, with some to spare."""
    free = free_bytes(folder)
    if needed and needed + SPARE_BYTES > free:
        raise DataError(
            f"To {what}, {folder} needs {shown(needed)} of room, but its disk has {shown(free)} free. Make room, pass "
            "--out on another disk, or download fewer views; what has come is kept."
        )
