"""What an experiment is made of: pre-training, head training and evaluation runs, each in a folder of its own.

A folder's name ends in a hash of all settings that change its result and of the data. So a finished part is known
by its folder and its artefacts, tables share parts, and other settings never meet an old result.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from viewloom.data.dataset import DataConfig, MultiViewDataset
from viewloom.data.sources.base import FeatureSource
from viewloom.data.sources.store import backbone_of
from viewloom.files import write_text
from viewloom.training.evaluate import EvaluateConfig, run_evaluate, scored_with
from viewloom.training.pretrain import PretrainConfig, run_pretrain
from viewloom.training.runs import as_yaml, read_json
from viewloom.training.segment import TrainConfig, run_train

NO_RESULT = (
    *("run", "resume", "workers", "data", "features", "refiner", "row", "out", "overwrite", "accelerator"),
    *("pool_cache", "pool_cache_gib", "refined_cache_gib"),
)
"""Settings that do not change a result, or stand for a part that is hashed itself."""
NO_RESULT_TRAINER = ("accelerator", "devices", "num_nodes", "logger", "progress")


@dataclass(frozen=True)
class Part:
    """One run.

    Attributes:
        kind: what it does.
        label: what it is called in messages.
        folder: where it writes.
        config: its settings.
        needs: parts whose results it takes.
    """

    kind: Literal["pretrain", "train", "evaluate"]
    label: str
    folder: Path
    config: PretrainConfig | TrainConfig | EvaluateConfig
    needs: tuple["Part", ...] = ()

    @property
    def finished(self) -> bool:
        """Whether its artefacts are all there."""
        if self.kind == "pretrain":
            return (self.folder / "refiner.safetensors").exists()
        if self.kind == "train":
            return (self.folder / "head.safetensors").exists()
        assert isinstance(self.config, EvaluateConfig) and self.config.views is not None
        path = self.folder / "metrics.json"
        if not path.exists() or not all(part.finished for part in self.needs):
            return False
        metrics = read_json(path)
        alike = metrics.get("scored_with") == scored_with(self.config)  # somebody may have scored the run otherwise
        return alike and set(self.config.views.split(",")) <= set(metrics["views"])

    def run(self) -> None:
        """Do it, going on where it was stopped."""
        config = self.config
        if isinstance(config, PretrainConfig):
            run_pretrain(replace(config, resume=self.folder.exists()))
        elif isinstance(config, TrainConfig):
            run_train(replace(config, resume=self.folder.exists()))
        else:
            if config.refiner is not None:
                write_text(self.folder / "config.yaml", as_yaml(config))
            run_evaluate(replace(config, overwrite=True))


def data_settings(config: DataConfig) -> dict[str, Any]:
    """The settings of a data set, to build other configs with."""
    return {entry.name: getattr(config, entry.name) for entry in fields(DataConfig)}


def data_key(dataset: MultiViewDataset) -> str:
    """Short hash of features, split lists and labels: what results rest on.

    Of the features: names, spans, what extracted them, and some rows of every view of every recording. All rows
    would take hours on a large store.
    """
    labels = dataset.labels
    annotations = {} if labels is None else labels.annotations
    facts = [
        dataset.source.fingerprint(),
        backbone_of(dataset.source),
        sampled_rows(dataset.source),
        asdict(dataset.splits) if dataset.splits is not None else None,
        None if labels is None else labels.actions,
        [(a.name, a.starts.tolist(), a.ends.tolist(), a.labels.tolist()) for a in annotations.values()],
    ]
    return _hash(facts)


def sampled_rows(source: FeatureSource) -> str:
    """Hash of the first, the middle and the last row of every view of every recording."""
    digest = hashlib.sha256()
    for recording in source.recordings:
        for view in source.views(recording):
            first, end = source.span(recording, view)
            for frame in sorted({first, (first + end) // 2, end - 1}):
                digest.update(np.ascontiguousarray(source.read(recording, view, frame, frame + 1)).tobytes())
    return digest.hexdigest()


def settings_key(config: Any, *more: str) -> str:
    """Short hash of the settings that change a result, and of what else does."""
    kept = {name: value for name, value in asdict(config).items() if name not in NO_RESULT}
    if "trainer" in kept:
        kept["trainer"] = {k: v for k, v in kept["trainer"].items() if k not in NO_RESULT_TRAINER}
    return _hash([type(config).__name__, kept, more])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:10]


def unique_parts(parts: list[Part]) -> list[Part]:
    """Each part once, what it needs before it."""
    ordered: dict[tuple[str, Path], Part] = {}

    def add(part: Part) -> None:
        for needed in part.needs:
            add(needed)
        ordered.setdefault((part.kind, part.folder), part)

    for part in parts:
        add(part)
    return list(ordered.values())
