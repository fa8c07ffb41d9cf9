"""The cross-validations that a table of a data set with folds is made of: one for each head and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from viewloom.console import err
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.folds import Fold
from viewloom.errors import DataError, UserError, listed
from viewloom.identity import Identity
from viewloom.outputs import NOWHERE
from viewloom.recipes.benchmarks.tables import HeadRow, head_rows
from viewloom.recipes.benchmarks.values import Values, training_values
from viewloom.recipes.crossval import fold_content, run_crossval
from viewloom.recipes.planned import data_settings, run_key
from viewloom.recipes.settings import CrossvalConfig, ExperimentConfig, parse_numbers
from viewloom.recipes.values import apply, scaled_values
from viewloom.registry import HEADS
from viewloom.training.evaluate import select_views


@dataclass(frozen=True)
class HeadRun:
    """A head with one seed on all folds.

    Attributes:
        row: the head.
        seed: of everything.
        config: settings of its cross-validation, whose run folder they name.
    """

    row: HeadRow
    seed: int
    config: CrossvalConfig

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.row.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Run folder of the cross-validation."""
        return Path(self.config.run)


def only_view(dataset: MultiViewDataset) -> str:
    """The one view of a data set of these tables."""
    views = select_views(None, dataset)
    if len(views) != 1:
        raise DataError(
            f"{dataset.root} has {len(views)} views ({listed(views)}), but these tables are of one. Pass --features "
            "with those of one view, or run each head with `viewloom crossval`."
        )
    return views[0]


def values_of(config: ExperimentConfig, row: HeadRow) -> Values:
    """The recipe of a head, scaled."""
    return scaled_values(training_values(config.table, row.name), config.scale)


def head_runs(config: ExperimentConfig, dataset: MultiViewDataset, folds: Sequence[Fold]) -> list[HeadRun]:
    """Every head with every seed, head by head; their folders tell settings and data apart."""
    view, data = only_view(dataset), None
    runs = []
    for row in head_rows(config.table, config.rows):
        for seed in parse_numbers("seeds", config.seeds):
            settings = _settings(config, dataset, row, seed, view)
            data = data or fold_content(settings, dataset, folds).identity(None)
            runs.append(HeadRun(row, seed, replace(settings, run=_folder(config, row, seed, settings, data))))
    return runs


def _settings(
    config: ExperimentConfig, dataset: MultiViewDataset, row: HeadRow, seed: int, view: str
) -> CrossvalConfig:
    plain = {name: sourced.value for name, sourced in values_of(config, row).items()}
    actions = () if dataset.labels is None else dataset.labels.actions
    settings = CrossvalConfig(
        **data_settings(config),
        run=NOWHERE,
        views=view,
        folds=config.folds,
        seed=seed,
        name=row.title,
        workers=config.workers,
        trainer=replace(config.trainer, devices="1"),
        head_options=HEADS.settings(row.name)(),
        protocol=row.protocol,
        background=",".join(name for name in row.background.split(",") if name in actions),
    )
    return apply(settings, plain | {"head": row.name})


def _folder(config: ExperimentConfig, row: HeadRow, seed: int, settings: CrossvalConfig, data: Identity) -> str:
    key = run_key(replace(settings, name=None), data)
    return str(Path(config.out) / "runs" / f"{config.table}-{row.name}-seed{seed}-{key}")


def run_heads(runs: Sequence[HeadRun]) -> Mapping[str, str]:
    """Run what is not finished, head by head, fold by fold; returns what did not finish, and why."""
    failed: dict[str, str] = {}
    for number, run in enumerate(runs, 1):
        err.print(f"[{number}/{len(runs)}] {run.label} -> {run.folder}", markup=False)
        try:
            result = run_crossval(run.config)
        except UserError as error:
            failed[run.label] = str(error)
            err.print(f"{run.label} FAILED: {error}", markup=False)
            continue
        assert not isinstance(result, str), "nothing is planned here"
        failed |= {f"{run.label}, {fold}": why for fold, why in result.missing.items()}
    return failed
