"""Looks into runs of `viewloom train` and `viewloom pretrain` while they go, without a line of their own code."""

from contextlib import contextmanager

import pytest
import torch
from lightning.pytorch import Callback, Trainer


class Recorder(Callback):
    """Weights after every epoch; stops the run before epoch ``stop``, as a crash would."""

    def __init__(self, part, stop=None):
        self.part, self.stop, self.weights = part, stop, {}

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.stop:
            raise Crash

    def on_train_epoch_end(self, trainer, pl_module):
        state = getattr(pl_module, self.part).state_dict()
        self.weights[trainer.current_epoch] = {name: value.clone() for name, value in state.items()}


class Crash(Exception):
    """The run was stopped on purpose."""


@contextmanager
def recorded(part, stop=None):
    """Within it, runs note the weights of their ``head`` or ``method`` in the recorder handed out."""
    recorder, fit = Recorder(part, stop), Trainer.fit

    def watched(trainer, *args, **kwargs):
        trainer.callbacks.append(recorder)
        return fit(trainer, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "fit", watched)
        yield recorder


def furthest(one, other):
    """Largest difference between two state dicts."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def assert_equal_epochs(recorded, plain, tolerance=1e-6):
    assert len(recorded) == len(plain)
    for epoch, weights in enumerate(plain):
        for name, value in weights.items():
            torch.testing.assert_close(
                recorded[epoch][name],
                value,
                atol=tolerance,
                rtol=tolerance,
                msg=lambda m, n=name, e=epoch: f"{n}, epoch {e}: {m}",
            )
