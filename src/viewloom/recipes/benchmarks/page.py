"""The table of a data set with folds: ours and what papers print, and what would make the two incomparable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import listed
from viewloom.names import names_in
from viewloom.recipes.benchmarks.published import PUBLISHED
from viewloom.recipes.benchmarks.scores import HeadResult
from viewloom.recipes.benchmarks.tables import BENCHMARKS, Benchmark, HeadRow
from viewloom.recipes.published import SCORES, Figures
from viewloom.recipes.results import MARK, NAMES, command
from viewloom.recipes.settings import ExperimentConfig
from viewloom.version import __version__

DIM = 2048
"""Size of the I3D features that all these papers use."""


@dataclass(frozen=True)
class Table:
    """What a page is made of.

    Attributes:
        config: settings.
        dataset: the data set.
        view: its view.
        folds: folds that it has.
        rows: heads asked for.
        results: of heads with a finished fold, by their own paper's scoring and by the shared one.
        failed: what did not finish, and why.
    """

    config: ExperimentConfig
    dataset: MultiViewDataset
    view: str
    folds: int
    rows: tuple[HeadRow, ...]
    results: Sequence[HeadResult]
    failed: Mapping[str, str]

    @property
    def benchmark(self) -> Benchmark:
        """The data set as papers have it."""
        return BENCHMARKS[self.config.table]

    def of(self, row: HeadRow) -> list[HeadResult]:
        """Results of a head, its own paper's scoring first."""
        return [result for result in self.results if result.row == row]


def page(table: Table) -> str:
    """The page as Markdown."""
    lines = [*_header(table), *_body(table), "## Published figures", "", *_sources(table), ""]
    lines += ["## What would make them incomparable", "", *_caveats(table)]
    return "\n".join(lines) + "\n"


def _header(table: Table) -> list[str]:
    config, dataset, benchmark = table.config, table.dataset, table.benchmark
    scale = "full size" if config.scale == 1 else f"{config.scale:g}: epochs shrunk by this factor"
    simulated = "yes: figures say nothing about real video, nor about the papers" if dataset.simulated else "no"
    folds = {result.folds for result in table.results}
    facts = {
        "command": f"`{command()}`",
        "data set": f"{dataset.name}, {len(dataset.source.recordings)} videos",
        "simulated": simulated,
        "comparable": "no: see what differs here"
        if found_differences(table)
        else "as far as can be seen; what can't stands below",
        "folds": f"{table.folds}, scored: {listed(sorted(folds)) if folds else 'none'}",
        "scale": scale,
        "seeds": config.seeds,
        "viewloom": __version__,
    }
    return [MARK, f"# {benchmark.title}", "", *(f"- {name}: {fact}" for name, fact in facts.items()), ""]


def _body(table: Table) -> list[str]:
    lines = [
        "## Mean over folds",
        "",
        f"| head | scored by | | {' | '.join(NAMES)} |",
        "|---|---|---|" + "---|" * len(NAMES),
    ]
    for row in table.rows:
        for place, result in enumerate(table.of(row)):
            lines += _row_lines(table.config.table, result, place == 0)
    return [*lines, ""]


def _row_lines(table: str, result: HeadResult, own: bool) -> list[str]:
    """Markdown lines of one head by one scoring; by its own, with the published figures."""
    spread = result.deviation or (None,) * len(SCORES)
    ours = [f"{m:.2f}" + ("" if d is None else f" ± {d:.2f}") for m, d in zip(result.mean, spread, strict=True)]
    lines = [_line(result.row.title if own else "", str(result.scoring), "ours", ours)]
    if own and (printed := PUBLISHED[table].get(result.row.name)) is not None:
        lines.append(_line("", "", "published", [f"{value:.1f}" for value in printed.figures]))
        differences = [f"{m - p:+.2f}" for m, p in zip(result.mean, printed.figures, strict=True)]
        lines.append(_line("", "", "difference", differences))
    return lines


def _line(head: str, scoring: str, what: str, values: Sequence[str]) -> str:
    return f"| {head} | {scoring} | {what} | {' | '.join(values)} |"


def _sources(table: Table) -> list[str]:
    lines = []
    for row in table.rows:
        printed = PUBLISHED[table.config.table][row.name]
        doubt = (
            "" if printed.compared else " These figures were compared with no second listing: look before quoting them."
        )
        lines.append(f"- {row.title}: {printed.source}.{doubt} Settings: {row.code}.")
    return lines


