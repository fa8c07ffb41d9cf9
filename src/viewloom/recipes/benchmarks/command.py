"""`viewloom experiment --table 50salads | breakfast | gtea`: heads as published, on all folds, beside theirs."""

from collections.abc import Sequence
from pathlib import Path

from viewloom.dataset.chosen_splits import folds_of
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.folds import Fold
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.files import write_json, write_text
from viewloom.identity import Identity, settings_of
from viewloom.names import names_in
from viewloom.outputs import RUNS, refuse_folder
from viewloom.recipes.benchmarks.page import Table, as_data, page
from viewloom.recipes.benchmarks.plan import plan_text
from viewloom.recipes.benchmarks.runs import HeadRun, head_runs, only_view, run_heads
from viewloom.recipes.benchmarks.scores import HeadResult, Scoring, head_result
from viewloom.recipes.benchmarks.tables import BENCHMARKS, HeadRow, head_rows
from viewloom.recipes.crossval import chosen_folds
from viewloom.recipes.docs_page import check_page
from viewloom.recipes.results import MARK
from viewloom.recipes.settings import ExperimentConfig


def run_benchmark(config: ExperimentConfig) -> str:
    """Run (or plan) the heads of a table on all folds of a data set; returns the plan's or the results' text."""
    if config.sampling != SamplingConfig():
        raise ConfigError(f"--sampling has no say in {config.table}: each head has its own. Leave it out.")
    config = with_facts(config)
    dataset = open_dataset(config, with_splits=False)
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and a head can't be trained without. Pass --labels.")
    folds = folds_of(*find_files(config), dataset.source.recordings, dataset.labels)
    if not folds:
        raise DataError(
            f"{dataset.root} has no folds: no MS-TCN bundles train.split1.bundle, ... in splits/. Bring them."
        )
    runs = head_runs(config, dataset, folds)
    if config.plan:
        return plan_text(config, dataset, chosen_folds(runs[0].config, dataset, folds), runs)
    refuse_folder(config.out, None, own=RUNS)
    check_page(config.docs, MARK)
    failed = run_heads(runs)
    results = all_results(config, runs, folds, dataset)
    view, rows = only_view(dataset), head_rows(config.table, config.rows)
    table = Table(config, dataset, view, len(folds), rows, results, failed)
    text = write_table(table, results_folder(config, runs))
    if failed:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in failed.items())
        raise ConfigError(f"{len(failed)} run(s) did not finish, and the table lacks them. {reasons}")
    return text


def with_facts(config: ExperimentConfig) -> ExperimentConfig:
    """The settings, where neither the user nor ``dataset.yaml`` says otherwise with the data set's frame rate, with
    each video a recording of its own, and with labels behind the last feature cut, as released code does."""
    return complete(config, layout="mstcn", past_end="cut", fps=BENCHMARKS[config.table].fps)


def all_results(
    config: ExperimentConfig, runs: Sequence[HeadRun], folds: Sequence[Fold], dataset: MultiViewDataset
) -> list[HeadResult]:
    """Every head by its own paper's scoring, and by the one that all rows share where that is another."""
    view, results = only_view(dataset), []
    for row in head_rows(config.table, config.rows):
        for scoring in scorings(config.table, row, dataset):
            result = head_result(row, scoring, runs, folds, view)
            results += [result] if result is not None else []
    return results


def scorings(table: str, row: HeadRow, dataset: MultiViewDataset) -> tuple[Scoring, ...]:
    """A head's own paper's scoring, and the one that all rows share; of background what the data has."""
    actions = () if dataset.labels is None else dataset.labels.actions

    def there(names: str) -> tuple[str, ...]:
        return tuple(name for name in names_in(names) if name in actions)

    own, shared = (
        Scoring(row.protocol, there(row.background)),
        Scoring("canonical", there(BENCHMARKS[table].background)),
    )
    return (own,) if own == shared else (own, shared)


def write_table(table: Table, folder: Path) -> str:
    """Write ``results.json`` and ``table.md`` into the table's folder, and the page; returns what to show."""
    text = page(table)
    write_json(folder / "results.json", as_data(table))
    write_text(folder / "table.md", text)
    if table.config.docs is not None:
        write_text(table.config.docs, text)
    return f"{text}\n{folder / 'results.json'}"


def results_folder(config: ExperimentConfig, runs: Sequence[HeadRun]) -> Path:
    """Folder of a table's results: another for other settings, and for other data, by the runs it is made of."""
    scale = f"-scale{config.scale:g}" if config.scale != 1 else ""
    key = Identity({"settings": settings_of(config), "runs": {run.label: run.folder.name for run in runs}}).key
    return Path(config.out) / f"{config.table}{scale}-{key}"
