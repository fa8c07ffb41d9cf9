"""How long a run trains where nobody said so: steps count, and few windows make few steps an epoch."""

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from viewloom.training.runs import say

if TYPE_CHECKING:
    from viewloom.training.settings import PretrainConfig, TrainConfig

C = TypeVar("C", "TrainConfig", "PretrainConfig")

LR_STEP_SHARE = 0.4
"""Share of the epochs after which the learning rate is reduced, where there are more than usual."""
VALIDATIONS = 100
"""Validations of a run, at most, where their interval was not set."""


def with_length(config: C, windows: int, learner: str, least_epochs: int, least_steps: int, usual_lr_step: int) -> C:
    """The settings with epochs, learning-rate schedule and validations filled in; what is set stays.

    Args:
        config: settings of a run.
        windows: windows in an epoch, over all processes.
        learner: what takes the steps, in words.
        least_epochs: fewest epochs of such runs.
        least_steps: fewest optimiser steps.
        usual_lr_step: epochs between two reductions of the learning rate, in a run of usual length.
    """
    epochs = config.epochs
    if epochs is None:
        batches = -(-windows // config.batch_size)
        steps = -(-batches // config.trainer.accumulate)
        epochs = max(least_epochs, -(-least_steps // steps))
        text = f"{windows} windows make {steps} step{'' if steps == 1 else 's'} an epoch: {epochs} epochs, "
        text += f"so that the {learner} takes {epochs * steps:,} steps (--epochs sets another number)."
        say(f"note: {text}")
    lr_step, every = config.optim.lr_step_epochs, config.trainer.validate_every_epochs
    if lr_step is None:
        lr_step = max(usual_lr_step, round(LR_STEP_SHARE * epochs))
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
