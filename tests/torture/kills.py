"""Commands killed at random moments, and started again until they end: the end must be as if nothing had happened.

A trial draws a command, kills it one to three times (alone or with its group, at a moment of its usual time or before
an operation on files that was drawn), starts the same command again each time, and compares all that is there in the
end with what an undisturbed one left. Some trials start one command two or three times at once instead.
"""

import fcntl
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.torture.commands import Command, available, prepare_inputs
from tests.torture.equal import differences, tree
from tests.torture.outcome import FINE, Outcome
from tests.torture.served import served_hub
from tests.torture.starting import Moment, Started, start, warm_up
from tests.torture.worker import collect, descendants

AT_ONCE = 0.12
"""Share of trials with several starts at once."""
OWN = 0.08
"""Share of trials whose commands are programs of their own, not forks."""
AT_OPERATION = 0.55
"""Share of kills before an operation on files, where the command is a fork."""
LIMIT_S = 150.0
"""How long one start may take."""
ORPHANS_S = 90.0
"""How long what a killed command started may take to notice."""
STARTS = 12
"""Starts of one command after which it is said not to end."""
HINTS = ("--resume true", "--overwrite true")
"""What messages say to pass, and a user would."""
FOREIGN = ("torchelastic_", "mat-debug-")
"""What the names of packages' own temporary files begin with: torchrun's, and a log of some builds of onnxruntime."""
HELD = "Another viewloom"
DONE = ("is there already", "is already there", "is there by now", "which this command did not write")


@dataclass(frozen=True)
class Reference:
    """An undisturbed command: its folder, how long it took, how many operations on files it did, its exit code."""

    folder: Path
    seconds: float
    operations: int


def prepare(folder: Path) -> None:
    """Data and runs that the commands start from; what an undisturbed one leaves is made when it is first needed."""
    warm_up()
    inputs = folder / "in"
    inputs.mkdir()
    place = folder / "making"
    _new_place(place, folder)

    def run(root: Path, argv: list[str]) -> None:
        started = start(place, argv, "fork", {})
        if started.wait(time.monotonic() + LIMIT_S) != 0:
            raise RuntimeError(f"{' '.join(argv)} failed:\n{started.said}")

    prepare_inputs(inputs, run)
    shutil.rmtree(place)
    (folder / "references").mkdir()
    (folder / "in.txt").write_text(_listing(inputs))


def trial(seed: int, prepared: Path, folder: Path) -> list[Outcome]:
    """One command, killed or started several times at once; by its seed the next one of all."""
    warm_up()
    commands, rng, before = available(), random.Random(seed), set(descendants())
    chosen = commands[seed % len(commands)]
    with served_hub(chosen.hub) as more:
        reference = _reference(chosen, prepared, more)
        _new_place(folder, prepared, chosen)
        if rng.random() < AT_ONCE:
            kind, events, wrong = f"{chosen.name}: starts at once", *_at_once(chosen, folder, more, rng)
        else:
            kind, events, wrong = chosen.name, *_killed(chosen, reference, folder, more, rng)
        wrong = wrong or _what_is_wrong(reference, prepared, folder, before)
    return [Outcome(kind, *(wrong or (FINE, "")), events=events)]


Wrong = tuple[str, str] | None
"""A result and its detail."""


def _new_place(folder: Path, prepared: Path, chosen: Command | None = None) -> None:
    """The folder of a trial: ``work``, where the command runs, and in it ``in`` and copies."""
    work = folder / "work"
    work.mkdir(parents=True)
    (work / "in").symlink_to(prepared / "in")
    for place, source in (chosen.copies if chosen else {}).items():
        shutil.copytree(prepared / "in" / source, work / place)


def _reference(chosen: Command, prepared: Path, more: dict[str, str]) -> Reference:
    """What an undisturbed command leaves; made by whoever needs it first."""
    folder = prepared / "references" / "".join(sign if sign.isalnum() else "_" for sign in chosen.name)
    with _held(folder.with_suffix(".lock")):
        facts = folder / "facts.txt"
        if not facts.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _new_place(folder, prepared, chosen)
            started = start(folder, chosen.argv, chosen.how, {**chosen.environment, **more})
            code = started.wait(time.monotonic() + LIMIT_S)
            if code != 0:
                started.kill(group=True)
                raise RuntimeError(f"{chosen.name} fails undisturbed, code {code}:\n{started.said[-2000:]}")
            operations = started.count.read_text() if started.count.exists() else "0"
            facts.write_text(f"{time.monotonic() - started.began} {operations}")
        seconds, operations = facts.read_text().split()
    return Reference(folder, float(seconds), int(operations))


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _killed(
    chosen: Command, reference: Reference, folder: Path, more: dict[str, str], rng: random.Random
) -> tuple[int, Wrong]:
    """Kill a command up to three times, and start it again until it ends. How often it was killed, and what went
    wrong."""
    before = set(descendants())
    kills, hits, argv = rng.choice((1, 1, 2, 2, 3)), 0, list(chosen.argv)
    how = "own" if chosen.how == "fork" and rng.random() < OWN else chosen.how
    for number in range(STARTS):
        killing = number < kills
        started = _start_to_die(argv, how, folder, chosen, reference, more, rng) if killing else None
        if started is None:
            started = start(folder, argv, how, {**chosen.environment, **more})
            started.wait(started.began + LIMIT_S)
        if started.code is None:
            started.kill(group=True)
            return hits, ("hang", f"start {number}: over {LIMIT_S:.0f} s\n{started.said[-800:]}")
        if started.code == -9:
            hits += 1
            if rng.random() < 0.5:
                _wait_for_orphans(before)
            continue
        if started.code == 0:
            return hits, None
        if HELD in started.said:  # of a killed parent, and right
            if orphans := _wait_for_orphans(before):
                return hits, ("left over", f"processes of a killed command: {orphans}")
            continue
        wanted = [hint for hint in HINTS if f"Pass {hint}" in started.said or f"pass {hint}" in started.said]
        if number and any(text in started.said for text in DONE) and _is_message(started, how) and not wanted:
            return hits, None  # it was killed when all was done; what is there is compared
        if not wanted or not _is_message(started, how):
            result = "traceback" if "Traceback" in started.said else "refused"
            return hits, (result, f"start {number}, code {started.code}: {started.said[-1500:]}")
        argv = [*chosen.argv, *wanted[0].split()]
    return hits, ("never ends", f"{STARTS} starts; the last said: {started.said[-600:]}")


