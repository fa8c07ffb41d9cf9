"""The rows of a comparison's table: scores over seeds, intervals, gaps, paired tests, what the test set can show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
from typing import Any

from viewloom.metrics.comparison import RESAMPLES, Paired, holm, paired_difference
from viewloom.metrics.segmentation import NAMES, Counts
from viewloom.metrics.statistics import Interval, mean_interval, spread
from viewloom.recipes.compare.build import Bench, Cell, Row
from viewloom.recipes.planned import PlannedRun, unique_runs
from viewloom.recipes.results import gap_data
from viewloom.report.comparison import LEVEL
from viewloom.report.gaps import Gap, gap_closed, same_items, why_no_interval
from viewloom.report.runs import Run, load_run
from viewloom.training.runs import read_json

SCORE = "f1_50"
"""The score that rows are compared by."""


@dataclass(frozen=True)
class Result:
    """One row on one view, with the seeds that finished.

    Attributes:
        row: the row.
        view: a view.
        runs: its evaluations by seed; None stands for the only one of a control that draws nothing.
        expected: how many seeds it was to have.
    """

    row: Row
    view: str
    runs: Mapping[int | None, Run]
    expected: int

    @cached_property
    def counts(self) -> list[Counts]:
        """Counts of each seed; none where an interval can't be had."""
        views = [run.views[self.view] for run in self.runs.values()]
        if any(why_no_interval(view) for view in views) or not all(same_items(view, views[0]) for view in views):
            return []
        return [view.counts for view in views if view.counts is not None]

    @property
    def clusters(self) -> list[str]:
        """Recording of each item."""
        return next(iter(self.runs.values())).views[self.view].clusters

    def mean(self, score: str = SCORE) -> float:
        """Mean of a score over seeds."""
        return fmean(run.views[self.view].scores[score] for run in self.runs.values())

    @cached_property
    def interval(self) -> Interval | None:
        """Interval of the mean over recordings; None where it can't be had."""
        return mean_interval(self.counts, self.clusters, SCORE, resamples=RESAMPLES) if self.counts else None

    def against(self, other: "Result") -> Paired | None:
        """Paired comparison with another row, on the seeds that both have; None where they can't be paired."""
        common = [seed for seed in self.runs if seed in other.runs]
        mine, yours = ((_of_seeds(one, common) if common else one) for one in (self, other))
        if not mine.counts or not yours.counts or mine.clusters != yours.clusters:
            return None
        if (mine.counts[0].frames != yours.counts[0].frames).any():
            return None
        return paired_difference(mine.counts, yours.counts, mine.clusters, SCORE)


def _of_seeds(result: Result, seeds: Sequence[int | None]) -> Result:
    return replace(result, runs={seed: result.runs[seed] for seed in seeds})


def collect(bench: Bench, cells: Sequence[Cell]) -> list[Result]:
    """What is finished, view by view, the unlabelled ones first, in each the rows in order."""
    loaded = {cell.evaluation.folder: load_run(cell.evaluation.folder) for cell in cells if cell.evaluation.finished}
    results = []
    for view in (*bench.entry.unlabelled, *bench.entry.labelled):
        for row in dict.fromkeys(cell.row for cell in cells):
            mine = [cell for cell in cells if cell.row == row]
            runs = {cell.seed: loaded[cell.evaluation.folder] for cell in mine if cell.evaluation.folder in loaded}
            runs = {seed: run for seed, run in runs.items() if view in run.views}
            if runs:
                results.append(Result(row, view, runs, len(mine)))
    return results


def warnings_of(cell: Cell) -> list[str]:
    """What the finished runs behind a cell warn of: collapse, nothing learned."""
    found: list[str] = []
    for run in unique_runs([cell.evaluation]):
        name = {"pretrain": "invariance.json", "train": "environment.json"}.get(run.kind)
        if name is not None and run.finished:
            found += read_json(run.folder / name).get("warnings", [])
    return found if cell.seed is None else [f"seed {cell.seed}: {text}" for text in found]


def table_of(bench: Bench, cells: Sequence[Cell]) -> dict[str, Any]:
    """Everything that was found on a data set, as plain data, for ``results.json``."""
    results, table = collect(bench, cells), []
    for view in dict.fromkeys(result.view for result in results):
        mine = [result for result in results if result.view == view]
        kind = "labelled" if view in bench.entry.labelled else "unlabelled"
        found = _view_rows(mine)
        table.append({"view": view, "kind": bench.dataset.views[view].kind, "labels": kind} | found)
    return {
        "data": bench.entry.name,
        "name": bench.dataset.name,
        "simulated": bench.dataset.simulated,
        "labelled": list(bench.entry.labelled),
        "unlabelled": list(bench.entry.unlabelled),
        "views": table,
        "warnings": _warnings(cells),
    }


