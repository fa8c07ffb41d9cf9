"""The table of scores, one row a run and view, for the console and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from viewloom.errors import ConfigError, listed
from viewloom.metrics.statistics import Difference, Interval, differences, intervals
from viewloom.report.runs import Run, ViewResult, evaluated, load_runs

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {"edit": "Edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50", "mof": "MoF", "total": "Total"}

KINDS = ("exo", "other", "ego")
"""Order of views on the page: fixed cameras first."""

FEW = 20
"""With fewer recordings than this, bootstrap intervals come out too narrow."""


@dataclass(frozen=True)
class ScoreRow:
    """One run in one view.

    Attributes:
        run: the run.
        view: its results.
        f1_50: interval of F1@50 over recordings, where predictions were kept.
        gap: share of the gap between naive and oracle that it closes on this view, percent, where both are known.
        difference: of its F1@50 to that of the reference, paired by recording, where both can be had.
    """

    run: Run
    view: ViewResult
    f1_50: Interval | None
    gap: float | None
    difference: Difference | None

    @property
    def trained(self) -> str:
        """Views its labels came from."""
        return "+".join(self.run.scored.trained_on)


def score_rows(
    runs: Sequence[Run], naive: str | None = None, oracle: str | None = None, reference: str | None = None
) -> list[ScoreRow]:
    """Rows of the table: view by view, exo before ego, in each the runs in order.

    Args:
        runs: runs; those without scores are left out.
        naive: row name of the baseline that closes no gap; default: ``naive``, if there is one.
        oracle: row name of the head trained on labels of the tested view; default: rows with ``oracle`` in
            their name that were.
        reference: row that the others are compared with; default: the naive one.

    Raises:
        ConfigError: a row name that no run has.
    """
    scored = evaluated(runs)
    for name in (naive, oracle, reference):
        if name is not None and not _called(scored, name):
            raise ConfigError(f"No run is called {name!r}; the rows are: {listed((r.row for r in scored), 20)}.")
    other = _reference(scored, reference or naive or "naive")
    return [
        ScoreRow(
            run,
            run.views[view],
            _interval(run, run.views[view]),
            gap_closed(scored, run, view, naive, oracle),
            _difference(run, other, view),
        )
        for view in view_names(scored)
        for run in scored
        if view in run.views
    ]


def view_names(runs: Sequence[Run]) -> list[str]:
    """All views that some run was scored on, exo before ego, then by name."""
    kinds = {name: view.kind for run in runs for name, view in run.views.items()}
    return sorted(kinds, key=lambda name: (KINDS.index(kinds[name]) if kinds[name] in KINDS else 1, name))


def _called(runs: Sequence[Run], name: str) -> list[Run]:
    """Runs of that name; several seeds of one row have their folders behind it."""
    return [run for run in runs if run.row == name or run.row.startswith(f"{name} (")]


def _reference(runs: Sequence[Run], name: str) -> Run | None:
    """The one run of that name; None where there is no such run, or several."""
    found = _called(runs, name)
    return found[0] if len(found) == 1 else None


def _interval(run: Run, view: ViewResult) -> Interval | None:
    """Interval of F1@50 over recordings, if there are predictions of two recordings or more."""
    if view.counts is None or len(set(view.clusters)) < 2:
        return None
    return intervals(view.counts, view.clusters, run.scored.protocol)["f1_50"]


def _difference(run: Run, other: Run | None, view: str) -> Difference | None:
    """Difference of F1@50 to the reference, where both were scored on the same items in the same way."""
    if other is None or other is run or view not in other.views or other.scored.protocol != run.scored.protocol:
        return None
    ours, theirs = run.views[view], other.views[view]
    if ours.counts is None or theirs.counts is None or list(ours.items) != list(theirs.items):
        return None
    if len(set(ours.clusters)) < 2 or not np.array_equal(ours.counts.frames, theirs.counts.frames):
        return None
    return differences(ours.counts, theirs.counts, ours.clusters, run.scored.protocol)["f1_50"]


def gap_closed(
    runs: Sequence[Run], run: Run, view: str, naive: str | None = None, oracle: str | None = None
) -> float | None:
    """(run - naive) / (oracle - naive) of F1@50 on a view, percent; None where that has no meaning.

    It has none on a view whose labels the naive run learned from, nor where the oracle is no better than it.
    Several seeds of naive or oracle count by their mean.
    """
    bases = [r for r in _called(runs, naive or "naive") if view in r.views and view not in r.scored.trained_on]
    best = [r for r in (_called(runs, oracle) if oracle else _oracles(runs, view)) if view in r.views]
    if not bases or not best:
        return None
    low = fmean(r.views[view].scores["f1_50"] for r in bases)
    high = fmean(r.views[view].scores["f1_50"] for r in best)
    return 100.0 * (run.views[view].scores["f1_50"] - low) / (high - low) if high - low > 1e-9 else None


def _oracles(runs: Sequence[Run], view: str) -> list[Run]:
    """Runs called an oracle that were trained on the view's own labels."""
    return [r for r in runs if "oracle" in r.row.lower() and view in r.scored.trained_on]


def scores_table(runs: Sequence[str | Path | Run]) -> "Table":
    """The table of some runs' scores, for the console; it fits into 80 columns with short row names.

    Args:
        runs: run folders, folders of runs, or runs that were loaded already.
    """
    from rich.table import Table

    folders = [run for run in runs if not isinstance(run, Run)]
    loaded = [run for run in runs if isinstance(run, Run)] + (load_runs(folders) if folders else [])
    rows = score_rows(loaded)
    simulated = any(row.run.simulated for row in rows)
    protocols = listed(dict.fromkeys(row.run.scored.protocol for row in rows))
    title = f"Scores in percent, {protocols} protocol" + (", SIMULATED features" * simulated)
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    gaps = any(row.gap is not None for row in rows)
    for name in ("scored on", "run", "labels"):
        table.add_column(name, overflow="fold")
    for name in ("Edit", "F1@10", "F1@25", "F1@50", "95 %", "MoF", "Total", *(["gap"] if gaps else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        last = following is not None and following.view.name != row.view.name
        table.add_row(*_console_cells(row, gaps), end_section=last)
    if gaps:
        table.caption = "gap: share of the way from naive to the oracle on that view, in F1@50"
        table.caption_justify = "left"
    return table


def _console_cells(row: ScoreRow, gaps: bool) -> list[str]:
    from rich.markup import escape

    interval = f"{row.f1_50.low:.1f}–{row.f1_50.high:.1f}" if row.f1_50 else ""
    values = {name: f"{row.view.scores[name]:.1f}" for name in COLUMNS}
    cells = [escape(text) for text in (f"{row.view.name} {row.view.kind}", row.run.row, row.trained)]
    cells += [values[name] for name in ("edit", "f1_10", "f1_25", "f1_50")] + [interval, values["mof"], values["total"]]
    return cells + ([f"{row.gap:.0f} %" if row.gap is not None else ""] if gaps else [])
