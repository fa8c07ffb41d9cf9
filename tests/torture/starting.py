"""Commands started to be killed: forked from a warm process, as programs of their own, or over two processes.

A forked one costs no imports, is a session of its own, and can be killed at a chosen operation on files: it counts
them itself, by an audit hook.
"""

import atexit
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VERB = ROOT / "tests" / "ddp" / "run_verb.py"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--")
HEAVY = (
    *("torch", "lightning.pytorch", "scipy.stats", "sklearn.decomposition", "pandas", "jinja2", "rich.progress"),
    *("viewloom.cli", "viewloom.api", "viewloom.training.segment", "viewloom.training.pretrain", "jsonargparse"),
    *("viewloom.recipes.transfer", "viewloom.recipes.experiment", "viewloom.recipes.crossval", "viewloom.report.page"),
    *("viewloom.recipes.compare.command", "viewloom.recipes.curve", "viewloom.extract.run", "viewloom.dataset.packing"),
    *("viewloom.training.evaluate", "viewloom.training.predict", "viewloom.training.measure", "viewloom.online.run"),
    *("viewloom.report.command", "viewloom.simulate.run", "viewloom.training.convert", "viewloom.report.tables"),
)
"""Imported once, before the forks."""
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SPACE_BYTES = 64 << 30


@dataclass(frozen=True)
class Moment:
    """When a forked command kills itself.

    operation: before its so-manieth operation on files in its folder.
    group: with all processes of its group, or alone.
    """

    operation: int
    group: bool


@dataclass
class Started:
    """A command that was started, in a session of its own.

    pid: process id, and that of the group.
    log: file of what it says.
    count: file that says how many operations on files it did, once it has ended by itself.
    code: exit code, once it has ended; negative for a signal.
    """

    pid: int
    log: Path
    count: Path
    began: float
    code: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, until: float) -> int | None:
        """The exit code, or None at a moment of the monotonic clock."""
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        return self.code

    def kill(self, group: bool) -> None:
        """SIGKILL to it, or to its group."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        """What it has said."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def warm_up() -> None:
    """Import what commands need."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    for name in HEAVY:
        import_module(name)


def environment(folder: Path, more: dict[str, str]) -> dict[str, str]:
    """A command's environment: its own folders for temporary files and caches."""
    for name in ("tmp", "home"):
        (folder / name).mkdir(exist_ok=True)
    home = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "HF_HOME": str(folder / "home" / "hf")}
    search = os.pathsep.join(dict.fromkeys([str(ROOT / "src"), str(ROOT), *filter(None, sys.path)]))
    return {
        **os.environ,
        **home,
        "XDG_CACHE_HOME": str(folder / "home"),
        "PYTHONPATH": search,
        "COLUMNS": "200",
        **more,
    }


def start(folder: Path, argv: Sequence[str], how: str, more: dict[str, str], moment: Moment | None = None) -> Started:
    """Start a command in ``folder/work``.

    Args:
        folder: the trial's.
        argv: verb and arguments.
        how: "fork", "own" or "torchrun".
        more: environment besides.
        moment: when a forked one kills itself.
    """
    number = len(list(folder.glob("log*")))
    log, count, own = folder / f"log{number}.txt", folder / f"count{number}.txt", environment(folder, more)
    log.touch()
    began = time.monotonic()
    if how == "fork":
        pid = os.fork()
        if pid == 0:
            _child(folder / "work", argv, log, count, own, moment)
        return Started(pid, log, count, began)
    program = [sys.executable, *TORCHRUN, str(VERB)] if how == "torchrun" else [sys.executable, _script(folder)]
    program += argv
    with log.open("wb") as out:
        process = subprocess.Popen(
            program,
            cwd=folder / "work",
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    process.returncode = 0  # waited for by its id
    return Started(process.pid, log, count, began)


def _script(folder: Path) -> str:
    """A program of the name that users type, and that tables say."""
    place = folder / "home" / "viewloom"
    shutil.copyfile(VERB, place)
    return str(place)


def _child(work: Path, argv: Sequence[str], log: Path, count: Path, own: dict[str, str], moment: Moment | None) -> None:
    """What a forked process does; never comes back."""
    code = 70
    try:
        os.setsid()
        os.chdir(work)
        out = os.open(log, os.O_WRONLY | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource_tracker._resource_tracker._fd = None  # its own, as a program would have
        os.environ.clear()
        os.environ.update(own)
        tempfile.tempdir = None
        resource.setrlimit(resource.RLIMIT_AS, (SPACE_BYTES, SPACE_BYTES))
        sys.argv = ["viewloom", *argv]
        counted = _count_operations(work, moment)
        from viewloom.cli import main

        code = main(argv)
        atexit._run_exitfuncs()
        count.write_text(str(counted[0]))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - what users would see
        traceback.print_exc()
        code = 1
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _count_operations(work: Path, moment: Moment | None) -> list[int]:
    """Count this process's operations on files in its folder, and end it at a moment."""
    counted, me, root = [0], os.getpid(), os.fsencode(work.resolve())

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            if not (isinstance(given[2], int) and given[2] & WRITES):
                return
        elif event not in CHANGES:
            return
        path = given[0]
        if os.getpid() != me or not isinstance(path, str | bytes | os.PathLike):
            return
        path = os.fsencode(path)
        if path.startswith(b"/") and not path.startswith(root):
            return
        counted[0] += 1
        if moment is not None and counted[0] == moment.operation:
            (os.killpg if moment.group else os.kill)(me, signal.SIGKILL)

    sys.addaudithook(hook)
    return counted
