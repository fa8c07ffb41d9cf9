"""The stages of one fold, each in a run folder as the other commands write it, so that they work on it too."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.folds import Fold
from viewloom.names import predictions_file
from viewloom.recipes.planned import data_settings
from viewloom.training.evaluate import run_evaluate, scored_alike, select_views
from viewloom.training.learn import begin_learning, learn_refiner
from viewloom.training.runs import CONFIG, read_json
from viewloom.training.segment import begin_train, run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig

if TYPE_CHECKING:
    from viewloom.recipes.settings import CrossvalConfig


@dataclass(frozen=True)
class FoldRun:
    """The stages of one fold: refiner (with a method), head, scores.

    Attributes:
        config: settings of the cross-validation.
        dataset: opened data set, with the fold's splits.
        fold: the fold.
    """

    config: "CrossvalConfig"
    dataset: MultiViewDataset
    fold: Fold

    @property
    def folder(self) -> Path:
        """Run folder of the head and its scores; the refiner's is ``pretrain`` in it."""
        return Path(self.config.run) / self.fold.name

    @property
    def finished(self) -> bool:
        """Whether the head is there, and scores under the settings that are asked for."""
        return (self.folder / "head.safetensors").exists() and self.scored

    @property
    def scored(self) -> bool:
        """Whether scores and predictions of every view are there, under the settings that are asked for."""
        path = self.folder / "metrics.json"
        if not path.exists():
            return False
        metrics, settings = read_json(path), self.evaluation()
        items, source = self.dataset.items("test"), self.dataset.source
        views = {
            view
            for view in select_views(settings.views, self.dataset)
            if any(view in source.views(item.recording) for item in items)
        }
        there = all(predictions_file(self.folder, view).exists() for view in views)
        return there and set(metrics["views"]) == views and scored_alike(metrics, settings)

    def check(self) -> None:
        """`ConfigError` where the finished head was begun with other settings or data."""
        begin_train(replace(self.training(), resume=True))

    def run(self) -> None:
        """Run the stages that are not finished, each going on where it was stopped."""
        if self.config.method is not None:
            run_stage(self.pretraining(), "refiner.safetensors", begin_learning, learn_refiner)
        run_stage(self.training(), "head.safetensors", begin_train, run_train)
        run_evaluate(self.evaluation())

    def pretraining(self) -> PretrainConfig:
        """Settings of the refiner's run."""
        config = self.config
        return PretrainConfig(
            **self._data(),
            **config.pretrain.chosen(),
            run=str(self.folder / "pretrain"),
            views=str(config.pair_views),
            method=str(config.method),
            method_options=config.method_options,
            seed=config.seed,
            workers=config.workers,
            sampling=config.sampling,
            trainer=config.trainer,
        )

    def training(self) -> TrainConfig:
        """Settings of the head's run."""
        kept = {entry.name: getattr(self.config, entry.name) for entry in fields(TrainConfig)}
        refiner = self.folder / "pretrain" / "refiner.safetensors"
        own = {
            "run": str(self.folder),
            "resume": False,
            "overwrite": True,  # the fold's refiner lies in the folder already
            "name": None if self.config.name is None else f"{self.config.name}, {self.fold.name}",
            "refiner": self.config.refiner if self.config.method is None else str(refiner),
        }
        return TrainConfig(**kept | self._data() | own)

    def evaluation(self) -> EvaluateConfig:
        """Settings of the scores."""
        config = self.config
        return EvaluateConfig(
            **self._data(),
            run=str(self.folder),
            views=config.score_views,
            protocol=config.protocol,
            background=config.background,
            decoding=config.decoding,
            durations=config.durations,
            allow_learned=config.allow_learned,
            accelerator=config.trainer.device_kind,
            batch_size=config.batch_size,
            sampling=config.sampling,
            overwrite=True,
        )

    def _data(self) -> dict[str, Any]:
        return data_settings(self.config) | {"fold": self.fold.number}


def run_stage(settings: Any, result: str, begin: Callable[[Any], Any], run: Callable[[Any], Any]) -> None:
    """Run a stage, or go on with it; one whose result is there is used again if it is the same run.

    Raises:
        ConfigError: it was begun with other settings or data.
    """
    folder = Path(settings.run)
    settings = replace(settings, resume=(folder / CONFIG).exists())
    finished = settings.resume and (folder / result).exists()
    (begin if finished else run)(settings)
