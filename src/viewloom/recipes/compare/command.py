"""`viewloom compare`: methods, heads and students over views, seeds and data sets, in one table."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.console import err
from viewloom.errors import ConfigError
from viewloom.features.content import views_in_use, written_facts
from viewloom.files import write_csv, write_json, write_text
from viewloom.methods.settings import AUTO
from viewloom.outputs import RUNS, refuse_folder
from viewloom.recipes.compare.build import Bench, Builder, Cell
from viewloom.recipes.compare.launching import Launcher, LocalLauncher
from viewloom.recipes.compare.reading import read_comparison
from viewloom.recipes.compare.rows import seconds_of_rows, table_of
from viewloom.recipes.compare.running import Clock, Key, key_of, reasons, run_graph, spoken
from viewloom.recipes.compare.settings import CompareConfig, Comparison
from viewloom.recipes.compare.tuning import Tuned, choose, trials
from viewloom.recipes.compare.work import Work, seconds_of
from viewloom.recipes.compare.writing import MARK, csv_table, latex, markdown
from viewloom.recipes.docs_page import check_page
from viewloom.recipes.planned import PlannedRun, unique_runs
from viewloom.recipes.results import command
from viewloom.registry import HEADS, METHODS
from viewloom.training.run_identity import refuse_written_again
from viewloom.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

UNITS = {"validation": "F1@50 on validation items", "retrieval": "% of held-out pairs found"}


@dataclass(frozen=True, repr=False)
class ComparisonResult:
    """What a comparison found.

    Attributes:
        folder: with ``results.json``, ``table.md``, ``table.csv``, ``table.tex``, ``picture.png`` and ``page.html``.
        results: what ``results.json`` holds.
        made: what ``made.json`` holds: command and wall times.
    """

    folder: Path
    results: dict[str, Any]
    made: dict[str, Any]

    @property
    def failed(self) -> dict[str, str]:
        """Runs that did not finish, and why."""
        return dict(self.results["failed"])

    @property
    def exit_code(self) -> int:
        """Of the command: 2 where a run is missing."""
        return 2 if self.failed else 0

    @property
    def last_line(self) -> str:
        """Tuning, what is missing, and where the rest is."""
        from viewloom.report.comparison import warnings

        tuning, count = self.results["tuning"], len(warnings(self.results))
        lines = [tuning["budget"], *tuning["lines"]] if tuning else []
        lines += [f"{run} did not finish: {why}" for run, why in self.failed.items()]
        lines += [f"{count} warning{'s' * (count != 1)} of runs: see {self.folder / 'table.md'}"] if count else []
        return "\n".join([*lines, str(self.folder / "page.html")])

    def table(self) -> "DataFrame":
        """One line a data set, view and row, with all scores in percent."""
        from pandas import DataFrame

        columns, lines = csv_table(self.results, self.made)
        found: DataFrame = DataFrame(lines, columns=columns)
        return found

    def tables(self) -> "list[Table]":
        """For the console."""
        from viewloom.report.comparison import console_tables

        return console_tables(self.results, self.made)

    def __repr__(self) -> str:
        return markdown(self.results, self.made).removeprefix(MARK).lstrip()


def run_compare(config: CompareConfig) -> ComparisonResult | str:
    """Run (or plan) the comparison of a file; a plan is a text."""
    return compare(read_comparison(config), config.plan, config.docs)


def compare(comparison: Comparison, plan: bool = False, docs: str | None = None) -> ComparisonResult | str:
    """Run a comparison, or say what would run.

    Raises:
        ConfigError, DataError: settings or data that can't work, before anything runs; not one row that finished.
    """
    check_page(docs, MARK)
    if not plan:
        refuse_folder(comparison.out, None, own=RUNS)
    benches = [Bench.of(entry) for entry in comparison.data]
    if comparison.tuning is not None and plan and not _trials_finished(comparison, benches):
        return plan_text(comparison, benches, {}, tuned_yet=False)
    tuned = {bench.entry.name: tune(comparison, bench) for bench in benches}
    if plan:
        return plan_text(comparison, benches, tuned, tuned_yet=True)
    cells = all_cells(comparison, benches, tuned)
    runs = unique_runs([cell.evaluation for cell in cells])
    for bench in benches:
        refuse_rewritten(bench, [run for cell in cells if cell.data == bench.entry.name for run in runs_of(cell)])
    failed = launch(comparison, runs)
    if not any(cell.evaluation.finished for cell in cells):
        raise ConfigError(f"Not one run finished. {'; '.join(f'{n}: {w}' for n, w in reasons(failed, runs).items())}")
    return write(comparison, benches, cells, tuned, reasons(failed, runs), docs)


def runs_of(cell: Cell) -> list[PlannedRun]:
    """The runs of a cell, each behind those it needs."""
    return unique_runs([cell.evaluation])


def all_cells(comparison: Comparison, benches: Sequence[Bench], tuned: Mapping[str, Sequence[Tuned]]) -> list[Cell]:
    """The rows of all data sets with all seeds, methods as they were tuned there."""
    found = []
    for bench in benches:
        entries = {one.entry.name: one.entry for one in tuned.get(bench.entry.name, ())}
        found += Builder(comparison, bench, entries).cells()
    return found


def runs_of_rows(cells: Sequence[Cell], folder: Path) -> dict[str, dict[str, dict[str, str | None]]]:
    """Run folders behind each row, by seed, relative to the comparison's: of its scores, and of its refiner if any."""
    found: dict[str, dict[str, dict[str, str | None]]] = {}
    for cell in cells:
        refiner = next((run.folder for run in runs_of(cell) if run.kind == "pretrain"), None)
        paths = {"run": cell.evaluation.folder, "refiner": refiner}
        seeds = found.setdefault(cell.row.key, {})
        seeds["" if cell.seed is None else str(cell.seed)] = {
            name: None if path is None else Path(os.path.relpath(path, folder)).as_posix()
            for name, path in paths.items()
        }
    return found


