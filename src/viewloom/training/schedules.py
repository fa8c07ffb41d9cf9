"""How a head's learning rate falls from epoch to epoch: by steps, along a cosine, or where the loss stands still."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR

from viewloom.training.optim_settings import OptimConfig, Schedule


def lr_schedule(optimizer: Optimizer, optim: OptimConfig, epochs: int) -> dict[str, Any]:
    """What Lightning takes beside an optimiser; nothing where `schedule_callbacks` do the work."""
    make = SCHEDULES[optim.lr_schedule]
    return {} if make is None else {"lr_scheduler": {"scheduler": make(optimizer, optim, epochs), "interval": "epoch"}}


def _steps(optimizer: Optimizer, optim: OptimConfig, epochs: int) -> LRScheduler:
    assert optim.lr_step_epochs is not None, "run_train fills it in"
    return StepLR(optimizer, optim.lr_step_epochs, optim.lr_factor)


def _cosine(optimizer: Optimizer, optim: OptimConfig, epochs: int) -> LRScheduler:
    return LambdaLR(optimizer, lambda epoch: cosine_share(epoch, optim, epochs))


def cosine_share(epoch: int, optim: OptimConfig, epochs: int) -> float:
    """The learning rate of an epoch, counted from 0, as a share of the first one's.

    Full for ``lr_hold_epochs``, then along half a cosine to ``lr_least``, where it stays.
    """
    end = optim.lr_cosine_epochs or epochs
    passed = (epoch - optim.lr_hold_epochs) / max(1, end - optim.lr_hold_epochs)
    least = optim.lr_least / optim.lr if optim.lr else 1.0
    return least + (1 - least) * (1 + math.cos(math.pi * min(1.0, max(0.0, passed)))) / 2


SCHEDULES: Mapping[Schedule, Callable[[Optimizer, OptimConfig, int], LRScheduler] | None] = {
    "step": _steps,
    "cosine": _cosine,
    "plateau": None,
}
"""By name; None: a callback does it."""


class LowerOnPlateau(Callback):
    """Reduces the learning rate where an epoch's mean training loss stands still.

    As `torch.optim.lr_scheduler.ReduceLROnPlateau` does, but before the epoch's checkpoint is written: Lightning steps
    that one behind it, so that a run that goes on from the checkpoint would have missed a step.

    Args:
        optim: factor and patience.
    """

    def __init__(self, optim: OptimConfig) -> None:
        self.optim = optim
        self.plateau: ReduceLROnPlateau | None = None
        self.kept: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, or go on where the checkpoint stood; the optimiser has its learning rate from there."""
        self.plateau = ReduceLROnPlateau(
            trainer.optimizers[0], factor=self.optim.lr_factor, patience=self.optim.lr_patience_epochs
        )
        self.plateau.load_state_dict(self.kept)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the epoch's loss."""
        assert self.plateau is not None
        self.plateau.step(float(trainer.callback_metrics["train/loss"]))

    def state_dict(self) -> dict[str, Any]:
        """The best loss, and for how many epochs it has stood."""
        return {} if self.plateau is None else dict(self.plateau.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until the optimiser is there."""
        self.kept = dict(state_dict)


def schedule_callbacks(optim: OptimConfig) -> list[Callback]:
    """What lowers the learning rate besides `lr_schedule`."""
    return [LowerOnPlateau(optim)] if SCHEDULES[optim.lr_schedule] is None else []
