"""A worker process of the campaign: takes a seed, makes its trial in an empty folder, tells what came of it."""

import ctypes
import os
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from tests.torture.outcome import FINE, Outcome

SUBREAPER = 36
DEATH_SIGNAL = 1
KEPT = 20
"""How many folders of failed trials a worker keeps to be looked at."""


def work(part: str, folder: Path, line: Connection, prepare: bool) -> None:
    """Until the other side hangs up. Whatever a trial leaves running becomes this process's, and is told."""
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the campaign's affair
    module = import_module(f"tests.torture.{part}")
    if prepare:
        module.prepare(folder / "prepared")
        line.send(None)
    failed = 0
    with suppress(EOFError):
        while True:
            seed = line.recv()
            own = folder / "trials" / str(seed)
            own.mkdir(parents=True)
            outcomes = _tried(module, seed, folder / "prepared", own)
            wrong = any(outcome.result != FINE for outcome in outcomes)
            failed += wrong
            if not wrong or failed > KEPT:
                shutil.rmtree(own, ignore_errors=True)
            line.send(outcomes)


def _tried(module: ModuleType, seed: int, prepared: Path, own: Path) -> list[Outcome]:
    """A trial's outcomes; an error of the trial itself is one, and so is what it left running."""
    part = module.__name__.rpartition(".")[2]
    before = Path.cwd()
    try:
        outcomes = list(module.trial(seed, prepared, own))
    except Exception:  # noqa: BLE001 - a trial that breaks is told, and the campaign goes on
        outcomes = [Outcome(part, "trial broke", traceback.format_exc(limit=-4))]
    os.chdir(before)
    if left := end_descendants():
        outcomes.append(Outcome(part, "left over", f"processes: {', '.join(left)}", 0))
    return outcomes


def adopt_orphans() -> None:
    """Make this process the parent of orphans among its descendants, and end it when its own parent ends (Linux)."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(SUBREAPER, 1, 0, 0, 0)
        library.prctl(DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)


def descendants(of: int | None = None) -> list[int]:
    """Processes under one (default: this), those that have ended and wait to be collected left out (Linux)."""
    found: list[int] = []
    for listing in Path(f"/proc/{os.getpid() if of is None else of}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listing.read_text().split()):
                found += [child, *descendants(child)] if not _has_ended(child) else []
    return found


def _has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def end_descendants(grace_s: float = 2.0) -> list[str]:
    """End whatever still runs under this process; the commands of what did, after a moment to end by itself."""
    until = time.monotonic() + grace_s
    while (running := _others()) and time.monotonic() < until:
        collect()
        time.sleep(0.02)
    named = [f"{process} {command_of(process)}" for process in running]
    while running := _others():
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        collect()
        time.sleep(0.02)
    collect()
    return named


def _others() -> list[int]:
    """Descendants but for multiprocessing's own bookkeeper."""
    return [process for process in descendants() if "resource_tracker" not in command_of(process)]


def command_of(process: int) -> str:
    """A process's command line, short."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:160]
    except OSError:
        return "?"


def collect() -> None:
    """Take the exit codes of orphans that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end(process: BaseProcess) -> None:
    """End a worker with all that runs under it."""
    for number in descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.kill()
    process.join(10)