def refuse_rewritten(bench: Bench, runs: Sequence[PlannedRun]) -> None:
    """`ConfigError` where features too large to compare whole were written again since a run was finished."""
    source, compared = bench.dataset.source, bench.entry.config.compare_features
    written = written_facts(source, views_in_use(source, source.recordings, bench.entry.views))
    for run in runs:
        if run.kind in ("pretrain", "train") and run.mismatch is None and run.finished:
            refuse_written_again(run.folder, written, compared)


def tune(comparison: Comparison, bench: Bench) -> list[Tuned]:
    """Try settings of every method, with the same budget, and choose."""
    if comparison.tuning is None:
        return []
    builder, tuning = Builder(comparison, bench), comparison.tuning
    every = [trials(builder, entry, tuning) for entry in comparison.methods]
    todo = unique_runs([trial.run for found in every if len(found) > 1 for trial in found])
    if any(not run.finished for run in todo):
        err.print(
            f"{bench.entry.name}: tuning, {sum(len(found) for found in every if len(found) > 1)} trials", markup=False
        )
    launch(comparison, todo)
    return [choose(found, tuning, bench.entry.labelled) for found in every]


def _trials_finished(comparison: Comparison, benches: Sequence[Bench]) -> bool:
    assert comparison.tuning is not None
    found = [
        trials(Builder(comparison, bench), entry, comparison.tuning)
        for bench in benches
        for entry in comparison.methods
    ]
    return all(trial.run.finished for of_method in found if len(of_method) > 1 for trial in of_method)


def launch(comparison: Comparison, runs: Sequence[PlannedRun]) -> dict[Key, str]:
    """Do what is not finished, here or by Slurm; returns what failed."""
    works = works_of(comparison, runs)
    if all(run.finished for run in runs):
        return {}
    jobs = comparison.jobs or cores()
    launcher: Launcher
    if comparison.launch == "slurm":
        from viewloom.recipes.compare.slurm import SlurmLauncher

        launcher = SlurmLauncher(comparison.slurm, Path(comparison.out) / "slurm")
        return run_graph(works, launcher, comparison.slurm.at_once)
    launcher = LocalLauncher(jobs)
    return run_graph(works, launcher, jobs)


