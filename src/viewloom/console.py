"""Everything the commands show: one console for results, one for progress."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout is not None and sys.stdout.isatty() else 140)
"""Results, on standard output; lines are never broken, so paths can be copied."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress, notes and errors, on standard error."""


_noted: set[str] = set()


def note(text: str) -> None:
    """Say something, once in a process, that changes what is used."""
    if text not in _noted and not err.quiet:
        _noted.add(text)
        err.print(f"note: {text}", markup=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Say nothing on standard error meanwhile."""
    before, err.quiet = err.quiet, True
    try:
        yield
    finally:
        err.quiet = before


def progress() -> Progress:
    """A progress display on standard error: description, bar, count, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Go through ``items`` with a progress bar; ``total`` when ``items`` has no length."""
    with progress() as bar:
        yield from bar.track(items, total=total, description=description)
