"""`viewloom experiment`: all rows of one of the report's tables, with equal head settings and seeds."""

from dataclasses import replace
from pathlib import Path

from viewloom.console import err
from viewloom.dataset.chosen_splits import split_folder
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.multilabel import refuse_multi
from viewloom.dataset.opening import find_files, open_dataset
from viewloom.dataset.settings import SamplingConfig
from viewloom.dataset.splits import DRAWN, VARIANTS
from viewloom.errors import ConfigError, UserError
from viewloom.features.content import views_in_use, written_facts
from viewloom.identity import Identity, settings_of
from viewloom.locks import alone
from viewloom.outputs import RUNS, refuse_folder
from viewloom.recipes.benchmarks.command import run_benchmark
from viewloom.recipes.benchmarks.tables import BENCHMARKS
from viewloom.recipes.docs_page import check_page
from viewloom.recipes.jobs import make_jobs, table_views
from viewloom.recipes.plan import plan_text
from viewloom.recipes.planned import PlannedRun, data_identity, unique_runs
from viewloom.recipes.results import MARK, write_results
from viewloom.recipes.settings import ExperimentConfig
from viewloom.recipes.values import SAMPLING
from viewloom.training.evaluate import select_views
from viewloom.training.run_identity import refuse_written_again
from viewloom.windows.sampling import Sampling, over_saved, resolve_sampling


def run_experiment(config: ExperimentConfig) -> str | None:
    """Run (or plan) a table; returns the plan's or the results' text."""
    if config.table in BENCHMARKS:
        return run_benchmark(config)
    config = with_variant(complete(config))
    dataset = open_dataset(config)
    refuse_multi(dataset.labels, "viewloom experiment")
    select_views(",".join(table_views(config)), dataset)  # names a view that the data lacks
    config = replace(config, sampling=recipe_sampling(config.sampling, dataset.source.fps).as_request())
    data = data_identity(dataset, table_views(config), config.compare_features)
    jobs = make_jobs(config, dataset, data)
    if config.plan:
        return plan_text(config, dataset, unique_runs([job.evaluation for job in jobs]))
    refuse_folder(config.out, None, own=RUNS)
    check_page(config.docs, MARK)
    runs = unique_runs([job.evaluation for job in jobs])
    refuse_rewritten(config, dataset, runs)
    folder = results_folder(config, data)
    with alone(folder, "viewloom experiment"):
        failed = run_all(runs)
        text = write_results(config, dataset, folder, jobs, failed)
    if failed:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in failed.items())
        raise ConfigError(f"{len(failed)} run(s) did not finish, and the table lacks them. {reasons}")
    return text


def recipe_sampling(request: SamplingConfig, fps: float) -> Sampling:
    """The recipes' sampling, but for what is set."""
    return resolve_sampling(over_saved(request, resolve_sampling(SAMPLING, fps), fps), fps)


def with_variant(config: ExperimentConfig) -> ExperimentConfig:
    """Table 5 takes its published split lists where they are and no others were asked for."""
    if config.table != "table5" or config.split_variant != "auto" or config.splits in DRAWN:
        return config
    folder = split_folder(*find_files(config))
    names = [name for files in VARIANTS["triple"].files.values() for name in files]
    if folder is None or not all((folder / name).exists() for name in names):
        return config
    err.print("note: Table 5 takes the split variant triple, whose lists share recordings, as published.")
    return replace(config, split_variant="triple", allow_overlap=config.allow_overlap or "triple")


def run_all(runs: list[PlannedRun]) -> dict[str, str]:
    """Run what is not finished; a run that can't be run is reported and left out, with all that needs it."""
    failed: dict[str, str] = {}
    for number, run in enumerate(runs, 1):
        where = f"[{number}/{len(runs)}] {run.label}"
        if run.finished:
            err.print(f"{where}: finished before", markup=False)
            continue
        if any(needed.label in failed for needed in run.needs):
            failed[run.label] = "needs a run that failed"
            continue
        err.print(f"{where} -> {run.folder}", markup=False)
        try:
            run.run()
        except UserError as error:
            failed[run.label] = str(error)
            err.print(f"{run.label} FAILED: {error}", markup=False)
    return failed


def refuse_rewritten(config: ExperimentConfig, dataset: MultiViewDataset, runs: list[PlannedRun]) -> None:
    """`ConfigError` where features too large to compare whole were written again since a run was finished."""
    pairs = views_in_use(dataset.source, dataset.source.recordings, table_views(config))
    written = written_facts(dataset.source, pairs)
    for run in runs:
        if run.kind != "evaluate" and run.finished:
            refuse_written_again(run.folder, written, config.compare_features)


def results_folder(config: ExperimentConfig, data: Identity) -> Path:
    """Folder of a table's results: another for each table, for other settings, and for other data."""
    scale = f"-scale{config.scale:g}" if config.scale != 1 else ""
    key = Identity({"settings": settings_of(config), "data": {"key": data.key}}).key
    return Path(config.out) / f"{config.table}-{config.setting}{scale}-{key}"
