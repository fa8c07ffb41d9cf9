"""One call in a child process of its own, limited in time and memory; nothing that it does reaches the parent."""

import faulthandler
import gc
import os
import pickle
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from viewloom.errors import UserError

MOST_BYTES = 1 << 30
"""Memory that an input may take over what the process had before."""
HARD_BYTES = 3 << 30
"""Address space that it may take; libraries reserve more than they use."""
CPU_S, WALL_S = 5, 20
"""Processor time that an input may take, and time by the clock: the machine may be busy."""
LONGEST_MESSAGE = 1500
"""Characters of a message that can still be read."""


@dataclass(frozen=True)
class Ended:
    """How a call ended.

    Attributes:
        how: "value", "message", "traceback", "hang", "memory", "crash", or "unclear" for a message that is none.
        detail: the message, or the last lines of the traceback.
        value: what was returned; None unless it was.
    """

    how: str
    detail: str = ""
    value: Any = None


def call(work: Callable[[], Any], folder: Path, *, hard_bytes: int = HARD_BYTES) -> Ended:
    """Run ``work`` in a child whose folder is ``folder``; what it returns is pickled."""
    before = _resident_bytes()
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _in_child(work, folder, writing, hard_bytes)
    os.close(writing)
    try:
        data, in_time = _read_all(reading)
    finally:
        os.close(reading)
        _kill_group(child)
    _, status, used = os.wait4(child, 0)
    if used.ru_maxrss * 1024 - before > MOST_BYTES:
        return Ended("memory", f"{(used.ru_maxrss * 1024 - before) / 2**30:.1f} GiB")
    if data:
        return Ended(*pickle.loads(data))  # noqa: S301 - written by our own child
    if not in_time or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return Ended("hang", f"over {CPU_S} s of processor time, or {WALL_S} s")
    return Ended("crash", f"status {status}, signal {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 'none'}")


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _read_all(reading: int) -> tuple[bytes, bool]:
    """What the child writes until it ends or its time is out, and whether it ended."""
    data, until = bytearray(), monotonic() + WALL_S
    while (left := until - monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        if ready:
            block = os.read(reading, 1 << 20)
            if not block:
                return bytes(data), True
            data += block
    return b"", False


def _kill_group(child: int) -> None:
    """End the child and what it may have started."""
    for end in (lambda: os.killpg(child, signal.SIGKILL), lambda: os.kill(child, signal.SIGKILL)):
        try:
            end()
        except ProcessLookupError:
            continue


def _in_child(work: Callable[[], Any], folder: Path, writing: int, hard_bytes: int) -> None:
    """Run the work under limits, write how it ended, and leave without any clean-up of the parent's."""
    found: tuple[str, str, Any] = ("crash", "", None)
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        faulthandler.disable()
        gc.disable()
        with Path(os.devnull).open("r+b") as nothing:
            for stream in (0, 1, 2):
                os.dup2(nothing.fileno(), stream)
        space = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (space + hard_bytes, space + hard_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 2))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        found = _ended(work)
    finally:
        data = pickle.dumps(found)
        while data:
            data = data[os.write(writing, data) :]
        os._exit(0)


def _ended(work: Callable[[], Any]) -> tuple[str, str, Any]:
    try:
        return "value", "", work()
    except UserError as error:
        message = str(error)
        clear = 0 < len(message) <= LONGEST_MESSAGE and message.isprintable()
        return "message" if clear else "unclear", message[:LONGEST_MESSAGE], None
    except MemoryError:
        return "memory", _last_lines(), None
    except SystemExit as error:
        return "unclear", f"exit {error.code}", None
    except BaseException:  # noqa: BLE001 - whatever it is, is what is looked for
        return "traceback", _last_lines(), None


def _last_lines() -> str:
    """The exception, and where it came from in viewloom."""
    kind, error, trace = sys.exc_info()
    frames = [frame for frame in traceback.extract_tb(trace) if "viewloom" in frame.filename] if trace else []
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[:-4:-1])
    return f"{kind.__name__ if kind else ''}: {str(error)[:200]!r} at {where}"
