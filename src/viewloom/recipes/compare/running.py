"""Running a comparison's runs: each as soon as what it needs is there, and what needs a failed one not at all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from viewloom.console import err
from viewloom.errors import DataError
from viewloom.recipes.compare.launching import Launcher
from viewloom.recipes.compare.work import Work, read_outcome, seconds_of
from viewloom.recipes.planned import PlannedRun

WAIT_S = 1.0
Key = tuple[str, Path]
"""Kind and folder of a run."""


def key_of(run: PlannedRun) -> Key:
    """What a run is told by."""
    return run.kind, run.folder


class Clock:
    """How long runs take, and how long the rest may.

    Args:
        jobs: how many run at once.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._took: dict[str, list[float]] = defaultdict(list)

    def note(self, run: PlannedRun, seconds: float) -> None:
        """Take in how long a run took."""
        self._took[self._kind(run)].append(seconds)

    def left(self, runs: Sequence[PlannedRun]) -> float | None:
        """Seconds that runs may take from their start, by others of their sort, else by all; None: nothing is known."""
        if not self._took:
            return None
        mean = fmean(value for values in self._took.values() for value in values)
        expected = [fmean(self._took.get(self._kind(run)) or [mean]) for run in runs]
        return sum(expected) / max(1, min(self.jobs, len(runs)))

    def _kind(self, run: PlannedRun) -> str:
        """Runs that differ in their seed alone are of one sort."""
        return run.kind + run.label.partition(", seed ")[0]


def run_graph(works: Sequence[Work], launcher: Launcher, jobs: int) -> dict[Key, str]:
    """Do what is not finished; returns what failed or was left out, and why.

    Args:
        works: runs, each behind those that it needs.
        launcher: where to start them; it is closed at the end.
        jobs: how many run at once, for the time left.
    """
    failed: dict[Key, str] = {}
    clock = Clock(jobs)
    waiting = [work for work in works if not work.run.finished]
    for work in works:
        if work.run.finished and seconds_of(work):
            clock.note(work.run, seconds_of(work))
    if len(waiting) < len(works):
        err.print(f"{len(works) - len(waiting)} of {len(works)} runs were finished before", markup=False)
    running: dict[Key, tuple[Work, float]] = {}
    bar = _bar()
    task = bar.add_task("Runs", total=len(waiting), left="")
    try:
        with bar:
            while waiting or running:
                waiting = _left_out(waiting, failed, bar, task)
                ready = [work for work in waiting if all(needed.finished for needed in work.run.needs)][: launcher.room]
                waiting = [work for work in waiting if work not in ready]
                if waiting and not ready and not running:
                    raise DataError(f"What {waiting[0].run.label} needs is gone: was its folder moved?")
                for work in ready:
                    if _stale(work):
                        work.outcome.unlink()
                    running[key_of(work.run)] = work, seconds_of(work)
                launcher.start(ready)
                for work, why in launcher.wait(WAIT_S):
                    _, before = running.pop(key_of(work.run))
                    seconds = seconds_of(work) - before  # without the time that its process took to start
                    if why is not None:
                        failed[key_of(work.run)] = why
                    clock.note(work.run, seconds)
                    rest = [w.run for w in waiting] + [w.run for w, _ in running.values()]
                    _show(bar, task, work, why, seconds, clock.left(rest))
    finally:
        launcher.close()
    return failed


def _stale(work: Work) -> bool:
    """Whether a run failed before: what it said then must not be taken for what it says now."""
    outcome = read_outcome(work)
    return outcome is not None and outcome["error"] is not None


def _left_out(waiting: Sequence[Work], failed: dict[Key, str], bar: Progress, task: object) -> list[Work]:
    """The runs that may still be done; those that need a failed one are noted as failed, and all that need those."""
    rest = []
    for work in waiting:
        broken = next((needed for needed in work.run.needs if key_of(needed) in failed), None)
        if broken is None:
            rest.append(work)
        else:
            failed[key_of(work.run)] = f"needs {broken.label}, which failed"
            bar.advance(task)  # type: ignore[arg-type]
    return rest


def _bar() -> Progress:
    """Count, time, and time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[left]}"), console=err, transient=True)


def _show(bar: Progress, task: object, work: Work, why: str | None, seconds: float, left: float | None) -> None:
    """A line for a run that ended, and the bar."""
    rest = "" if left is None or not left else f"about {spoken(left)} left"
    bar.update(task, advance=1, left=rest)  # type: ignore[arg-type]
    done = next(entry for entry in bar.tasks if entry.id == task)
    place = f"[{done.completed:.0f}/{done.total:.0f}] {work.run.label}"
    if why is None:
        err.print(f"{place}: {spoken(seconds)}{f'; {rest}' if rest else ''}", markup=False)
    else:
        err.print(f"{place} FAILED: {why}", markup=False)


def spoken(seconds: float) -> str:
    """A length of time: 5 s, 3 min, 2.1 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def reasons(failed: Mapping[Key, str], runs: Sequence[PlannedRun]) -> dict[str, str]:
    """What failed, by the runs' labels."""
    labels = {key_of(run): run.label for run in runs}
    return {labels[key]: why for key, why in failed.items() if key in labels}
