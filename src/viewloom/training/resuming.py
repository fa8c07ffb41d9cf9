"""Checkpoints of a run, read again: by whoever goes on with it, and when it is finished.

They may come from elsewhere with a run folder, or have been damaged. `viewloom.torch_archive` reads them without
running code; here it is looked at whether they hold what a run writes and this run can use, before and after Lightning
has taken over what is in them, so that a fault is a message that names the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from viewloom.errors import ConfigError, DataError, UserError
from viewloom.saved import differences
from viewloom.torch_archive import load_torch

REMEDY = "Bring it back from a copy, or remove it and begin the run anew in another folder."
MOST = 1 << 62
"""Of an epoch, a step or a count."""
MOVING = ("lr", "initial_lr")
"""What a schedule changes of an optimizer."""
_BEST = {"best_model_path", "kth_best_model_path", "best_k_models", "best_model_score", "kth_value"}
"""What Lightning keeps of the best epoch so far, of which there is one."""
_RESTORING = "checkpoint_connector"
"""The module of Lightning that takes a checkpoint over; what fails in it fails by the checkpoint."""


def read_checkpoint(path: Path, module: LightningModule | None = None) -> dict[str, Any]:
    """A checkpoint that has the weights and the epoch of a run, on the CPU.

    Args:
        path: the file.
        module: whose weights they must be.

    Raises:
        DataError: no such file, anything but tensors and plain values in it, or something else than a checkpoint of
            that module.
    """
    found = load_torch(path, mapped=True, remedy=REMEDY)
    weights = found.get("state_dict") if isinstance(found, dict) else None
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DataError(f"{path} holds no weights ('state_dict'), so it is no checkpoint of a run. {REMEDY}")
    for name in ("epoch", "global_step"):
        if not _is_count(found.get(name)):
            raise DataError(f"{path}: {name!r} is {repr(found.get(name))[:60]}, not a count. {REMEDY}")
    _refuse_spoilt(path, "weights", weights)
    misfits = "" if module is None else differences(module, _completed(module, weights))
    if misfits:
        raise DataError(f"{path} doesn't hold the weights of this run's network: {misfits}. {REMEDY}")
    return dict(found)


def _completed(module: LightningModule, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights with those that the module leaves out when it saves."""
    checkpoint: dict[str, Any] = {"state_dict": dict(weights)}
    module.on_load_checkpoint(checkpoint)
    completed: Mapping[str, Tensor] = checkpoint["state_dict"]
    return completed


def read_whole(path: Path, module: LightningModule | None = None) -> dict[str, Any]:
    """A checkpoint with all that a run goes on from; `DataError` as `read_checkpoint`."""
    found = read_checkpoint(path, module)
    for name, kind in (("optimizer_states", list), ("lr_schedulers", list), ("loops", dict), ("callbacks", dict)):
        if not isinstance(found.get(name), kind):
            raise DataError(f"{path} has no {name!r}, so a run can't go on from it. {REMEDY}")
    if len(found["optimizer_states"]) != 1:
        raise DataError(f"{path} has the state of {len(found['optimizer_states'])} optimizers, not of one. {REMEDY}")
    _refuse_spoilt(path, "optimizer", found["optimizer_states"])
    for state in found["callbacks"].values():
        _refuse_odd_best(path, state)
    return found


def _refuse_odd_best(path: Path, state: Any) -> None:
    """`DataError` where what chooses the best epoch contradicts itself: then another one could be kept."""
    if not isinstance(state, Mapping) or not _BEST & set(state):
        return
    paths = [state.get(name) for name in ("best_model_path", "kth_best_model_path")]
    kept, scores = state.get("best_k_models"), [state.get("best_model_score"), state.get("kth_value")]
    if paths == ["", ""] and kept == {} and set(state) >= _BEST:
        return  # none so far
    same = isinstance(kept, Mapping) and list(kept) == paths[:1] == paths[1:]
    scores += kept.values() if isinstance(kept, Mapping) else [None]
    if not same or not all(isinstance(one, Tensor) and one.ndim == 0 and bool(one == scores[0]) for one in scores):
        raise DataError(f"{path} says of the best epoch so far what can't be. {REMEDY}")


def other_shape(value: Any, like: Any, where: str = "") -> str:
    """Where a state is of another form than one like it that is known to be right; empty where it isn't."""
    if isinstance(like, Mapping) and isinstance(value, Mapping):
        both = [name for name in like if name in value]
        return next((text for name in both if (text := other_shape(value[name], like[name], f"{where}.{name}"))), "")
    if isinstance(like, list | tuple) and isinstance(value, list | tuple) and len(like) == len(value):
        pairs = enumerate(zip(value, like, strict=True))
        return next((text for place, (one, of) in pairs if (text := other_shape(one, of, f"{where}.{place}"))), "")
    if isinstance(like, int | float) and not isinstance(like, bool):
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST
        return "" if number and (type(like) is float or type(value) is int) else where.lstrip(".")
    if isinstance(like, Tensor) and isinstance(value, Tensor):
        return "" if value.shape == like.shape else where.lstrip(".")
    return "" if like is None or type(value) is type(like) else where.lstrip(".")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST


def _leaves(value: Any) -> Iterator[Any]:
    """The values in tables and lists, None left out; each table once."""
    todo, seen = [value], set()
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping | list | tuple):
            if id(one) not in seen:
                seen.add(id(one))
                todo.extend(one.values() if isinstance(one, Mapping) else one)
        elif one is not None:
            yield one


