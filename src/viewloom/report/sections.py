"""What the page's tables hold: scores, actions, items; and what a reader should be wary of."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from viewloom.metrics.segmentation import TITLES
from viewloom.metrics.statistics import Difference
from viewloom.report.colours import palette
from viewloom.report.curves import round_marks
from viewloom.report.formats import clock
from viewloom.report.gaps import Footnotes
from viewloom.report.picking import Pick
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run, decodings
from viewloom.report.tables import ScoreRow, shows_gaps
from viewloom.report.taught import Taught

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
        ways = decodings(scored)
        found += [f"{', '.join(ways)} decoding"] if ways != ["argmax"] else []
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
    if len(ways := decodings(scored)) > 1:
        found.append(f"the runs were decoded in different ways ({', '.join(ways)}), which is part of their differences")
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
            truth = (item.start, item.end, item.truth.rows)
            if first.setdefault(name, truth) != truth:
                return name
    return None


def scores(rows: Sequence[ScoreRow], reference: str) -> dict[str, Any]:
    """The table of scores: rows of each view with its highest scores, and what columns and notes need."""
    groups = [list(of) for _, of in groupby(rows, lambda row: row.view.name)]
    best = [{name: max(row.view.scores[name] for row in of) for name in TITLES} for of in groups]
    ends = [row.view.scores["f1_50"] for row in rows] + [row.f1_50.high for row in rows if row.f1_50]
    return {
        "views": [(of, high if len(of) > 1 else {}) for of, high in zip(groups, best, strict=True)],
        "reference": reference,
        "gaps": shows_gaps(rows),
        "compared": any(row.difference for row in rows),
        "top": min(100.0, round_marks(0.0, max(*ends, 1.0), 5)[-1]),  # of the scale of F1@50 that all rows share
        "fewest": min((len(set(row.view.clusters)) for row in rows if row.f1_50), default=0),  # recordings
        "notes": Footnotes(),
    }


def clear(difference: Difference) -> bool:
    """Whether a difference is clear of chance."""
    return (difference.low > 0 or difference.high < 0) and difference.p < LEVEL


def actions_sheet(runs: Sequence[Run]) -> dict[str, Any]:
    """F1@50 of every action that occurs, in order of ids, and all scores."""
    columns = ("action", "segments", "frames", "precision", "recall")
    named = {name: name for name in columns} | {"f1_50": "F1@50", "mof": "frames right"}
    return sheet(runs, "per_class", ("action", "segments"), runs[0].scored.actions, named)


def items_sheet(runs: Sequence[Run], picked: Sequence[Pick]) -> dict[str, Any]:
    """F1@50 of every item, with the ranks of those whose timelines are shown, and all scores."""
    named = {"item": "item", "frames": "frames"} | {key: name for key, name in TITLES.items() if key != "total"}
    items = dict.fromkeys(row["item"] for run in runs for view in run.views.values() for row in view.per_item)
    links = {one.item: one.rank for one in picked}
    return sheet(runs, "per_item", ("item", "recording"), items, named) | {"links": links}


def sheet(
    runs: Sequence[Run],
    which: str,
    head: tuple[str, str],
    order: Iterable[str],
    columns: dict[str, str],
    by: str = "f1_50",
    title: str = "F1@50",
) -> dict[str, Any]:
    """A score of each name of an order in each run and view (results), behind two columns and the seconds."""
    results = [(run, view) for run in runs for view in run.views.values()]
    by_name = [{row[head[0]]: row for row in getattr(view, which)} for _, view in results]
    rows = []
    for name in order:
        found = [of.get(name) for of in by_name]
        first = next(filter(None, found), None)
        if first is not None:
            start = (name, first[head[1]], first["frames"] / runs[0].scored.fps)
            rows.append((start, [row and row[by] for row in found]))
    head_of_all = (*head, "seconds")
    found_of_all = {"head": head_of_all, "results": results, "rows": rows, "columns": columns, "which": which}
    return found_of_all | {"links": {}, "title": title}


def taught_runs(runs: Sequence[Run]) -> list[tuple[Run, Taught]]:
    """The students among runs, with what they were taught."""
    return [(run, run.taught) for run in runs if run.taught is not None]


def with_taught(colours: Mapping[int, str], runs: Sequence[Run]) -> dict[int, str]:
    """Colours of class ids, those that only strips of pairs show added behind the others."""
    shown = {label for _, taught in taught_runs(runs) for of in taught.strips.values() for label in of.labels.tolist()}
    order = [*colours, *sorted(shown - set(colours))]
    return dict(zip(order, palette(len(order)), strict=True))
