"""Commands that the machine refuses something: each says so in one message, and afterwards goes on to the same end.

A trial draws a command and a fault: a disk that is full (by the system's answer, by a limit, by a small file system), a
read-only or blocked output, memory that is out, a clock that is set back, gradients that are no numbers, a reading
process killed, shared memory or standard output that takes nothing, Ctrl-C and SIGTERM. The command must end in time,
without a traceback, with its exit code, and leave nothing half-written; started again without the fault (as its message
says, where it says something) it must leave what an undisturbed one left, to the bit.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.torture import kills
from tests.torture.commands import Command, available
from tests.torture.injected import (
    REFUSALS,
    clock_back,
    full_shared_memory,
    little_memory,
    no_numbers,
    out_of_memory,
    refusing,
    small_files,
)
from tests.torture.kills import Reference, Wrong
from tests.torture.outcome import FINE, Outcome
from tests.torture.starting import Started, _child, environment, start, warm_up
from tests.torture.worker import descendants

LIMIT_S = 100.0
STOPPED = {130, 143, 141}
"""Exit codes of what was stopped, and need say nothing."""
RETRIES = 4
BROKEN = ("Traceback (most recent call last)", "Exception ignored", "Exception in thread")
LEARNS = ("pretrain, gradient", "pretrain, 1 worker", "train", "train, 1 worker", "train behind a refiner")

prepare = kills.prepare


@dataclass(frozen=True)
class Fault:
    """What befalls a command.

    name: for the table.
    install: does it in the command's process, before it begins.
    during: does it from outside while it runs.
    before: does it to the trial's folder; gives what undoes it.
    may_work: whether the command may work all the same.
    """

    name: str
    install: Callable[[Path], None] | None = None
    during: Callable[[Started, Reference], None] | None = None
    before: Callable[[Path], Callable[[], None]] | None = None
    may_work: bool = True


def trial(seed: int, prepared: Path, folder: Path) -> list[Outcome]:
    """One command and one fault, by its seed the next command of all."""
    warm_up()
    commands, rng = [one for one in available() if one.how == "fork" and not one.hub], random.Random(seed)
    chosen = commands[seed % len(commands)]
    reference = kills._reference(chosen, prepared, {})
    fault = rng.choice(faults_of(chosen, reference, rng))
    kills._new_place(folder, prepared, chosen)
    wrong = _suffered(chosen, fault, reference, prepared, folder)
    return [Outcome(f"{fault.name}: {chosen.name.partition(',')[0]}", *(wrong or (FINE, "")))]


def faults_of(chosen: Command, reference: Reference, rng: random.Random) -> list[Fault]:
    """The faults that make sense for a command, drawn anew each time."""
    operation, draw = rng.randint(1, max(1, reference.operations)), rng.randint(0, 2**20)
    found = [
        Fault(name, lambda work, number=number: refusing(work, number, operation)) for name, number in REFUSALS.items()
    ]
    found += [
        Fault("files too large", lambda work: small_files(work, rng.choice((200, 1000, 4000, 30_000)), 0)),
        Fault("out of memory", lambda work: out_of_memory(work, operation, draw)),
        Fault("little memory", lambda work: little_memory(work, rng.choice((2, 8, 30)), 0)),
        Fault("clock set back", lambda work: clock_back(work, operation, 0)),
        Fault("stdout full", lambda work: os.dup2(os.open("/dev/full", os.O_WRONLY), 1)),
        Fault("stdout closed", lambda work: os.close(1)),
        Fault("Ctrl-C", during=lambda started, of: _signalled(started, of, rng, signal.SIGINT)),
        Fault("SIGTERM", during=lambda started, of: _signalled(started, of, rng, signal.SIGTERM)),
    ]
    if place := _output(chosen):
        kind = rng.choice(("file", "fifo", "folder"))
        found.append(Fault(f"blocked by a {kind}", before=lambda folder: _blocked(folder / "work" / place, kind)))
    if os.geteuid() == 0 and shutil.which("mount") and not chosen.copies:
        found.append(Fault("small disk", before=lambda folder: _small_disk(folder / "work", rng.choice((8, 32, 128)))))
    if chosen.name in LEARNS:
        found.append(Fault("not a number", lambda work: no_numbers(work, rng.randint(1, 6), 0), may_work=False))
    if "worker" in chosen.name:
        found.append(Fault("worker killed", during=lambda started, of: _killed_worker(started, of, rng)))
    if "--workers" in chosen.argv and chosen.argv[0] in ("train", "pretrain"):
        found.append(Fault("shared memory full", lambda work: full_shared_memory(work, 0, 0)))
    return found


def _suffered(chosen: Command, fault: Fault, reference: Reference, prepared: Path, folder: Path) -> Wrong:
    """Start a command with its fault, then without, until it ends well; what went wrong."""
    before = set(descendants())
    undo = fault.before(folder) if fault.before is not None else None
    started = _start(folder, chosen, fault)
    if fault.during is not None:
        fault.during(started, reference)
    started.wait(started.began + LIMIT_S)
    if started.code is None:
        started.kill(group=True)
        started.wait(time.monotonic() + 5)
        if undo is not None:
            undo()
        return "hang", f"over {LIMIT_S:.0f} s\n{started.said[-800:]}"
    wrong = _ended_badly(started, fault) or _left(fault, folder)
    if undo is not None:
        undo()
    return wrong or _again(chosen, reference, prepared, folder, started, before)


def _start(folder: Path, chosen: Command, fault: Fault) -> Started:
    """Start a command in a fork that installs a fault first."""
    if fault.install is None:
        return start(folder, chosen.argv, "fork", dict(chosen.environment))
    number = len(list(folder.glob("log*")))
    log, count = folder / f"log{number}.txt", folder / f"count{number}.txt"
    own = environment(folder, dict(chosen.environment))
    log.touch()
    began, install = time.monotonic(), fault.install
    pid = os.fork()
    if pid == 0:
        _install_late(install, folder / "work")
        _child(folder / "work", chosen.argv, log, count, own, None)
    return Started(pid, log, count, began)


def _install_late(install: Callable[[Path], None], work: Path) -> None:
    """Have a fault installed when the command's own streams and limits are there."""
    import viewloom.cli

    main, limit = viewloom.cli.main, resource.setrlimit

    def faulty(argv: list[str]) -> int:
        install(work)
        return main(argv)

    resource.setrlimit = lambda *_: None  # type: ignore[assignment]  # of the start
    viewloom.cli.main = lambda argv: (setattr(resource, "setrlimit", limit), faulty(argv))[1]  # type: ignore[assignment]


