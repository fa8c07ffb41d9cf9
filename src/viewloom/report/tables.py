"""The table of scores, one row a run and view, for the console and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.metrics.statistics import Interval, intervals
from viewloom.report.runs import Run, ViewResult, load_runs

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {"edit": "Edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50", "mof": "MoF", "total": "Total"}


@dataclass(frozen=True)
class ScoreRow:
    """One run in one view.

    Attributes:
        row: name of the run.
        trained: views its labels came from.
        tested: view it was scored on.
        kind: of that view.
        scores: percent, by name.
        f1_50: interval of F1@50, where predictions were kept.
        gap: share of the gap between naive and oracle that it closes on this view, percent, where both are known.
    """

    row: str
    trained: str
    tested: str
    kind: str
    scores: dict[str, float]
    f1_50: Interval | None
    gap: float | None


def score_rows(runs: Sequence[Run], naive: str | None = None, oracle: str | None = None) -> list[ScoreRow]:
    """Rows of the table: runs in order, exo views before ego ones.

    Args:
        runs: evaluated runs.
        naive: row name of the baseline that closes no gap; default: a run called ``naive``, else none.
        oracle: row name of the head trained on labels of the view; default: one called ``oracle`` or trained on it.
    """
    return [
        ScoreRow(
            run.row,
            "+".join(run.metrics["trained_on"]),
            view.name,
            view.kind,
            view.scores,
            _interval(run, view),
            gap_closed(runs, run, view.name, naive, oracle),
        )
        for run in runs
        for view in sorted(run.views.values(), key=lambda view: (view.kind == "ego", view.name))
    ]


def _interval(run: Run, view: ViewResult) -> Interval | None:
    """Interval of F1@50 over recordings, if there are predictions of two recordings or more."""
    if len(set(view.clusters)) < 2:
        return None
    protocol = run.metrics["protocol"]
    return intervals(view.counts(protocol), view.clusters, protocol)["f1_50"]


def gap_closed(
    runs: Sequence[Run], run: Run, view: str, naive: str | None = None, oracle: str | None = None
) -> float | None:
    """(run - naive) / (oracle - naive) of F1@50 on a view, percent; None where it has no meaning."""
    base = next((r for r in runs if r.row == (naive or "naive")), None)
    best = next((r for r in runs if r.row == oracle), None) if oracle else _oracle(runs, view)
    if base is None or best is None or view not in base.views or view not in best.views:
        return None
    low, high = base.views[view].scores["f1_50"], best.views[view].scores["f1_50"]
    return 100.0 * (run.views[view].scores["f1_50"] - low) / (high - low) if high - low > 1e-9 else None


def _oracle(runs: Sequence[Run], view: str) -> Run | None:
    """A run without a refiner that was trained on the view's own labels, and isn't the naive one."""
    return next((r for r in runs if "oracle" in r.row and r.metrics["trained_on"] == [view]), None)


def scores_table(folders: Sequence[str | Path]) -> "Table":
    """The table of some runs' scores, for the console."""
    from rich.table import Table

    runs = load_runs(folders)
    rows = score_rows(runs)
    simulated = any(run.metrics.get("simulated") for run in runs)
    title = f"Scores in percent, {runs[0].metrics['protocol']} protocol" + (", SIMULATED features" * simulated)
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for name in ("run", "labels from", "scored on"):
        table.add_column(name)
    for name in (*COLUMNS.values(), "F1@50, 95 %"):
        table.add_column(name, justify="right")
    gaps = any(row.gap is not None for row in rows)
    if gaps:
        table.add_column("gap closed", justify="right")
    for row in rows:
        interval = f"{row.f1_50.low:.1f} to {row.f1_50.high:.1f}" if row.f1_50 else ""
        cells = [row.row, row.trained, f"{row.tested} ({row.kind})"]
        cells += [f"{row.scores[name]:.1f}" for name in COLUMNS] + [interval]
        table.add_row(*cells, *([f"{row.gap:.0f} %" if row.gap is not None else ""] if gaps else []))
    return table
