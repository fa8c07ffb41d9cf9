"""The table of scores of runs with several labels a frame, for the console."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from viewloom.metrics.multilabel import TITLES
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run
from viewloom.report.views import view_names

if TYPE_CHECKING:
    from rich.table import Table

CONSOLE = ("f1_micro", "f1_macro", "frame_map", "map_10", "map_30", "map_50", "map", "total")
"""Scores that fit onto the console."""


def is_multi(runs: Sequence[Run]) -> bool:
    """Whether the runs that have scores were scored with several labels a frame; all are alike (`load_runs`)."""
    return any(run.metrics is not None and run.metrics.labels_mode == "multi" for run in runs)


def rows_of(runs: Sequence[Run]) -> list[tuple[Run, ViewResult]]:
    """Every run in every view: view by view, exo before ego, in each the runs in order."""
    scored = [run for run in runs if run.metrics is not None]
    return [(run, run.views[view]) for view in view_names(scored) for run in scored if view in run.views]


def multi_table(runs: Sequence[Run]) -> "Table":
    """The table of scores, for the console."""
    from rich.markup import escape
    from rich.table import Table

    rows = rows_of(runs)
    simulated = any(run.simulated for run, _ in rows)
    ways = ", ".join(dict.fromkeys(run.scored.protocol for run, _ in rows))
    title = f"Scores in percent, {ways}" + (", SIMULATED features" * simulated)
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("view", "run", "from"):
        table.add_column(name, overflow="fold")
    for name in CONSOLE:
        table.add_column(TITLES[name], justify="right", no_wrap=True)
    for (run, view), following in zip(rows, [*rows[1:], None], strict=True):
        named = [escape(f"{view.name} {view.kind}"), escape(run.name), "+".join(run.scored.trained_on)]
        last = following is not None and following[1].name != view.name
        table.add_row(*named, *(f"{view.scores[name]:.1f}" for name in CONSOLE), end_section=last)
    table.caption = "mAP: mean of those at overlaps 0.1 to 0.5\nfrom: whose labels it learned"
    table.caption_justify = "left"
    return table
