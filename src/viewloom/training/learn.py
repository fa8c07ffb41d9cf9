"""Learn a refiner: by one method, or by the one of several that does best."""

from pathlib import Path

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.methods.settings import AUTO
from viewloom.registry import METHODS
from viewloom.training.auto import begin_auto, run_auto
from viewloom.training.pretrain import begin_pretrain, run_pretrain
from viewloom.training.runs import alone_in_run
from viewloom.training.settings import PretrainConfig


def learn_refiner(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> Path:
    """Learn a refiner and write its run folder; returns the path of ``refiner.safetensors``.

    Args:
        config: settings.
        dataset: what to learn from; None opens what the settings name.
    """
    with alone_in_run(config.run, "viewloom pretrain", config.resume):
        return run_auto(config, dataset) if config.method == AUTO else run_pretrain(config, dataset)


def begin_learning(config: PretrainConfig, dataset: MultiViewDataset | None = None) -> None:
    """Make or re-enter the run folder, and do nothing; `ConfigError` where it was begun otherwise."""
    if config.method == AUTO:
        begin_auto(config, dataset)
    else:
        begin_pretrain(config, dataset)


def takes_epochs(method: str) -> bool:
    """Whether a number of epochs says anything to a method: one fitted by gradient, or a choice among such."""
    return method == AUTO or METHODS.get(method).fit == "gradient"


def needs_teacher(method: str) -> bool:
    """Whether a method follows a trained head."""
    return method != AUTO and METHODS.get(method).requires == "teacher_head"


def learns_labels(method: str) -> bool:
    """Whether a method learns from the labels of pairs."""
    return method != AUTO and METHODS.get(method).requires == "labels"
