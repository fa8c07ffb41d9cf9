"""The table of an experiment: our mean and deviation over seeds, the published figures, and the differences."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.files import write_json, write_text
from viewloom.identity import settings_of
from viewloom.recipes.jobs import Job, table_views
from viewloom.recipes.planned import unique_runs
from viewloom.recipes.published import SCORES, Figures
from viewloom.recipes.settings import ExperimentConfig
from viewloom.recipes.tables import Row, published, table_rows
from viewloom.report.gaps import Footnotes, Gap, gap_closed
from viewloom.report.runs import Run, load_run
from viewloom.training.runs import read_json
from viewloom.version import __version__

NAMES = ("Edit", "F1@10", "F1@25", "F1@50", "MoF")
MARK = "<!-- written by viewloom experiment -->"
"""First line of every page this writes; a file without it is never replaced."""


@dataclass(frozen=True)
class Result:
    """One row in one view.

    Attributes:
        row: the row.
        view: a view's name, or ``mean`` over all views.
        kind: ego, exo or mean: whose published figures stand beside.
        seeds: scores of each seed (percent), in the order of `SCORES`.
        warnings: what its runs said: that features collapsed, or that nothing was learned.
        gap: share of the way from naive to the oracle that its seeds close on the view, by their mean.
    """

    row: Row
    view: str
    kind: str
    seeds: Mapping[int, Figures]
    warnings: tuple[str, ...]
    gap: Gap

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each score over seeds."""
        return tuple(fmean(values) for values in zip(*self.seeds.values(), strict=True))

    @property
    def deviation(self) -> tuple[float, ...] | None:
        """Standard deviation over seeds (n - 1), or None for a single one."""
        if len(self.seeds) < 2:
            return None
        return tuple(stdev(values) for values in zip(*self.seeds.values(), strict=True))


def collect(config: ExperimentConfig, jobs: Sequence[Job]) -> list[Result]:
    """Results of what is finished, view by view, ego before exo, in each the rows in order."""
    views = table_views(config)
    kinds = {view: "ego" if view == config.ego else "exo" for view in reversed(views)}
    if len(views) > 2:
        kinds = {"mean": "mean"} | kinds
    results, runs = [], scored_runs(jobs)
    for view, kind in kinds.items():
        for row in table_rows(config.table, config.rows):
            mine = [job for job in jobs if job.row == row and job.evaluation.finished]
            seeds = {job.seed: scores_of(job, view, views) for job in mine}
            warnings = tuple(w for job in mine for w in warnings_of(job))
            if seeds:
                ours = [run for run in runs if run.name == row.name]
                warnings += tuple(dict.fromkeys(run.learned for run in ours if run.learned))
                gap = Gap(None) if view == "mean" else gap_closed(runs, ours, view)
                results.append(Result(row, view, kind, seeds, warnings, gap))
    return results


def scored_runs(jobs: Sequence[Job]) -> list[Run]:
    """What is finished, as the report sees it, under the names of the table's rows."""
    return [replace(load_run(job.evaluation.folder), name=job.row.name) for job in jobs if job.evaluation.finished]


def scores_of(job: Job, view: str, views: Sequence[str]) -> Figures:
    """Scores of a job in a view, or their mean over views."""
    found = read_json(job.evaluation.folder / "metrics.json")["views"]
    each = [[found[v]["scores"][name] for name in SCORES] for v in (views if view == "mean" else [view])]
    return tuple(fmean(values) for values in zip(*each, strict=True))  # type: ignore[return-value]


def warnings_of(job: Job) -> list[str]:
    """Warnings of the runs behind a job."""
    found = []
    for run in unique_runs([job.evaluation]):
        if run.kind == "pretrain":
            found += read_json(run.folder / "invariance.json")["warnings"]
        elif run.kind == "train":
            found += read_json(run.folder / "environment.json").get("warnings", [])
    return [f"seed {job.seed}: {warning}" for warning in found]


def write_results(
    config: ExperimentConfig,
    dataset: MultiViewDataset,
    folder: Path,
    jobs: Sequence[Job],
    failed: Mapping[str, str],
) -> str:
    """Write ``results.json`` and ``table.md`` into the table's folder, and the page; returns what to show."""
    results = collect(config, jobs)
    lines = header(config, dataset) + body(config, results) + notes(config, results, failed)
    text = "\n".join(lines) + "\n"
    write_json(folder / "results.json", as_data(config, dataset, results, failed))
    write_text(folder / "table.md", text)
    if config.docs is not None:
        write_text(config.docs, text)
    return f"{text}\n{folder / 'results.json'}"


def header(config: ExperimentConfig, dataset: MultiViewDataset) -> list[str]:
    """Title, and how the table came about."""
    scale = "full size" if config.scale == 1 else f"{config.scale:g}: epochs and layers shrunk by this factor"
    simulated = "yes: figures say nothing about real video, nor about the report" if dataset.simulated else "no"
    facts = {
        "command": f"`{command()}`",
        "setting": config.setting,
        "scale": scale,
        "seeds": config.seeds,
        "head": head_text(config),
        "data set": dataset.name,
        "simulated": simulated,
        "viewloom": __version__,
    }
    return [MARK, f"# {config.table.replace('table', 'Table ')}", "", *(f"- {k}: {v}" for k, v in facts.items()), ""]


