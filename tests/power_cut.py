"""Watches in which order files are written, named and flushed, and says what a power cut could take.

What a disk keeps for sure: a file's content once it was flushed and not written again, and a name once its folder was
flushed after it came. Python tells of opened, renamed, made and removed files (audit events), whoever writes them from
Python; flushing is seen by taking `os.fsync`'s place.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MARKS = ("manifest.json", "extraction.json", "metrics.json", "segments.csv", "head.safetensors", "refiner.safetensors")
"""Files that say, by being there, that those before them are."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_watching: list["Disk"] = []


class Disk:
    """What is sure below a folder.

    Args:
        root: the folder.
        flushed_by_others: names of files that a library flushes itself (LMDB's).

    Attributes:
        faults: what a power cut could take, in words.
        renamed: names that files got, in order.
    """

    def __init__(self, root: Path, flushed_by_others: tuple[str, ...] = ("data.mdb",)) -> None:
        self.root, self.others = root.resolve(), flushed_by_others
        self.faults: list[str] = []
        self.renamed: list[str] = []
        self.unsure: set[Path] = set()
        """Names whose folder wasn't flushed since."""
        self.flushed: dict[int, tuple[int, int]] = {}
        """Size and time of files when they were flushed, by their number."""
        self.before = {path: state(path) for path in self.root.rglob("*")}

    def place(self, path: object) -> Path | None:
        """A path below the folder; None for others."""
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        found = Path(os.fsdecode(path)).absolute()
        found = found.parent.resolve() / found.name
        return found if found.is_relative_to(self.root) else None

    def whole(self, path: Path) -> bool:
        """Whether a file's content is sure."""
        found = path.stat()
        return path.name in self.others or self.flushed.get(found.st_ino) == (found.st_size, found.st_mtime_ns)

    def opened(self, path: object, mode: object, flags: object) -> None:
        found = self.place(path)
        writes = any(c in mode for c in "wax+") if isinstance(mode, str) else isinstance(flags, int) and flags & WRITES
        if found is not None and writes and not found.exists():
            self.unsure.add(found)

    def was_renamed(self, source: object, target: object) -> None:
        old, new = self.place(source), self.place(target)
        if old is None or new is None:
            return
        inside = [old] if old.is_file() else [path for path in old.rglob("*") if path.is_file()]
        self.faults += [
            f"{path.name} was named {new.name} before it was flushed" for path in inside if not self.whole(path)
        ]
        self.unsure.discard(old)
        # Of a folder, all names inside must be sure; of a file that is a mark, all names; of others none.
        asked = self.unsure if new.name in MARKS or old.is_dir() else set()
        late = [path for path in asked if path.exists() and (new.name in MARKS or old in path.parents)]
        self.faults += [
            f"{new.name} is there before the name of {path.relative_to(self.root)} is sure" for path in late
        ]
        self.unsure = {path for path in self.unsure if old not in path.parents}
        self.unsure.add(new)
        self.renamed.append(str(new.relative_to(self.root)))

    def was_flushed(self, handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            self.unsure = {name for name in self.unsure if name.parent != path}
        else:
            found = os.fstat(handle)
            self.flushed[found.st_ino] = found.st_size, found.st_mtime_ns

    def made(self, path: object) -> None:
        found = self.place(path)
        if found is not None and not found.exists():
            self.unsure.add(found)

    def removed(self, path: object) -> None:
        self.unsure.discard(self.place(path) or self.root)

    def end(self, apart: tuple[str, ...] = ()) -> list[str]:
        """All faults, those at the end of a command too; ``apart``: beginnings of paths that may be lost."""
        names = [path for path in sorted(self.unsure) if path.exists()]
        self.faults += [f"the name of {path.relative_to(self.root)} isn't sure at the end" for path in names]
        new = [path for path in sorted(self.root.rglob("*")) if path.is_file() and self.before.get(path) != state(path)]
        self.faults += [
            f"{path.relative_to(self.root)} isn't flushed at the end" for path in new if not self.whole(path)
        ]
        return [fault for fault in self.faults if not any(name in fault for name in apart)]


def state(path: Path) -> tuple[int, int, int]:
    """What tells whether a file was written."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    for disk in _watching:
        if event == "open":
            disk.opened(*arguments)
        elif event == "os.rename":
            disk.was_renamed(*arguments[:2])
        elif event == "os.mkdir":
            disk.made(arguments[0])
        elif event in ("os.remove", "os.rmdir"):
            disk.removed(arguments[0])


_hooked: list[bool] = []


@contextmanager
def watched(root: Path) -> Iterator[Disk]:
    """Watch what happens below a folder in this process."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    if not _hooked:
        sys.addaudithook(_hear)  # for good: there is no taking it away
        _hooked.append(True)
    disk = Disk(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", disk.was_flushed)
        _watching.append(disk)
        try:
            yield disk
        finally:
            _watching.remove(disk)