def _ended_badly(started: Started, fault: Fault) -> Wrong:
    """Whether a command ended otherwise than with a message and its code."""
    said, lines = started.said, started.said.strip().splitlines() or [""]
    if any(mark in said for mark in BROKEN):
        return "traceback", f"code {started.code}: {said[-1800:]}"
    if started.code == 0:
        return None if fault.may_work else ("wrong success", said[-500:])
    if started.code in STOPPED:
        return None
    told = any(line.startswith("viewloom ") or "FAILED: " in line or "failed; fix them" in line for line in lines)
    if started.code in (1, 2, 3) and (told or fault.name.startswith(("stdout", "files too large"))):
        return None
    return "no message", f"code {started.code}: {said[-800:]}"


def _left(fault: Fault, folder: Path) -> Wrong:
    """Half-written files that a command which ended by itself should have taken away; a read-only disk keeps them."""
    left = [] if fault.name == "read-only" else list(kills._half_written(folder / "work"))
    return ("left over", "\n".join(left)) if left else None


def _again(
    chosen: Command, reference: Reference, prepared: Path, folder: Path, last: Started, before: set[int]
) -> Wrong:
    """Start it without a fault until it ends well, by what its messages say; what is wrong at the end."""
    argv = list(chosen.argv)
    for number in range(RETRIES):
        started = last if number == 0 and last.code == 0 else start(folder, argv, "fork", dict(chosen.environment))
        started.wait(started.began + LIMIT_S)
        if started.code is None:
            started.kill(group=True)
            return "hang", f"retry {number}\n{started.said[-800:]}"
        if started.code == 0:
            return kills._what_is_wrong(reference, prepared, folder, before)
        wanted = [h for h in kills.HINTS if f"Pass {h}" in started.said or f"pass {h}" in started.said]
        if not wanted or "Traceback" in started.said:
            return (
                "traceback" if "Traceback" in started.said else "refused"
            ), f"retry {number}: {started.said[-1200:]}"
        argv = [*chosen.argv, *wanted[0].split()]
    return "never ends", f"{RETRIES} retries"


def _output(chosen: Command) -> str | None:
    """What a command writes, in its folder."""
    for option in ("--out", "--run", "--picture"):
        if option in chosen.argv:
            place = chosen.argv[chosen.argv.index(option) + 1]
            return None if place.startswith("in/") or place in chosen.copies else place
    return None


def _blocked(place: Path, kind: str) -> Callable[[], None]:
    """Put something into the place of what is written."""
    if kind == "file":
        place.write_text("in the way")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.mkdir()
        (place / "metrics.csv").mkdir()
        (place / "metrics.json").mkdir()

    def undo() -> None:
        if place.is_dir():
            for name in ("metrics.csv", "metrics.json"):
                if (place / name).is_dir():
                    (place / name).rmdir()
            if not any(place.iterdir()):
                place.rmdir()
        else:
            place.unlink(missing_ok=True)

    return undo


def _small_disk(work: Path, kib: int) -> Callable[[], None]:
    """A file system of its own, too small, which is made larger afterwards and its content kept."""
    link = (work / "in").readlink()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(work)], check=False)
    if mounted.returncode:
        return lambda: None
    (work / "in").symlink_to(link)

    def undo() -> None:
        kept = work.parent / "kept"
        shutil.copytree(work, kept, symlinks=True)
        subprocess.run(["umount", "-l", str(work)], check=True)
        shutil.rmtree(work)
        kept.rename(work)

    return undo


def _signalled(started: Started, reference: Reference, rng: random.Random, number: int) -> None:
    """Send a signal at a moment of the command's usual time."""
    started.wait(started.began + rng.random() * reference.seconds)
    if started.poll() is None:
        os.kill(started.pid, number)


def _killed_worker(started: Started, reference: Reference, rng: random.Random) -> None:
    """Kill one of the processes that a command started, as soon as there is one, or later."""
    until = started.began + 2 * reference.seconds + 5
    time.sleep(rng.random() * reference.seconds)
    while started.poll() is None and time.monotonic() < until:
        children = [pid for pid in descendants() if pid != started.pid and not _is_tracker(pid)]
        if children:
            os.kill(rng.choice(children), signal.SIGKILL)
            return
        time.sleep(0.01)


def _is_tracker(pid: int) -> bool:
    """Whether a process is Python's own that counts shared memory, which does no work of a command."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