def _refuse_spoilt(path: Path, what: str, value: Any) -> None:
    """`DataError` for numbers that aren't finite: a run stops before it writes such."""
    for one in _leaves(value):
        number = torch.as_tensor(one) if isinstance(one, float | Tensor) else None
        if number is not None and number.is_floating_point() and not number.isfinite().all():
            raise DataError(f"{path}: its {what} hold numbers that aren't finite. {REMEDY}")


@contextmanager
def going_on(checkpoint: Path | None, module: LightningModule, trainer: Trainer) -> Iterator[None]:
    """Train inside, from a checkpoint if there is one: what is wrong with it is a message that names it.

    Raises:
        DataError: it, or the best one so far, is broken or of another network.
        ConfigError: Lightning can't take it over.
    """
    if checkpoint is None:
        yield
        return
    _refuse_unusable(checkpoint, module, trainer)
    trainer.callbacks.append(Fitting(checkpoint))  # type: ignore[attr-defined]
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not _in_restoring(error):
            raise
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ConfigError(f"{checkpoint} can't be gone on from ({reason}). {REMEDY}") from error


def _in_restoring(error: Exception) -> bool:
    """Whether Lightning failed while it took a checkpoint over."""
    trace = error.__traceback__
    while trace is not None:
        if _RESTORING in trace.tb_frame.f_globals.get("__name__", ""):
            return True
        trace = trace.tb_next
    return False


def _refuse_unusable(checkpoint: Path, module: LightningModule, trainer: Trainer) -> None:
    """Before anything is computed: the checkpoint to go on from, and the best one so far, which the end needs."""
    found = read_whole(checkpoint, module)
    loops, like = found["loops"].get("fit_loop"), trainer.fit_loop.state_dict()
    lacks = set(like) - set(loops if isinstance(loops, Mapping) else ())
    if lacks and found.get("pytorch-lightning_version") == lightning.__version__:
        raise DataError(f"{checkpoint}: 'loops' has no {sorted(lacks)[0]}. {REMEDY}")
    odd = other_shape(loops, like, "loops")
    if odd:
        raise DataError(f"{checkpoint}: {odd} is not what it should be. {REMEDY}")
    best = checkpoint.with_name("best.ckpt")
    states = [state for state in found["callbacks"].values() if isinstance(state, Mapping)]
    if best.exists() or any(state.get("best_model_path") for state in states):
        read_checkpoint(best, module)


class Fitting(Callback):
    """Looks at what Lightning took over from a checkpoint: an optimizer's state that doesn't fit its weights, or isn't
    that of this run's settings, would fail in the first step, or be wrong."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """`ConfigError` where optimizer or schedule aren't those that the run would begin with."""
        made: Any = pl_module.configure_optimizers()
        schedules = made["lr_scheduler"] if isinstance(made, Mapping) and "lr_scheduler" in made else None
        fresh = made["optimizer"] if isinstance(made, Mapping) else made
        (optimizer,) = trainer.optimizers
        for group, like in zip(optimizer.param_groups, fresh.param_groups, strict=True):
            for name, value in like.items():
                if name not in MOVING:
                    group.setdefault(name, value)  # of another version of torch
                self._refuse_other(name, group.get(name), value)
        forgotten = isinstance(optimizer, torch.optim.Adam) and trainer.global_step > 0 and not optimizer.state
        if forgotten or len({frozenset(state) for state in optimizer.state.values() if isinstance(state, Mapping)}) > 1:
            raise ConfigError(f"{self.checkpoint}: its optimizer doesn't remember the same of all weights. {REMEDY}")
        for weight, state in optimizer.state.items():
            self._refuse_other_sizes(weight, state)
        if schedules is not None and trainer.lr_scheduler_configs:
            schedule: Any = schedules["scheduler"] if isinstance(schedules, Mapping) else schedules
            odd = other_shape(trainer.lr_scheduler_configs[0].scheduler.state_dict(), schedule.state_dict())
            if odd:
                raise ConfigError(f"{self.checkpoint}: {odd} of its schedule is not what it should be. {REMEDY}")

    def _refuse_other(self, name: str, value: Any, like: Any) -> None:
        """A setting of the optimizer: a schedule changes the step size alone."""
        if name == "params":
            return
        moves = name in MOVING
        number = isinstance(value, float | int) and not isinstance(value, bool)
        if not (number and 0 <= value < MOST if moves else type(value) is type(like) and value == like):
            shown = repr(value)[:60]
            raise ConfigError(f"{self.checkpoint}: {name} of its optimizer is {shown}, not {like!r}. {REMEDY}")

    def _refuse_other_sizes(self, weight: Tensor, state: Any) -> None:
        """What an optimizer remembers of a weight: tensors as large as that, and counts of steps."""
        held = dict(state) if isinstance(state, Mapping) else {"": None}
        step = held.pop("step", 0)
        wrong = [one for one in held.values() if one is not None and not _is_like(one, weight)]
        if wrong or "" in held or not isinstance(step, Tensor | int | float) or torch.as_tensor(step).ndim:
            raise ConfigError(f"{self.checkpoint}: what its optimizer remembers is not of this network. {REMEDY}")


def _is_like(value: Any, weight: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == weight.shape