def _start_to_die(
    argv: list[str],
    how: str,
    folder: Path,
    chosen: Command,
    reference: Reference,
    more: dict[str, str],
    rng: random.Random,
) -> Started:
    """Start a command, and kill it at a moment that is drawn; it may end before."""
    group, own = rng.random() < 0.5, {**chosen.environment, **more}
    if how == "fork" and rng.random() < AT_OPERATION:
        moment = Moment(rng.randint(1, max(1, reference.operations)), group)
        started = start(folder, argv, how, own, moment)
        started.wait(started.began + LIMIT_S)
        return started
    started = start(folder, argv, how, own)
    slower = 1.0 if how == chosen.how else 4.0 / reference.seconds + 1.0  # a program of its own imports first
    if rng.random() < 0.4:
        _until_half_written(
            folder / "work", started, rng.randint(1, 12), started.began + 2 * slower * reference.seconds
        )
        time.sleep(rng.random() * 0.01)
    else:
        started.wait(started.began + rng.random() * slower * reference.seconds)
    if started.poll() is None:
        started.kill(group)
        started.wait(time.monotonic() + 10)
    return started


def _until_half_written(work: Path, started: Started, which: int, until: float) -> None:
    """Wait for the so-manieth file that isn't whole yet."""
    seen: set[str] = set()
    while len(seen) < which and started.poll() is None and time.monotonic() < until:
        seen.update(_half_written(work))
        time.sleep(0.002)


def _half_written(folder: Path | str) -> Iterator[str]:
    """Temporary files in a folder that may change meanwhile."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".tmp-"):
            yield entry.path
        elif entry.is_dir(follow_symlinks=False):
            yield from _half_written(entry.path)


def _wait_for_orphans(before: set[int]) -> list[int]:
    """Wait until what a killed command started has ended; what hasn't. ``before``: processes that aren't its."""
    until = time.monotonic() + ORPHANS_S
    while True:
        collect()
        left = [process for process in descendants() if process not in before | served_hub.processes]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)


def _at_once(chosen: Command, folder: Path, more: dict[str, str], rng: random.Random) -> tuple[int, Wrong]:
    """Start a command two or three times at once: one works, the others say so, or find all done."""
    count, started = rng.choice((2, 3)), []
    for _ in range(count):
        started.append(start(folder, chosen.argv, chosen.how, {**chosen.environment, **more}))
        time.sleep(rng.choice((0.0, 0.0, 0.02, 0.2)))
    until = time.monotonic() + LIMIT_S
    codes = [one.wait(until) for one in started]
    for one in started:
        if one.code is None:
            one.kill(group=True)
            return count, ("hang", one.said[-800:])
    if 0 not in codes:
        return count, ("none works", "\n".join(one.said[-500:] for one in started))
    for one in started:
        if one.code != 0 and not _is_message(one, chosen.how):
            return count, ("traceback", f"code {one.code}: {one.said[-1500:]}")
    return count, None


def _is_message(started: Started, how: str) -> bool:
    """Whether a command ended with one clear message, on the last line; torchrun puts its own behind it."""
    lines = started.said.strip().splitlines() or [""]
    if how == "torchrun":
        return any(line.startswith("viewloom ") for line in lines) and started.code == 1
    return started.code == 2 and lines[-1].startswith("viewloom ") and "Traceback" not in started.said


def _what_is_wrong(reference: Reference, prepared: Path, folder: Path, before: set[int]) -> Wrong:
    """What is otherwise than after an undisturbed command, or left over."""
    if orphans := _wait_for_orphans(before):
        return "left over", f"processes: {orphans}"
    if left := [*_half_written(folder / "work"), *_temporary(folder / "tmp", reference.folder / "tmp")]:
        return "left over", "\n".join(left)
    inside = {"work", "tmp", "home"}
    if other := [path.name for path in folder.iterdir() if path.name not in inside and not path.match("*.txt")]:
        return "wrote outside", ", ".join(other)
    if _listing(prepared / "in") != (prepared / "in.txt").read_text():
        return "wrote outside", "what the command reads was changed"
    lines = differences(reference.folder / "work", folder / "work")
    return ("differs", "\n".join(lines[:6])) if lines else None


def _temporary(folder: Path, reference: Path) -> list[str]:
    """What is left in the folder for temporary files, but for packages' own and what they leave there anyhow."""
    return [name for name in tree(folder) if name not in tree(reference) and not name.startswith(FOREIGN)]


def _listing(root: Path) -> str:
    """Names, sizes and times of all files."""
    return "\n".join(f"{name} {path.stat().st_size} {path.stat().st_mtime_ns}" for name, path in tree(root).items())