def _warnings(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """What the runs behind each row warn of."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        found.setdefault(cell.row.key, []).extend(warnings_of(cell))
    return {row: list(dict.fromkeys(texts)) for row, texts in found.items() if texts}


def _view_rows(results: Sequence[Result]) -> dict[str, Any]:
    """The rows of one view, and what holds for all of them."""
    best = _best(results)
    to_best = {result.row: result.against(best) for result in results if best is not None and _tested(result, best)}
    to_naive = {
        result.row: result.against(naive)
        for result in results
        if (naive := naive_of(results, result.row)) is not None and naive is not result and result.row.role != "oracle"
    }
    adjusted = _adjusted(to_best), _adjusted(to_naive)
    rows = [_row(result, results, to_best, to_naive, *adjusted) for result in results]
    rivals = [r.row for r in results if best is not None and r is not best and r.row.role == "method"]
    sure = bool(rivals) and all(is_clear(to_best.get(row), adjusted[0].get(row)) for row in rivals)
    for row, result in zip(rows, results, strict=True):
        row["best"], row["marked"] = result is best, result is best and sure
        row["alike_best"] = (
            result is not best
            and result.row in rivals
            and not is_clear(to_best.get(result.row), adjusted[0].get(result.row))
        )
    smallest = [found.smallest for found in to_best.values() if found is not None]
    ends = {"median": median(smallest), "least": min(smallest), "most": max(smallest)} if smallest else None
    recordings = len(set(results[0].clusters)) if results[0].counts else len(_recordings(results[0]))
    return {"recordings": recordings, "smallest_difference": ends, "clock": _clock(results, best), "rows": rows}


def _recordings(result: Result) -> set[str]:
    run = next(iter(result.runs.values()))
    return {item["recording"] for item in run.views[result.view].per_item}


def _best(results: Sequence[Result]) -> Result | None:
    """The competing row with the highest mean."""
    competing = [result for result in results if result.row.role == "method"]
    return max(competing, key=lambda result: result.mean(), default=None)


def _tested(result: Result, best: Result) -> bool:
    return result is not best and result.row.role != "oracle"


def naive_of(results: Sequence[Result], row: Row) -> Result | None:
    """The naive row with the same head; with the first head for a row that has none."""
    naive = [r for r in results if r.row.role == "method" and r.row.method == r.row.name and _is_naive(r)]
    return next((r for r in naive if r.row.head == row.head or not row.head), None)


def _is_naive(result: Result) -> bool:
    """Whether no refiner stands before the head, and no student was taught."""
    run = next(iter(result.runs.values()))
    return not result.row.student and not (run.folder / "refiner.safetensors").exists()


def _adjusted(found: Mapping[Row, Paired | None]) -> dict[Row, float]:
    """p after Holm's correction, over all rows of a view that were compared with the same one."""
    tested = {row: pair.p for row, pair in found.items() if pair is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))


def is_clear(pair: Paired | None, adjusted: float | None) -> bool:
    """Whether a difference is clear of chance: its interval leaves out zero, and so does the corrected test."""
    return pair is not None and adjusted is not None and (pair.low > 0 or pair.high < 0) and adjusted < LEVEL


def _row(
    result: Result,
    results: Sequence[Result],
    to_best: Mapping[Row, Paired | None],
    to_naive: Mapping[Row, Paired | None],
    best_p: Mapping[Row, float],
    naive_p: Mapping[Row, float],
) -> dict[str, Any]:
    """One row as plain data."""
    row, names = result.row, (*NAMES, "total")
    scores = {seed: {n: run.views[result.view].scores[n] for n in names} for seed, run in result.runs.items()}
    over = {name: spread([of[name] for of in scores.values()]) for name in names}
    interval = result.interval
    return {
        "row": row.key,
        "title": row.title,
        "method": row.method,
        "head": row.head,
        "student": row.student,
        "role": row.role,
        "seeds": {"all" if seed is None else str(seed): of for seed, of in scores.items()},
        "missing_seeds": result.expected - len(scores),
        "mean": {name: of.mean for name, of in over.items()},
        "deviation": {name: of.deviation for name, of in over.items()} if len(scores) > 1 else None,
        "interval": None if interval is None else {"low": interval.low, "high": interval.high},
        "gap_closed": gap_data(_gap(result, results)),
        "against_best": _paired(to_best.get(row), best_p.get(row)),
        "against_naive": _paired(to_naive.get(row), naive_p.get(row)),
    }


def _paired(pair: Paired | None, adjusted: float | None) -> dict[str, Any] | None:
    if pair is None:
        return None
    return pair.as_dict() | {"p_holm": adjusted, "clear": is_clear(pair, adjusted)}


def _gap(result: Result, results: Sequence[Result]) -> Gap:
    """Share of the way from naive to the oracle, both with the same head, that a row closes on its view."""
    naive = naive_of(results, result.row)
    oracles = [r for r in results if r.row.role == "oracle" and r.row.view == r.view]
    oracle = next((r for r in oracles if r.row.head == result.row.head or not result.row.head), None)
    if naive is None or oracle is None:
        return Gap(None)
    named = {"naive": _named(naive, "naive"), "oracle": _named(oracle, "oracle")}
    role = "naive" if result is naive else "oracle" if result is oracle else ""
    ours = named[role] if role else list(result.runs.values())
    return gap_closed([*named["naive"], *named["oracle"]], ours, result.view)


def _named(result: Result, name: str) -> list[Run]:
    return [replace(run, name=name) for run in result.runs.values()]


def _clock(results: Sequence[Result], best: Result | None) -> dict[str, Any] | None:
    """How near the clock alone comes to the best row; None where it wasn't scored."""
    clock = next((result for result in results if result.row.name == "clock"), None)
    if clock is None or best is None:
        return None
    pair = best.against(clock)
    within = best.interval is not None and clock.mean() >= best.interval.low
    near = within or clock.mean() >= best.mean() or (pair is not None and pair.low <= 0)
    return {"f1_50": clock.mean(), "best": best.row.key, "best_f1_50": best.mean(), "near": near}


def seconds_of_rows(cells: Sequence[Cell], seconds: Mapping[tuple[str, Any], float]) -> dict[str, float]:
    """Wall time of each row, by its key: of all runs behind a seed, mean over seeds.

    A refiner that several rows share counts in each, as it would alone.
    """
    found: dict[str, list[float]] = {}
    for cell in cells:
        runs: list[PlannedRun] = unique_runs([cell.evaluation])
        total = sum(seconds.get((run.kind, run.folder), 0.0) for run in runs)
        found.setdefault(cell.row.key, []).append(total)
    return {key: fmean(values) for key, values in found.items()}