def head_text(config: ExperimentConfig) -> str:
    """The head, and in what it is not the recipe's."""
    head = f"{config.head} instead of c2f_tcn" if config.head else "c2f_tcn"
    epochs = f", {config.head_epochs} epochs instead of the recipe's" if config.head_epochs else ""
    batch = f", batch size {config.head_batch_size} instead of 64" if config.head_batch_size else ""
    width = f", width {config.head_width} instead of the recipe's" if config.head_width else ""
    return head + epochs + batch + width


def command() -> str:
    """The command as it was typed, without the folders of this machine."""
    return shlex.join([Path(sys.argv[0]).name, *map(_without_folders, sys.argv[1:])])


def _without_folders(word: str) -> str:
    """An argument whose absolute path, if it has one, is cut to its last name."""
    option, equals, value = word.rpartition("=")
    return f"{option}{equals}{Path(value).name}" if value.startswith("/") else word


def body(config: ExperimentConfig, results: Sequence[Result]) -> list[str]:
    """One table a view: ours, published, difference."""
    lines: list[str] = []
    gaps, marks = any(result.gap.closed is not None for result in results), Footnotes()
    names = [*NAMES, *(["gap closed"] if gaps else [])]
    for view in dict.fromkeys(result.view for result in results):
        mine = [result for result in results if result.view == view]
        title = "Mean over the views" if view == "mean" else f"Scored on {view} ({mine[0].kind})"
        lines += [f"## {title}", "", f"| row | | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for result in mine:
            lines += row_lines(config.table, result, marks if gaps else None)
        lines.append("")
    return [*lines, *(f"{line}\n" for line in marks.lines())]


def row_lines(table: str, result: Result, marks: Footnotes | None = None) -> list[str]:
    """Markdown lines of one result; with the gap closed, and marks of what is missing of it, where marks are taken."""
    spread = result.deviation or (None,) * len(SCORES)
    ours = [f"{m:.2f}" + ("" if d is None else f" ± {d:.2f}") for m, d in zip(result.mean, spread, strict=True)]
    closed = [] if marks is None else [f"{result.gap}{marks.mark(result.gap.why)}"]
    blank = [""] * len(closed)
    words = {"COLLAPSE of": " **COLLAPSED**", "LEARNED NOTHING": " **LEARNED NOTHING**"}
    words |= {"it learned from recordings": " **LEARNED FROM SCORED RECORDINGS**"}
    mark = next((mark for word, mark in words.items() if word in " ".join(result.warnings)), "")
    lines = [_line(result.row.title + mark, "ours", ours + closed)]
    figures = published(table, result.row.name, result.kind)
    if figures is not None:
        lines.append(_line("", "published", [f"{value:.2f}" for value in figures] + blank))
        differences = [f"{m - p:+.2f}" for m, p in zip(result.mean, figures, strict=True)]
        lines.append(_line("", "difference", differences + blank))
    return lines


def _line(*cells: Any) -> str:
    name, what, values = cells
    return f"| {name} | {what} | {' | '.join(values)} |"


def notes(config: ExperimentConfig, results: Sequence[Result], failed: Mapping[str, str]) -> list[str]:
    """What one needs to read the table."""
    lines = ["Percent; mean ± standard deviation over seeds. Every row has the same head settings and seeds."]
    if any(result.gap.closed is not None for result in results):
        lines.append(
            "Gap closed: (row - naive) / (oracle - naive) of F1@50, by means over seeds, with its 95 % interval over "
            "recordings, the same ones drawn for all three."
        )
    if config.table == "table5":
        lines.append("The report gives one set of figures for all views; it stands beside our mean over the views.")
    if config.table in ("table1", "table2"):
        lines.append("Tables 1 and 2 share their rows, and so their runs.")
    warnings = dict.fromkeys(f"{result.row.title}: {warning}" for result in results for warning in result.warnings)
    lines += [f"{run} did not finish: {reason}" for run, reason in failed.items()]
    return [*(f"- {line}" for line in (*lines, *warnings))]


def gap_data(gap: Gap) -> dict[str, Any]:
    """The gap closed as plain data."""
    ends = {"low": gap.interval.low, "high": gap.interval.high} if gap.interval else {"low": None, "high": None}
    return {"closed": gap.closed, **ends, "note": gap.why}


def as_data(
    config: ExperimentConfig, dataset: MultiViewDataset, results: Sequence[Result], failed: Mapping[str, str]
) -> dict[str, Any]:
    """The results as plain data, for ``results.json``."""
    rows = [
        {
            "row": result.row.name,
            "title": result.row.title,
            "view": result.view,
            "kind": result.kind,
            "mean": dict(zip(SCORES, result.mean, strict=True)),
            "deviation": dict(zip(SCORES, result.deviation, strict=True)) if result.deviation else None,
            "seeds": {str(seed): dict(zip(SCORES, values, strict=True)) for seed, values in result.seeds.items()},
            "published": dict(zip(SCORES, figures, strict=True)) if figures else None,
            "warnings": list(result.warnings),
            "gap_closed": gap_data(result.gap),
        }
        for result in results
        for figures in [published(config.table, result.row.name, result.kind)]
    ]
    facts = {"command": command(), "data": dataset.name, "simulated": dataset.simulated, "viewloom": __version__}
    return json.loads(json.dumps(settings_of(config) | facts | {"rows": rows, "failed": dict(failed)}))  # type: ignore[no-any-return]