def works_of(comparison: Comparison, runs: Sequence[PlannedRun]) -> list[Work]:
    """Runs as they are handed out, with the modules that add their methods and heads."""
    used = [METHODS.get(entry.method) for entry in comparison.methods if entry.method != AUTO]
    used += [HEADS.get(entry.head) for entry in comparison.heads]
    modules = tuple(dict.fromkeys(cls.__module__ for cls in used if not cls.__module__.startswith("viewloom.")))
    return [Work(run, Path(comparison.out), modules) for run in runs]


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plan_text(
    comparison: Comparison, benches: Sequence[Bench], tuned: Mapping[str, Sequence[Tuned]], *, tuned_yet: bool
) -> str:
    """Rows, runs and what is finished; with tuning still to do, its trials."""
    lines = []
    if not tuned_yet:
        assert comparison.tuning is not None
        for bench in benches:
            for entry in comparison.methods:
                count = len(trials(Builder(comparison, bench), entry, comparison.tuning))
                lines.append(f"{bench.entry.name}: tuning of {entry.name}: {count if count > 1 else 'no'} trials")
        lines.append("The runs below are those of the stated settings; tuning may choose others.")
    cells = all_cells(comparison, benches, tuned)
    rows = dict.fromkeys((cell.data, cell.row.key, cell.row.role) for cell in cells)
    lines += [f"{data}: {key}" + ("" if role == "method" else f" ({role})") for data, key, role in rows]
    runs = unique_runs([cell.evaluation for cell in cells])
    todo = [run for run in runs if not run.finished]
    lines += [f"{len(rows)} rows, {len(runs)} runs, {len(runs) - len(todo)} of them finished; to do:"]
    return "\n".join([*lines, *(f"  {run.label} -> {run.folder}" for run in todo), *_time_left(comparison, runs)])


def _time_left(comparison: Comparison, runs: Sequence[PlannedRun]) -> list[str]:
    """How long the rest may take, where finished runs tell."""
    jobs = comparison.jobs or cores()
    clock, todo = Clock(jobs), [run for run in runs if not run.finished]
    for work in works_of(comparison, runs):
        if work.run.finished and seconds_of(work):
            clock.note(work.run, seconds_of(work))
    left = clock.left(todo)
    return [
        f"about {spoken(left)}, {jobs} at once" if todo and left else "no run has finished yet to tell the time by"
    ][: bool(todo)]


def write(
    comparison: Comparison,
    benches: Sequence[Bench],
    cells: Sequence[Cell],
    tuned: Mapping[str, Sequence[Tuned]],
    failed: Mapping[str, str],
    docs: str | None,
) -> ComparisonResult:
    """Write results, tables, picture and page into the comparison's folder."""
    from viewloom.report.comparison_page import save_page
    from viewloom.report.comparison_picture import save_comparison

    folder = Path(comparison.out)
    of_data = {bench.entry.name: [cell for cell in cells if cell.data == bench.entry.name] for bench in benches}
    results = {
        "viewloom": __version__,
        "settings": comparison.values,
        "seeds": list(comparison.seeds),
        "tuning": _tuning(comparison, tuned),
        "tables": [table_of(bench, of_data[bench.entry.name]) for bench in benches],
        "failed": dict(failed),
    }
    works = works_of(comparison, unique_runs([cell.evaluation for cell in cells]))
    seconds = {key_of(work.run): seconds_of(work) for work in works}
    made: dict[str, Any] = {
        "command": command(),
        "seconds": {name: seconds_of_rows(own, seconds) for name, own in of_data.items()},
        "all_seconds": sum(seconds.values()),
        "runs": {name: runs_of_rows(own, folder) for name, own in of_data.items()},
    }
    write_json(folder / "results.json", results)
    write_json(folder / "made.json", made)
    page = markdown(results, made)
    write_text(folder / "table.md", page)
    write_csv(folder / "table.csv", *csv_table(results, made))
    write_text(folder / "table.tex", latex(results))
    save_comparison(results, folder / "picture.png")
    save_page(folder, folder / "page.html")
    if docs is not None:
        write_text(docs, page)
    err.print(f"{spoken(made['all_seconds'])} of computing in all", markup=False)
    return ComparisonResult(folder, results, made)


def _tuning(comparison: Comparison, tuned: Mapping[str, Sequence[Tuned]]) -> dict[str, Any] | None:
    """The budget in words, and everything that was tried."""
    if comparison.tuning is None:
        return None
    unit, heads = UNITS[comparison.tuning.choose], comparison.heads
    where = f" ({heads[0].name}, labelled views)" if comparison.tuning.choose == "validation" else ""
    budget = (
        f"{comparison.tuning.trials} trials of each method on each data set, seed {comparison.seeds[0]}, chosen by "
    )
    lines = [f"{name}: {one.line(unit)}" for name, found in tuned.items() for one in found]
    details = {name: [one.as_dict() for one in found] for name, found in tuned.items()}
    return {"budget": f"{budget}{unit}{where}; never on test items.", "lines": lines, "methods": details}
