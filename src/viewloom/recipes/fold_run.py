"""The stages of one fold, each in a run folder as the other commands write it, so that they work on it too."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.data.dataset import MultiViewDataset
from viewloom.data.folds import Fold
from viewloom.data.sources.rows import hash_file
from viewloom.errors import ConfigError, listed
from viewloom.files import write_json
from viewloom.recipes.parts import data_settings
from viewloom.training.evaluate import EvaluateConfig, run_evaluate, scored_with
from viewloom.training.pretrain import PretrainConfig, run_pretrain
from viewloom.training.runs import FREE_SETTINGS, read_json
from viewloom.training.segment import TrainConfig, run_train

if TYPE_CHECKING:
    from viewloom.recipes.crossval import CrossvalConfig

REQUESTED = "requested.json"
"""In a stage's run folder: the settings it was asked for with."""
SCORED = "scored.json"
"""In a fold's run folder: the settings its scores were asked for with, and the hash of ``metrics.json``."""


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
        """Whether the head is there, and the scores that are asked for."""
        return (self.folder / "head.safetensors").exists() and self.scored

    @property
    def scored(self) -> bool:
        """Whether the scores there are those that are asked for, and nobody wrote others over them."""
        path = self.folder / SCORED
        return path.exists() and read_json(path) == self._scored()

    def _scored(self) -> dict[str, Any]:
        """What scores were asked for, and which there are."""
        settings, metrics = self.evaluation(), self.folder / "metrics.json"
        return scored_with(settings) | {
            "views": settings.views,
            "metrics_sha256": hash_file(metrics) if metrics.exists() else None,
        }

    def stages(self) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
        """(settings, result, function) of what comes before the scores."""
        if self.config.method is not None:
            yield self.pretraining(), "refiner.safetensors", run_pretrain
        yield self.training(), "head.safetensors", run_train

    def check(self) -> None:
        """`ConfigError` where the runs that are there were asked for with other settings."""
        for settings, _, _ in self.stages():
            same_request(settings)

    def run(self) -> None:
        """Run the stages that are not finished, each going on where it was stopped."""
        for settings, result, run in self.stages():
            same_request(settings)
            folder = Path(settings.run)
            if not (folder / result).exists():
                run(replace(settings, resume=(folder / "config.yaml").exists()))
        run_evaluate(self.evaluation())
        write_json(self.folder / SCORED, self._scored())

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
            "row": None if self.config.row is None else f"{self.config.row}, {self.fold.name}",
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
            accelerator={"gpu": "cuda"}.get(config.trainer.accelerator, config.trainer.accelerator),
            batch_size=config.batch_size,
            sampling=config.sampling,
            overwrite=True,
        )

    def _data(self) -> dict[str, Any]:
        return data_settings(self.config) | {"fold": self.fold.number}


def same_request(settings: Any) -> None:
    """Note in a stage's run folder what it is asked for, or refuse a run that was asked for otherwise.

    Compared is what was asked for, not the run's ``config.yaml``: a run fills in what was left open.
    """
    folder = Path(settings.run)
    path = folder / REQUESTED
    # The refiner is the one of the fold, or the cross-validation's own setting, which is compared there.
    kept = {name: value for name, value in asdict(settings).items() if name not in (*FREE_SETTINGS, "refiner")}
    asked = json.loads(json.dumps(kept))
    if not path.exists():
        if (folder / "config.yaml").exists():
            raise ConfigError(
                f"{folder} holds a run that this command did not begin. Move it away, or choose another --run folder."
            )
        write_json(path, asked)
        return
    before = read_json(path)
    changed = [name for name in before | asked if before.get(name) != asked.get(name)]
    if changed:
        raise ConfigError(
            f"{folder} was begun with other settings of {listed(changed)} (see {path}). Move it away, or choose "
            "another --run folder."
        )
