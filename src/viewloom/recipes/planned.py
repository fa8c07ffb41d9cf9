"""What experiments and comparisons are made of: pre-training, head training and evaluation, each in its own folder.

A folder's name ends in a hash of all settings that change its result and of the data. So a finished run is
recognised by its folder and its artefacts, tables share runs, and other settings never meet an old result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.opening import open_dataset
from viewloom.dataset.settings import DataConfig
from viewloom.dataset.splits import ROLES, Role
from viewloom.features.settings import Compare
from viewloom.files import write_text
from viewloom.identity import Identity, added_settings, settings_of
from viewloom.outputs import being_filled
from viewloom.recipes.label_controls import run_label_control
from viewloom.recipes.mismatch import Mismatch
from viewloom.recipes.settings import LabelControlConfig
from viewloom.training.evaluate import run_evaluate, scored_alike
from viewloom.training.learn import learn_refiner
from viewloom.training.run_identity import RunContent
from viewloom.training.runs import as_yaml, read_json
from viewloom.training.segment import run_train
from viewloom.training.settings import EvaluateConfig, PretrainConfig, TrainConfig


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes:
        kind: what it does.
        label: what it is called in messages.
        folder: where it writes.
        config: its settings.
        needs: runs whose results it takes.
        dataset: what it runs on; None opens what its settings name.
        mismatch: how a control spoils the pairs that a pre-training learns from; None leaves them as they are.
    """

    kind: Literal["pretrain", "train", "evaluate", "control"]
    label: str
    folder: Path
    config: PretrainConfig | TrainConfig | EvaluateConfig | LabelControlConfig
    needs: tuple["PlannedRun", ...] = ()
    dataset: MultiViewDataset | None = field(default=None, compare=False)
    mismatch: Mismatch | None = None

    @property
    def finished(self) -> bool:
        """Whether its artefacts are all there."""
        if self.kind == "pretrain":
            return (self.folder / "refiner.safetensors").exists()
        if self.kind == "train":
            return (self.folder / "head.safetensors").exists()
        assert isinstance(self.config, EvaluateConfig | LabelControlConfig) and self.config.views is not None
        path = self.folder / "metrics.json"
        if not path.exists() or being_filled(self.folder) or not all(run.finished for run in self.needs):
            return False
        metrics = read_json(path)
        return _alike(metrics, self.config) and set(self.config.views.split(",")) <= set(metrics["views"])

    def run(self) -> None:
        """Do it, going on where it was stopped."""
        config = self.config
        if isinstance(config, PretrainConfig):
            learn_refiner(replace(config, resume=self.folder.exists()), self._spoilt(config) or self.dataset)
        elif isinstance(config, TrainConfig):
            run_train(replace(config, resume=self.folder.exists()), self.dataset)
        elif isinstance(config, LabelControlConfig):
            run_label_control(config)
        else:
            if config.refiner is not None:
                write_text(self.folder / "config.yaml", as_yaml(config))
            run_evaluate(replace(config, overwrite=True), self.dataset)

    def _spoilt(self, config: PretrainConfig) -> MultiViewDataset | None:
        """The data set with wrong pairs, for a control; None: what the settings name."""
        if self.mismatch is None:
            return None
        return self.mismatch.on(open_dataset(complete(config)), config.views.split(","))


def _alike(metrics: Mapping[str, Any], config: EvaluateConfig | LabelControlConfig) -> bool:
    """Whether scores were made with these settings: somebody may have scored the run otherwise."""
    if isinstance(config, EvaluateConfig):
        return scored_alike(metrics, config)
    return bool(metrics.get("scored_with") == settings_of(config))


def data_settings(config: DataConfig) -> dict[str, Any]:
    """The settings of a data set, to build other configs with."""
    return {entry.name: getattr(config, entry.name) for entry in fields(DataConfig)}


def data_identity(dataset: MultiViewDataset, views: Sequence[str], compare: Compare | None) -> Identity:
    """What results on a data set rest on: the items of all roles, their labels, their features in some views."""
    splits = dataset.splits
    roles: list[Role] = [role for role in ROLES if splits is not None and getattr(splits, role)]
    items: dict[str, tuple[Item, ...]] = {role: dataset.items(role, views, "labelled") for role in roles}
    return RunContent(dataset, items, views, compare=compare).identity(None)


NONE = object()
"""The default of a setting that wasn't added later."""


def run_key(config: Any, data: Identity, *needs: Path, more: Mapping[str, Any] | None = None) -> str:
    """Key of a run: settings that change its result, its data, the runs it takes, and what else it is made with.

    A setting that was added later is left out at its default, so that what was finished before is used again.
    """
    added = added_settings(config)
    settings = {name: value for name, value in settings_of(config).items() if added.get(name, NONE) != value}
    facts: dict[str, Mapping[str, Any]] = {"settings": settings}
    facts |= {"needs": {str(i): folder.name for i, folder in enumerate(needs)}} | ({"more": more} if more else {})
    return Identity(facts | {"kind": {"name": type(config).__name__}, "data": {"key": data.key}}).key


def unique_runs(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Each run once, what it needs before it."""
    ordered: dict[tuple[str, Path], PlannedRun] = {}

    def add(run: PlannedRun) -> None:
        for needed in run.needs:
            add(needed)
        ordered.setdefault((run.kind, run.folder), run)

    for run in runs:
        add(run)
    return list(ordered.values())
