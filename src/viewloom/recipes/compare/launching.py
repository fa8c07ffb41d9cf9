"""Starting runs on this machine: as many at once as cores, one thread each, none left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from viewloom.errors import ConfigError
from viewloom.recipes.compare.work import Work, environment, read_outcome


class Launcher(Protocol):
    """Where runs are started."""

    @property
    def room(self) -> int:
        """Runs that may be started now."""
        ...

    def start(self, works: Sequence[Work]) -> None:
        """Start runs, no more than there is room for."""
        ...

    def wait(self, seconds: float) -> list[tuple[Work, str | None]]:
        """Runs that ended, and why they failed (None: they didn't), after at most some seconds."""
        ...

    def close(self) -> None:
        """End what is still running, and give back what was taken."""
        ...


def why_failed(work: Work, code: int | None) -> str | None:
    """Why a run that ended failed; None where its result is there."""
    outcome = read_outcome(work)
    if outcome is None:
        killed = " (killed, maybe for want of memory)" if code in (-9, 137) else ""
        return f"it ended without a result, exit code {code}{killed}; see {work.log}"
    error = outcome["error"]
    if error is None and not work.run.finished:
        return f"it left no result; see {work.log}"
    return None if error is None else str(error)


class LocalLauncher:
    """Worker processes on this machine, each with one run at a time.

    Args:
        jobs: runs at once.

    Raises:
        ConfigError: a system whose processes can't fork.
    """

    def __init__(self, jobs: int) -> None:
        if not hasattr(os, "fork"):
            raise ConfigError("compare runs on systems whose processes fork (Linux, macOS); elsewhere use a container.")
        self.jobs = jobs
        self._idle: list[Worker] = []
        self._busy: dict[Any, tuple[Worker, Work]] = {}

    @property
    def room(self) -> int:
        """Runs that may be started now."""
        return self.jobs - len(self._busy)

    def start(self, works: Sequence[Work]) -> None:
        """Hand each run to an idle worker, or to a new one."""
        for work in works:
            work.outcome.parent.mkdir(parents=True, exist_ok=True)
            worker = self._idle.pop() if self._idle else Worker.begin()
            worker.connection.send(work)
            self._busy[worker.connection] = worker, work

    def wait(self, seconds: float) -> list[tuple[Work, str | None]]:
        """Runs that ended."""
        ended = []
        for connection in wait(list(self._busy), seconds):
            worker, work = self._busy.pop(connection)
            try:
                code: int | None = worker.connection.recv()
                self._idle.append(worker)
            except (EOFError, OSError):  # the worker itself is gone
                code = worker.end()
            ended.append((work, why_failed(work, code)))
        return ended

    def close(self) -> None:
        """End all workers, and the runs in them."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            worker.end()
        self._idle, self._busy = [], {}


@dataclass(frozen=True)
class Worker:
    """A worker process, and the way to it."""

    process: "subprocess.Popen[bytes]"
    connection: Connection

    @classmethod
    def begin(cls) -> "Worker":
        """Start one, in a session of its own, so that Ctrl-C reaches this process alone, which ends them all."""
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "viewloom.recipes.compare.worker", str(theirs.fileno())]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        finally:
            theirs.close()
        return cls(process, ours)

    def end(self) -> int:
        """End it and the run in it; returns its exit code."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.connection.close()
        return self.process.wait()
