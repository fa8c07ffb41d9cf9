"""What isn't whole yet: files and folders under temporary names, whose writer holds a lock on them while it lives.

So what a killed process left can be told from what another one is writing: its lock is free. The next who writes the
same file, or goes on with the same run, takes it away. Where the system has no locks nothing is taken away.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".tmp-"
"""What the name of a file begins with that isn't whole yet."""
DRAWN = 8
"""Signs that are drawn for a temporary name."""
LONGEST = 60
"""Signs of a file's own name in its temporary one."""

_left: dict[Path, list[str]] = {}
"""Temporary files of each folder, as this process found them when it first wrote there."""
_held: set[int] = set()
"""Descriptors whose locks are this process's alone."""


def own_temporary(path: Path) -> tuple[Path, int]:
    """A new, empty file beside ``path``, and a descriptor that holds it; what killed writers of ``path`` left goes."""
    suffix = f"-{_own_name(path.name)}"[-LONGEST:]
    _clear(path.parent, suffix)
    while True:
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=suffix, dir=path.parent)
        held = hold(handle)
        if held is None or (held and _is_there(Path(name), handle)):  # else somebody takes it for left over just now
            return Path(name), mine(handle)
        os.close(handle)


def own_folder(target: Path) -> tuple[Path, int]:
    """A new folder beside ``target``, to take its name, and a descriptor that holds it; what killed ones left goes.

    Raises:
        FileExistsError: another process is writing ``target``.
    """
    prefix = f"{TEMPORARY}{target.name}-"
    for left in (path for path in target.parent.iterdir() if _is_of(path.name, prefix, "")):
        if left.is_dir() and not remove_dead(left):
            raise FileExistsError(left)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        with suppress(FileNotFoundError):  # somebody took it for left over
            handle = os.open(folder, os.O_RDONLY)
            held = hold(handle)
            if held is None or (held and _is_there(folder, handle)):
                return folder, mine(handle)
            os.close(handle)


def remove_dead(path: Path) -> bool:
    """Take away what isn't whole, unless its writer is at work; whether it is gone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not hold(handle):
            return False
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)


def hold(handle: int) -> bool | None:
    """Lock an open file for as long as it is open; False where another holds it, None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def mine(handle: int) -> int:
    """Keep a descriptor from processes that fork off this one, such as those that read windows: they may outlive it,
    and would hold its locks. It ends by `let_go`."""
    _held.add(handle)
    return handle


def let_go(handle: int) -> None:
    """Close a descriptor that is this process's."""
    if handle in _held:
        _held.discard(handle)
        os.close(handle)


def _let_all_go() -> None:
    for handle in tuple(_held):
        let_go(handle)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_all_go)


def _clear(folder: Path, suffix: str) -> None:
    """Take away what killed writers left of one file. A folder is looked through once: it may hold very many files."""
    if folder not in _left:
        with os.scandir(folder) as entries:
            _left[folder] = [entry.name for entry in entries if entry.name.startswith(TEMPORARY)]
    found = _left[folder]
    for name in [name for name in found if _is_of(name, TEMPORARY, suffix)]:
        found.remove(name)
        remove_dead(folder / name)


def _own_name(name: str) -> str:
    """A file's own name, also of one that is temporary: who writes it again clears away both."""
    while name.startswith(TEMPORARY):
        name = name[len(TEMPORARY) + DRAWN + 1 :]
    return name


def _is_of(name: str, prefix: str, suffix: str) -> bool:
    """Whether a temporary name has this beginning and end, and between them what is drawn."""
    fits = name.startswith(prefix) and name.endswith(suffix)
    return fits and len(name) == len(prefix) + DRAWN + len(suffix)


def _is_there(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
