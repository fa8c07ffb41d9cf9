"""How long a run trains where nobody said so: steps count, and few windows make few steps an epoch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from viewloom.console import err

if TYPE_CHECKING:
    from viewloom.training.settings import PretrainConfig, TrainConfig

C = TypeVar("C", "TrainConfig", "PretrainConfig")

LR_STEP_SHARE = 0.4
"""Share of the epochs after which the learning rate is reduced, where there are more than usual."""
VALIDATIONS = 100
"""Validations of a run, at most, where their interval was not set."""


@dataclass(frozen=True)
class Usual:
    """What is usual for a kind of run.

    Attributes:
        epochs: fewest epochs.
        steps: fewest optimiser steps.
        lr_step_epochs: epochs between two reductions of the learning rate, in a run of usual length.
        learner: what takes the steps, in words.
    """

    epochs: int
    steps: int
    lr_step_epochs: int
    learner: str


def with_length(config: C, windows: int, usual: Usual, say: Callable[[str], None] | None = None) -> C:
    """The settings with epochs, learning-rate schedule and validations filled in; what is set stays.

    Args:
        config: settings of a run.
        windows: windows in an epoch, over all processes.
        usual: what is usual for such runs.
        say: takes the note about what was chosen; by default it goes to standard error.
    """
    epochs = config.epochs
    if epochs is None:
        batches = -(-windows // config.batch_size)
        steps = -(-batches // config.trainer.accumulate)
        epochs = max(usual.epochs, -(-usual.steps // steps))
        text = f"{windows} windows make {steps} step{'' if steps == 1 else 's'} an epoch: {epochs} epochs, "
        text += f"so that the {usual.learner} takes {epochs * steps:,} steps (--epochs sets another number)."
        (say or _note)(text)
    lr_step, every = config.optim.lr_step_epochs, config.trainer.validate_every_epochs
    if lr_step is None:
        lr_step = max(usual.lr_step_epochs, round(LR_STEP_SHARE * epochs))
    if every is None:
        every = validation_interval(epochs)
    return replace(
        config,
        epochs=epochs,
        optim=replace(config.optim, lr_step_epochs=lr_step),
        trainer=replace(config.trainer, validate_every_epochs=every),
    )


def validation_interval(epochs: int) -> int:
    """Epochs between two validations, where nobody said so."""
    return -(-epochs // VALIDATIONS)


def _note(text: str) -> None:
    from viewloom.training.runs import is_main_process

    if is_main_process():
        err.print(f"note: {text}", markup=False)
