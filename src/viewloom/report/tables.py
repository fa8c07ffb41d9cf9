"""The table of scores, one row a run and view, for the console and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.errors import ConfigError, listed
from viewloom.metrics.segmentation import TITLES
from viewloom.metrics.statistics import Difference, Interval, differences, intervals
from viewloom.report.gaps import NOT_BETTER, Footnotes, Gap, called, gap_closed, same_items, why_no_interval
from viewloom.report.multilabel_table import is_multi, multi_table
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run, decodings, evaluated, load_runs
from viewloom.report.views import view_names

if TYPE_CHECKING:
    from rich.table import Table


FEW = 20
"""With fewer recordings than this, bootstrap intervals come out too narrow."""


@dataclass(frozen=True)
class ScoreRow:
    """One run in one view.

    Attributes:
        run: the run.
        view: its results.
        gap_closed: share of the gap between naive and oracle that it closes on this view.
        difference: of its F1@50 to that of the reference, paired by recording, where both can be had.
    """

    run: Run
    view: ViewResult
    gap_closed: Gap
    difference: Difference | None

    @cached_property
    def why(self) -> str:
        """Why there is no interval; empty where there is one."""
        return why_no_interval(self.view)

    @cached_property
    def f1_50(self) -> Interval | None:
        """Interval of F1@50 over recordings, where it can be had."""
        if self.why or self.view.counts is None:
            return None
        return intervals(self.view.counts, self.view.clusters, self.run.scored.protocol)["f1_50"]

    @property
    def gap(self) -> float | None:
        """The gap closed, percent; None where it has no meaning."""
        return self.gap_closed.closed

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
        naive: name of the baseline that closes no gap; default: ``naive``, if there is one.
        oracle: name of the run trained on labels of the tested view; default: runs with ``oracle`` in their
            name that were.
        reference: name of the run that the others are compared with; default: the naive one.

    Raises:
        ConfigError: a name that no run has.
    """
    scored = evaluated(runs)
    for name in (naive, oracle, reference):
        if name is not None and not called(scored, name):
            raise ConfigError(f"No run is called {name!r}; the runs are: {listed((r.name for r in scored), 20)}.")
    others = called(scored, reference or naive or "naive")
    other = others[0] if len(others) == 1 else None
    return [
        ScoreRow(
            run,
            run.views[view],
            gap_closed(scored, [run], view, naive, oracle),
            _difference(run, other, view) if other is not None else None,
        )
        for view in view_names(scored)
        for run in scored
        if view in run.views
    ]


def _difference(run: Run, other: Run, view: str) -> Difference | None:
    """Difference of F1@50 to the reference, where both were scored on the same items in the same way."""
    if other is run or view not in other.views or other.scored.protocol != run.scored.protocol:
        return None
    ours, theirs = run.views[view], other.views[view]
    if ours.counts is None or theirs.counts is None or why_no_interval(ours) or not same_items(ours, theirs):
        return None
    return differences(ours.counts, theirs.counts, ours.clusters, run.scored.protocol)["f1_50"]


def shows_gaps(rows: Sequence[ScoreRow]) -> bool:
    """Whether a gap is there, or should be: naive and oracle were scored on a view that naive has no labels of."""
    return any(row.gap is not None or row.gap_closed.why == NOT_BETTER for row in rows)


def scores_table(runs: Sequence[str | Path | Run]) -> "Table":
    """The table of some runs' scores, for the console; it fits into 80 columns with short names of runs.

    Args:
        runs: run folders, folders of runs, or runs that were loaded already.
    """
    from rich.table import Table
    from rich.text import Text

    folders = [run for run in runs if not isinstance(run, Run)]
    loaded = [run for run in runs if isinstance(run, Run)] + (load_runs(folders) if folders else [])
    if is_multi(loaded):
        return multi_table(loaded)
    rows = score_rows(loaded)
    simulated = any(row.run.simulated for row in rows)
    protocols = listed(dict.fromkeys(row.run.scored.protocol for row in rows))
    ways = decodings([row.run for row in rows])
    title = f"Scores in percent, {protocols} protocol" + (", SIMULATED features" * simulated)
    title += f", {listed(ways)} decoding" * (ways != ["argmax"])
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    gaps, notes = shows_gaps(rows), Footnotes()
    for name in ("view", "run", "from"):
        table.add_column(name, overflow="fold")
    for name in ("Edit", "F1@10", "F1@25", "F1@50", "95 %", "MoF", "Total", *(["gap %"] if gaps else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        last = following is not None and following.view.name != row.view.name
        table.add_row(*_console_cells(row, gaps, notes), end_section=last)
    about = ["from: whose labels it learned"]
    about += ["gap: share of the way from naive to the oracle on that view in F1@50 (95 %)"] if gaps else []
    table.caption, table.caption_justify = Text("\n".join([*about, *notes.lines()])), "left"
    return table


def _console_cells(row: ScoreRow, gaps: bool, notes: Footnotes) -> list[str]:
    from rich.markup import escape

    interval = f"{row.f1_50.low:.1f}–{row.f1_50.high:.1f}" if row.f1_50 else f"–{notes.mark(row.why)}"
    values = {name: f"{row.view.scores[name]:.1f}" for name in TITLES}
    name = f"{row.run.name}{notes.mark(row.run.learned)}"
    cells = [escape(text) for text in (f"{row.view.name} {row.view.kind}", name, row.trained)]
    cells += [values[name] for name in ("edit", "f1_10", "f1_25", "f1_50")] + [interval, values["mof"], values["total"]]
    return cells + ([row.gap_closed.short + notes.mark(row.gap_closed.why)] if gaps else [])
