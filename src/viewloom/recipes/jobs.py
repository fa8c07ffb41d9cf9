"""The rows of a table with their seeds, and the runs that each of them needs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import common_dim, pooled_dim
from viewloom.identity import Identity
from viewloom.outputs import NOWHERE
from viewloom.recipes.planned import PlannedRun, data_settings, run_key
from viewloom.recipes.settings import ExperimentConfig, parse_numbers
from viewloom.recipes.tables import TABLES, Row, table_rows
from viewloom.recipes.values import apply, head_values, pretrain_values, scaled_values
from viewloom.registry import HEADS, METHODS
from viewloom.training.length import validation_interval
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig


@dataclass(frozen=True)
class Job:
    """One row with one seed: the runs that lead to its scores, the last of which is the evaluation."""

    row: Row
    seed: int
    evaluation: PlannedRun


def make_jobs(config: ExperimentConfig, dataset: MultiViewDataset, data: Identity) -> list[Job]:
    """All rows with all seeds, row by row."""
    views = table_views(config)
    if dataset.labels is None:
        raise DataError(f"{dataset.root} has no labels, and no head can be trained without. Pass --labels.")
    dim = pooled_dim(common_dim(dataset.source, views, "A table's naive head"), config.sampling.pooling or "max")
    build = Builder(config, data, views, dim)
    seeds = parse_numbers("seeds", config.seeds)
    return [Job(row, s, build.evaluation(row, s)) for row in table_rows(config.table, config.rows) for s in seeds]


def table_views(config: ExperimentConfig) -> tuple[str, ...]:
    """Views of the table, exo views first."""
    three = any(row.labels == "all" for row in TABLES[config.table])
    views = (config.exo, *([config.second_exo] if three else []), config.ego)
    if len(set(views)) < len(views):
        raise ConfigError(f"--exo, --ego and --second_exo must be different views, but are {', '.join(views)}.")
    return views


@dataclass(frozen=True)
class Builder:
    """Makes the runs of a row.

    Attributes:
        config: the experiment's settings.
        data: what the data is.
        views: views of the table.
        dim: feature size.
    """

    config: ExperimentConfig
    data: Identity
    views: tuple[str, ...]
    dim: int

    def evaluation(self, row: Row, seed: int) -> PlannedRun:
        """The evaluation of a row, with all it needs."""
        refiner = None if row.recipe is None else self.pretraining(row.recipe, seed, row.front)
        head = self.training(row, seed, None if row.front else refiner)
        needs, folder, path = [head], head.folder, None
        settings = EvaluateConfig(
            **data_settings(self.config),
            run=str(head.folder),
            views=",".join(self.views),
            allow_learned="train,val,pairs" if self.config.allow_overlap else None,  # so were the lists, by name
            sampling=self.config.sampling,
            accelerator=self.config.trainer.device_kind,
        )
        if row.front:
            assert refiner is not None
            needs, path = [refiner, head], str(refiner.folder / "refiner.safetensors")
            folder = self._folder(row.name, seed, run_key(settings, self.data, head.folder, refiner.folder))
        settings = replace(settings, refiner=path, out=str(folder), name=row.name)
        return PlannedRun("evaluate", f"{row.name}, seed {seed}: scores", folder, settings, tuple(needs))

    def pretraining(self, recipe: str, seed: int, front: bool = False) -> PlannedRun:
        """The pre-training of a refiner; one put in front of a head of plain features gives as many of them."""
        values = scaled_values(pretrain_values(recipe, self.config.setting), self.config.scale)
        plain = {name: sourced.value for name, sourced in values.items()}
        settings = PretrainConfig(
            **data_settings(self.config),
            **self._common(seed, plain["epochs"]),
            views=",".join(self.views),
            method_options=METHODS.settings(plain["method"])(),
            name=recipe,
        )
        settings = apply(settings, plain)
        if front and hasattr(settings.method_options, "out_dim"):
            settings = apply(settings, {"method_options.out_dim": self.dim})
        folder = self._folder(f"pretrain-{recipe}", seed, run_key(settings, self.data))
        return PlannedRun("pretrain", f"{recipe}, seed {seed}: refiner", folder, replace(settings, run=str(folder)))

    def training(self, row: Row, seed: int, refiner: PlannedRun | None) -> PlannedRun:
        """The training of a head."""
        values = scaled_values(head_values(len(self.views), self.config.setting), self.config.scale)
        plain = {name: sourced.value for name, sourced in values.items()}
        if self.config.head is not None:
            # What every head has stays, so that all heads of a setting are fed alike.
            shared = {"head_options.standardise"}
            plain = {name: value for name, value in plain.items() if name in shared or not name.startswith("head")}
        head = self.config.head or plain["head"]
        plain |= {"epochs": self.config.head_epochs or plain["epochs"]}
        plain |= {"batch_size": self.config.head_batch_size or plain["batch_size"]}
        if self.config.head_width is not None:
            plain |= {"head_options.width": self.config.head_width}
        settings = TrainConfig(
            **data_settings(self.config),
            **self._common(seed, plain["epochs"]),
            views={"exo": self.config.exo, "ego": self.config.ego, "all": ",".join(self.views)}[row.labels],
            head_options=HEADS.settings(head)(),
        )
        settings = apply(settings, plain | {"head": head})
        name = row.name if refiner is not None else {"exo": "naive", "ego": "oracle", "all": "naive3"}[row.labels]
        more = () if refiner is None else (refiner.folder,)
        folder = self._folder(name, seed, run_key(settings, self.data, *more))
        path = None if refiner is None else str(refiner.folder / "refiner.safetensors")
        settings = replace(settings, run=str(folder), refiner=path, name=name)
        return PlannedRun(
            "train", f"{name}, seed {seed}: head", folder, settings, () if refiner is None else (refiner,)
        )

    def _common(self, seed: int, epochs: int) -> dict[str, Any]:
        """Settings that pre-training and head training share."""
        trainer = self.config.trainer
        every = min(trainer.validate_every_epochs or validation_interval(epochs), epochs)
        return {
            "run": NOWHERE,
            "seed": seed,
            "workers": self.config.workers,
            "sampling": self.config.sampling,
            "trainer": replace(trainer, devices="1", validate_every_epochs=every),
        }

    def _folder(self, name: str, seed: int, key: str) -> Path:
        return Path(self.config.out) / "runs" / f"{name}-seed{seed}-{key}"
