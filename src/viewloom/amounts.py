"""Sizes in words, and what is free."""

import shutil
from pathlib import Path


def amount(size_bytes: float) -> str:
    """A size for people: ``3.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def free_on_disk(path: str | Path) -> int | None:
    """Bytes free on the disk of a path that need not be there; None where that can't be told."""
    absolute = Path(path).absolute()
    for place in (absolute, *absolute.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