def _caveats(table: Table) -> list[str]:
    """What one needs to know before ours and theirs are held against each other."""
    benchmark = table.benchmark
    lines = [f"**Here**: {fact}." for fact in found_differences(table)]
    lines += [f"{run} did not finish, and the mean lacks it: {why}" for run, why in table.failed.items()]
    lines += [
        "Choice of the epoch: here the last one, since the layout has no validation list, so nothing is chosen on what "
        "is tested. In published figures the test splits often had a say in it: "
        + "; ".join(f"{row.title}: {row.selection}" for row in table.rows)
        + ".",
        "Protocol: each head is scored by its own paper's, and below by the one that all rows share; by different ones "
        "heads don't compare.",
        "Background: " + _background(benchmark),
        "Sampling: " + _sampling(table),
        "Features: the papers' are I3D features of 2,048 values, as released with MS-TCN. Others, even of the same "
        "network, move all scores.",
        "Averages: scores of each fold, then their mean, as papers do; `viewloom crossval` pools videos: it differs.",
        "Implementation: first weights, order of videos and libraries are ours, and the releases fix one seed.",
    ]
    lines += [f"{row.title}: {text}." for row in table.rows for text in row.differences]
    return [f"- {line}" for line in lines]


def _background(benchmark: Benchmark) -> str:
    shared = benchmark.background
    text = f"segments of {shared} don't count" if shared else "every action counts"
    other = [
        f"{row.title} drops {listed(names_in(row.background))}" for row in benchmark.rows if row.background != shared
    ]
    ends = f"; {'; '.join(other)}, by its released code, which moves F1 by points" if other else ""
    return f"{text}, as MS-TCN's evaluation has it{ends}."


def _sampling(table: Table) -> str:
    text = "whole videos, one a step, every frame"
    if table.config.table == "50salads":
        text = "whole videos, one a step, every second frame (15 of 30 a second), its action said of both"
    chunks = any(row.name == "c2f_tcn" for row in table.rows)
    return text + ("; C2F-TCN: chunks pooled by their maximum, several sizes averaged." if chunks else ".")


def found_differences(table: Table) -> list[str]:
    """In what the data at hand, or the run, isn't the papers'."""
    benchmark, dataset = table.benchmark, table.dataset
    actions = 0 if dataset.labels is None else len(dataset.labels.actions)
    pairs = {
        "folds": (table.folds, benchmark.folds),
        "videos": (len(dataset.source.recordings), benchmark.videos),
        "actions": (actions, benchmark.actions),
        "values in a feature": (dataset.source.dim(table.view), DIM),
        "frames a second": (dataset.source.fps, benchmark.fps),
    }
    found = [f"{ours:g} {name}, the papers' are {theirs:g}" for name, (ours, theirs) in pairs.items() if ours != theirs]
    found += ["simulated features"] if dataset.simulated else []
    found += [f"epochs shrunk to {table.config.scale:g} of the published ones"] if table.config.scale != 1 else []
    lacking = sorted({result.row.title for result in table.results if result.folds < table.folds})
    return found + ([f"not all folds of {listed(lacking)}"] if lacking else [])


def as_data(table: Table) -> dict[str, Any]:
    """The results as plain data, for ``results.json``."""

    def named(figures: Figures | tuple[float, ...] | None) -> dict[str, float] | None:
        return None if figures is None else dict(zip(SCORES, figures, strict=True))

    rows = [
        {
            "row": result.row.name,
            "title": result.row.title,
            "protocol": result.scoring.protocol,
            "background": list(result.scoring.background),
            "mean": named(result.mean),
            "deviation": named(result.deviation),
            "folds": {str(s): {str(f): named(v) for f, v in folds.items()} for s, folds in result.seeds.items()},
            "published": named(PUBLISHED[table.config.table][row.name].figures) if place == 0 else None,
            "source": PUBLISHED[table.config.table][row.name].source if place == 0 else None,
            "selection": row.selection,
        }
        for row in table.rows
        for place, result in enumerate(table.of(row))
    ]
    facts = {"command": command(), "data": table.dataset.name, "simulated": table.dataset.simulated}
    facts |= {"table": table.config.table, "scale": table.config.scale, "viewloom": __version__}
    return facts | {"differences": found_differences(table), "rows": rows, "failed": dict(table.failed)}
