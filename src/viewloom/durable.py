"""What was written outlives a power cut: files, and the folders that hold their names, are flushed before they count.

A file that is flushed may still be gone after a power cut, since its name stands in its folder: that is flushed too,
and so is the folder of every folder that is new.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_waiting: ContextVar[set[Path] | None] = ContextVar("_waiting", default=None)
"""Folders that `gathered` flushes when it is left; None outside it."""


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, inside `gathered` only when that is left.

    Where the system or the file system can't flush folders (Windows, some network drives) nothing is done.
    """
    waiting = _waiting.get()
    if waiting is not None:
        waiting.add(folder)
        return
    if os.name == "posix":
        with suppress(OSError):  # the files themselves are flushed; an error of the disk shows there
            flush(folder)


@contextmanager
def gathered() -> Iterator[None]:
    """Flush the folders of all files written inside once, at the end, instead of once a file.

    Each file is flushed before it takes its name all the same; what says that they are all there is written after.
    """
    if _waiting.get() is not None:
        yield
        return
    folders: set[Path] = set()
    token = _waiting.set(folders)
    try:
        yield
    finally:
        _waiting.reset(token)
        for folder in sorted(folders):
            if folder.is_dir():
                flush_names(folder)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they aren't there, durably."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in new:
        flush_names(path.parent)


def flush_tree(folder: Path) -> None:
    """Flush all files and folders below a folder, and the folder itself, before it is given its final name."""
    for path in sorted(folder.rglob("*"), reverse=True):
        flush_names(path) if path.is_dir() else flush(path)
    flush_names(folder)


def rename(path: Path, target: Path) -> None:
    """Give a file or folder, flushed already, another name, durably."""
    path.replace(target)
    for folder in dict.fromkeys((target.parent, path.parent)):
        flush_names(folder)
