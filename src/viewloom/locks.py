"""Locks, so that two commands never write one folder at a time. They end with their process, however it ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from viewloom.durable import make_folder
from viewloom.errors import ConfigError
from viewloom.owned import let_go, mine

TICK_S = 0.2


@contextmanager
def alone(folder: Path | str, what: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a folder. It is made if it isn't there, and goes again if nothing was put into it.

    Where the system or the file system has no locks (Windows, some network drives) nothing is held.

    Args:
        folder: what is to be written.
        what: who writes it, for the message: "viewloom pack".
        wait_s: how long to wait for another one to end (s).

    Raises:
        ConfigError: another process holds it, or a file is in its place.
    """
    folder = Path(folder)
    if taken := next((path for path in (folder, *folder.parents) if path.is_file()), None):
        raise ConfigError(f"{taken} is a file. Name a folder.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    handle = _hold(folder, what, time.monotonic() + wait_s)
    try:
        yield
    finally:
        with suppress(OSError):  # one that something is in stays, with those around it
            for path in made:
                path.rmdir()
        if handle is not None:
            let_go(handle)


def _hold(folder: Path, what: str, until: float) -> int | None:
    """A descriptor whose lock is this process's; None where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        make_folder(folder)
        return None
    while True:
        make_folder(folder)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(folder, handle):
                return mine(handle)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(handle)
                raise ConfigError(f"Another {what} is writing {folder}. Wait for it, or stop it.") from None
            time.sleep(TICK_S)
        except OSError:  # a file system without locks
            return mine(handle)
        os.close(handle)


def _is_still(folder: Path, handle: int) -> bool:
    """Whether what was locked is what is there now: whoever held it may have taken an empty folder away meanwhile."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
