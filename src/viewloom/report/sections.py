"""What the page's tables hold: scores, actions, items; and what a reader should be wary of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from viewloom.metrics.statistics import Difference
from viewloom.report.curves import round_marks
from viewloom.report.formats import clock
from viewloom.report.gaps import Footnotes
from viewloom.report.picking import Pick
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run
from viewloom.report.tables import COLUMNS, ScoreRow, shows_gaps

LEVEL = 0.05
"""Differences of a lower p are set in bold."""

UNLIKE = ": their figures don't compare"


def facts(runs: Sequence[Run]) -> list[str]:
    """Data set, split, protocol, and how much was scored."""
    scored = [run for run in runs if run.metrics is not None]
    data = dict.fromkeys(str(run.environment["data"]) for run in runs if "data" in run.environment)
    found = [f"data set {', '.join(data)}"] if data else []
    if scored:
        frames = {row["item"]: row["frames"] for run in scored for view in run.views.values() for row in view.per_item}
        hours = clock(sum(frames.values()) / scored[0].scored.fps)
        found += [f"{', '.join(_values(scored, what))} {what}" for what in ("split", "protocol")]
        found += [f"{len(frames)} items, {hours} in all", f"{len(scored[0].scored.actions)} actions"]
    return [*found, f"{len(runs)} run" + "s" * (len(runs) != 1)]


def _values(scored: Sequence[Run], what: str) -> list[str]:
    """Different values of a field of the runs' metrics."""
    return list(dict.fromkeys(str(getattr(run.scored, what)) for run in scored))


def cautions(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """What each run warns of, by name of the run, and in what the runs don't compare."""
    return [(run.name, note) for run in runs for note in run.notes] + [("all", note) for note in unlike(runs)]


def unlike(runs: Sequence[Run]) -> list[str]:
    """In what runs differ that should agree: protocol, split, items of a view, truth."""
    scored = [run for run in runs if run.metrics is not None]
    found = []
    for what in ("protocol", "split"):
        names = _values(scored, what)
        if len(names) > 1:
            found.append(f"the runs were scored with different {what}s ({', '.join(names)}){UNLIKE}")
    if len({run.simulated for run in scored}) > 1:
        found.append(f"some runs are of simulated features and some are not{UNLIKE}")
    for view in dict.fromkeys(name for run in scored for name in run.views):
        having = [run.views[view] for run in scored if view in run.views]
        if len({frozenset(row["item"] for row in result.per_item) for result in having}) > 1:
            found.append(f"the runs were scored on different items of {view}{UNLIKE}")
        item = _differing_truth(having)
        if item:
            found.append(f"the runs disagree on the truth of {item} in {view}; the longest one is shown")
    return found


def _differing_truth(results: Sequence[ViewResult]) -> str | None:
    """The first item whose truth isn't the same in all results."""
    first: dict[str, Any] = {}
    for result in results:
        for name, item in result.items.items():
            truth = (item.start, item.end, item.truth.rows_S3.tolist())
            if first.setdefault(name, truth) != truth:
                return name
    return None


@dataclass(frozen=True)
class Scores:
    """The table of scores.

    Attributes:
        rows: of the table.
        reference: name of the run that the others are compared with.
        notes: marks of what is missing and why, collected while the table is written.
    """

    rows: Sequence[ScoreRow]
    reference: str
    notes: Footnotes = field(default_factory=Footnotes)

    @property
    def gaps(self) -> bool:
        """Whether there is a column of gaps closed."""
        return shows_gaps(self.rows)

    @property
    def compared(self) -> bool:
        """Whether there is a column of differences to the reference."""
        return any(row.difference for row in self.rows)

    @property
    def top(self) -> float:
        """Upper end of the scale of F1@50 that all rows share."""
        highest = [row.view.scores["f1_50"] for row in self.rows] + [row.f1_50.high for row in self.rows if row.f1_50]
        return min(100.0, round_marks(0.0, max(*highest, 1.0), 5)[-1])

    @property
    def views(self) -> list[tuple[list[ScoreRow], dict[str, float]]]:
        """Rows of each view, and the highest of each score where there are several."""
        groups = [list(rows) for _, rows in groupby(self.rows, lambda row: row.view.name)]
        best = [{name: max(row.view.scores[name] for row in rows) for name in COLUMNS} for rows in groups]
        return [(rows, high if len(rows) > 1 else {}) for rows, high in zip(groups, best, strict=True)]

    @property
    def fewest(self) -> int:
        """The fewest recordings of an interval; 0 where there is none."""
        return min((len(set(row.view.clusters)) for row in self.rows if row.f1_50), default=0)


def clear(difference: Difference) -> bool:
    """Whether a difference is clear of chance."""
    return (difference.low > 0 or difference.high < 0) and difference.p < LEVEL


def actions_sheet(runs: Sequence[Run]) -> dict[str, Any]:
    """F1@50 of every action that occurs, in order of ids, and all scores."""
    columns = ("action", "segments", "frames", "precision", "recall")
    named = {name: name for name in columns} | {"f1_50": "F1@50", "mof": "frames right"}
    return _sheet(runs, "per_class", ("action", "segments"), runs[0].scored.actions, named)


def items_sheet(runs: Sequence[Run], picked: Sequence[Pick]) -> dict[str, Any]:
    """F1@50 of every item, with the ranks of those whose timelines are shown, and all scores."""
    named = {"item": "item", "frames": "frames"} | {key: name for key, name in COLUMNS.items() if key != "total"}
    items = dict.fromkeys(row["item"] for run in runs for view in run.views.values() for row in view.per_item)
    links = {one.item: one.rank for one in picked}
    return _sheet(runs, "per_item", ("item", "recording"), items, named) | {"links": links}


def _sheet(
    runs: Sequence[Run], which: str, head: tuple[str, str], order: Iterable[str], columns: dict[str, str]
) -> dict[str, Any]:
    """F1@50 of each name of an order in each run and view (results), behind two columns and the seconds."""
    results = [(run, view) for run in runs for view in run.views.values()]
    by_name = [{row[head[0]]: row for row in getattr(view, which)} for _, view in results]
    rows = []
    for name in order:
        found = [of.get(name) for of in by_name]
        first = next(filter(None, found), None)
        if first is not None:
            start = (name, first[head[1]], first["frames"] / runs[0].scored.fps)
            rows.append((start, [row and row["f1_50"] for row in found]))
    head_of_all = (*head, "seconds")
    return {"head": head_of_all, "results": results, "rows": rows, "columns": columns, "which": which, "links": {}}
