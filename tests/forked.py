"""Processes for tests whose subject is what a process does, not how it starts: forks, which need not import torch.

Forks need Linux, no CUDA, and one thread: OpenMP's threads do not come along (`make test` sets OMP_NUM_THREADS).
Elsewhere processes are started anew.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from viewloom.recipes.compare import worker
from viewloom.recipes.compare.launching import Worker
from viewloom.recipes.compare.work import environment

CAN_FORK = sys.platform == "linux" and not torch.cuda.is_available() and torch.get_num_threads() == 1


def begin(function: Callable[..., Any], *args: Any) -> BaseProcess:
    """A process that calls a function; to be killed."""
    process = multiprocessing.get_context("fork" if CAN_FORK else "spawn").Process(target=function, args=args)
    process.start()
    return process


def kill_when(happened: Callable[[], bool], process: BaseProcess, after_s: float = 0.0) -> None:
    """Kill -9 a process some seconds after something happened; `AssertionError` if it ends before that happens."""
    while not happened():
        process.join(0.01)
        assert process.is_alive(), "it ended before it could be killed"
    process.join(after_s)
    process.kill()
    process.join()


@dataclass(frozen=True)
class Child:
    """What `Worker` asks of a process."""

    pid: int

    def wait(self) -> int:
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def begin_worker() -> Worker:
    """`Worker.begin`, as a fork."""
    ours, theirs = Pipe()
    command, pid = os.getpid(), os.fork()
    if not pid:
        try:
            os.setsid()
            ours.close()
            _own_streams()
            os.environ.update(environment())
            worker.main(theirs, command)
        finally:
            os._exit(0)
    theirs.close()
    return Worker(Child(pid), ours)


def command_line(words: Sequence[str], sites: Sequence[Path], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run viewloom, imported anew, where the packages in some folders are found; what it says goes through files."""
    importlib.import_module("lightning.pytorch")  # once, for all forks
    files = [folder / "stdout", folder / "stderr"]
    pid = os.fork()
    if not pid:
        try:
            _anew(words, sites, files)
        finally:
            os._exit(1)
    code = Child(pid).wait()
    return subprocess.CompletedProcess(list(words), code, *(path.read_text() for path in files))


def _anew(words: Sequence[str], sites: Sequence[Path], files: Sequence[Path]) -> None:
    for number, path in enumerate(files, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    _own_streams()
    for name in [name for name in sys.modules if name.partition(".")[0] == "viewloom"]:
        del sys.modules[name]
    sys.path[:0] = map(str, sites)
    importlib.invalidate_caches()
    os.environ["COLUMNS"] = "200"
    try:
        code = importlib.import_module("viewloom.cli").main(list(words))
    except SystemExit as error:
        code = error.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _own_streams() -> None:
    """What is said goes to this process's own output, not to pytest's memory of it."""
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
