"""What a table of a data set with folds would take: settings with their sources, data, operations, hours, and folds."""

from collections.abc import Sequence
from dataclasses import replace

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.folds import Fold
from viewloom.features.base import pooled_dim
from viewloom.recipes.benchmarks.runs import HeadRun, only_view, values_of
from viewloom.recipes.benchmarks.tables import BENCHMARKS
from viewloom.recipes.crossval import plan_text as folds_text
from viewloom.recipes.fold_run import FoldRun
from viewloom.recipes.plan import Cost, Reading, reading, run_lines, training_cost
from viewloom.recipes.settings import ExperimentConfig
from viewloom.windows.sampling import resolve_sampling

LONGEST = 1200
"""Steps that a head is run on to count; longer videos count as so many of these, so that a plan takes no minutes."""


def plan_text(
    config: ExperimentConfig, dataset: MultiViewDataset, folds: Sequence[Fold], runs: Sequence[HeadRun]
) -> str:
    """The plan as text: each head once, whatever its seeds."""
    benchmark = BENCHMARKS[config.table]
    scale = "full size" if config.scale == 1 else f"scale {config.scale:g} (epochs shrunk)"
    simulated = " (simulated)" if dataset.simulated else ""
    lines = [f"{benchmark.title}, {len(folds)} folds, {scale}, seeds {config.seeds}, on {dataset.name}{simulated}", ""]
    total = 0.0
    for row in dict.fromkeys(run.row for run in runs):
        same = [run for run in runs if run.row == row]
        run = same[0]
        cost, read = fold_cost(run, dataset, folds[0])
        hours = cost.operations / config.tflops / 1e12 / 3600
        total += hours * sum(not finished(other, dataset, fold) for other in same for fold in folds)
        lines += run_lines(f"{run.row.title}, of {folds[0].title}", run.config, cost, read, hours)[:-1]
        lines += [f"  scored by    {run.row.protocol}", f"  settings     {_settings(config, run)}", ""]
        lines += [f"  {line}" for other in same for line in _folds(other, dataset, folds)] + [""]
    rate = f"about {total:,.3g} GPU-hours at {config.tflops:g} TFLOP/s"
    return "\n".join([*lines, f"{len(runs)} cross-validations: {rate} for what is left, evaluation not counted."])


def _folds(run: HeadRun, dataset: MultiViewDataset, folds: Sequence[Fold]) -> list[str]:
    return [f"seed {run.seed} -> {run.folder}", *folds_text(run.config, dataset, folds).splitlines()[1:]]


def _settings(config: ExperimentConfig, run: HeadRun) -> str:
    values = values_of(config, run.row)
    return ", ".join(f"{name} {sourced.value} ({sourced.source})" for name, sourced in values.items())


def finished(run: HeadRun, dataset: MultiViewDataset, fold: Fold) -> bool:
    """Whether a fold has its head and scores."""
    return FoldRun(run.config, replace(dataset, splits=fold.splits), fold).finished


def fold_cost(run: HeadRun, dataset: MultiViewDataset, fold: Fold) -> tuple[Cost, Reading]:
    """Cost of training one fold, and what it reads in a pass."""
    assert dataset.labels is not None
    of_fold, view = replace(dataset, splits=fold.splits), only_view(dataset)
    read = reading(of_fold, "train", [view], run.config)
    sampling = resolve_sampling(run.config.sampling, dataset.source.fps)
    dim = pooled_dim(dataset.source.dim(view), sampling.pooling)
    short = min(read.longest, LONGEST)
    none = Reading(0, 0, 0, 0, 0, 0.0)
    cost = training_cost(run.config, replace(read, longest=short), none, dim, len(dataset.labels.actions))
    return replace(cost, memory_gib=cost.memory_gib * read.longest / short), read
