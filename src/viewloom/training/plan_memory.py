"""What `pretrain` and `train` need: weights, gradients, optimiser, activations, what is read and kept, checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from viewloom.amounts import free_on_disk
from viewloom.errors import ConfigError, UserError
from viewloom.machine import free_memory
from viewloom.methods.base import Method
from viewloom.registry import METHODS
from viewloom.training.needs import Needs, Place
from viewloom.training.settings import LearnConfig, TrainerConfig
from viewloom.training.step_memory import (
    BatchShape,
    bytes_of,
    head_step_bytes,
    method_step_bytes,
    pass_bytes,
    without_values,
)
from viewloom.windows.batch import Window
from viewloom.windows.sampling import Sampling

if TYPE_CHECKING:
    from viewloom.training.pairs import Pairs
    from viewloom.training.settings import PretrainConfig

WORKER_BYTES = 120 * 2**20
"""What a process that reads windows takes for itself, besides batches."""
CONTEXT_BYTES = 600 * 2**20
"""What a GPU's own libraries take there."""
LIBRARIES_BYTES = 64 * 2**20
"""What libraries and the allocator take when a run begins."""
COPIES = 3
"""Of a batch, while statistics take it in: its valid steps, in float64."""
SCATTERED = 1.6
"""Memory that activations take for each byte of them: what is freed is not all used again."""
WORTH = 0.05
"""Share of the free memory below which a rough bound is enough, and nothing is tried."""
ROUGHLY = 40
"""Numbers that a step keeps for each number of its widest weight's rows, at most, in a rough bound."""


@dataclass(frozen=True)
class Model:
    """What learns.

    Attributes:
        weights: bytes of all its weights.
        trained: bytes of those that are trained.
        states: copies of those that the optimiser keeps.
        step: bytes of a step's batch, activations and gradients at their most.
        around: bytes of the rest, by what it is.
        result: bytes of what is saved in the end.
    """

    weights: int
    trained: int
    states: int
    step: int
    around: dict[str, int]
    result: int


def batch_shape(windows: Sequence[Window], sampling: Sampling, config: LearnConfig) -> BatchShape:
    """The largest batch of a process; drawn chunks make some windows longer."""
    processes = max(1, int(os.environ.get("WORLD_SIZE", "1")), _devices(config.trainer))
    rows = min(len(windows), -(-config.batch_size // processes))
    longest = sorted((window.steps for window in windows), reverse=True)[: max(1, rows)]
    longer = 1 + sampling.augment_probability * (sampling.augment_factor - 1)
    return BatchShape(max(1, rows), math.ceil(sum(longest) / len(longest) * longer) if longest else 1)


def _devices(config: TrainerConfig) -> int:
    """Processes that Lightning would start here."""
    return int(config.devices) if str(config.devices).isdigit() else 1


def _on_gpu(config: TrainerConfig) -> bool:
    return config.device_kind in ("auto", "cuda") and torch.cuda.is_available()


def reading(windows: Sequence[Window], dims: Sequence[int], shape: BatchShape, workers: int) -> dict[str, int]:
    """What is read: frames of the longest window, batches that wait, and the processes that read."""
    frames = max((window.frames for window in windows), default=0)
    raw, batch = 2 * 4 * frames * max(dims), 4 * shape.rows * shape.steps * sum(dims)
    if not workers:
        return {"reading": raw + 2 * batch}
    return {"reading": 2 * batch, "workers": workers * (WORKER_BYTES + raw + 2 * batch)}


def needs_of(config: LearnConfig, model: Model, read: dict[str, int], unknown: Sequence[str] = ()) -> Needs:
    """What a run needs where it is computed, and on the disk of its folder."""
    optimiser = model.states * model.trained
    own = {"weights": model.weights, "gradients": model.trained, "optimiser": optimiser}
    own |= {"activations": int(SCATTERED * max(0, model.step - model.trained))} | model.around
    read = {"libraries": LIBRARIES_BYTES} | read
    resumed = {"checkpoint to resume from": model.weights + optimiser} if config.resume and model.trained else {}
    processes = max(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), _devices(config.trainer))
    if _on_gpu(config.trainer):
        free, _ = torch.cuda.mem_get_info()
        host = {"weights": model.weights} | read | resumed
        places = [
            Place("Memory", free_memory(), _times(processes, host), _about_reading(config)),
            Place("GPU memory", free, own | {"libraries": CONTEXT_BYTES}, _about_steps(config, free, own)),
        ]
    else:
        free_here, parts = free_memory(), own | read | resumed
        advice = (*_about_steps(config, (free_here or 0) // processes, parts), *_about_reading(config))
        places = [Place("Memory", free_here, _times(processes, parts), advice)]
    return Needs((*places, _disk(config, model, optimiser)), tuple(unknown))


def _times(processes: int, parts: dict[str, int]) -> dict[str, int]:
    return {what: processes * size for what, size in parts.items()}


def _disk(config: LearnConfig, model: Model, optimiser: int) -> Place:
    """Checkpoints, each beside the one that it replaces, and what is left at the end; less what is there by now."""
    folder = Path(config.run)
    last, best = (model.weights + optimiser, model.weights) if model.trained else (0, 0)
    there = sum(path.stat().st_size for path in folder.glob("checkpoints/*.ckpt"))
    parts = {"checkpoints": max(0, last + best + max(last, best) - there), "result": model.result}
    advice = ("make room, or name a --run folder on another disk",)
    return Place(f"Disk of {folder}", free_on_disk(folder), parts, advice)


def _about_steps(config: LearnConfig, free: int, parts: dict[str, int]) -> tuple[str, ...]:
    """What to change about steps and models, with numbers where they help."""
    moving = parts["activations"]
    rest, advice = sum(parts.values()) - moving, list[str]()
    rows = int(config.batch_size * (0.9 * free - rest) / moving) if moving else 0
    if 0 < rows < config.batch_size:
        times = -(-config.batch_size // rows)
        advice.append(f"take --batch_size {rows} with --trainer.accumulate {times * config.trainer.accumulate}")
    if moving > rest:
        advice.append("shorten windows (--sampling.max_chunks)")
    if parts["optimiser"] and getattr(config, "method", None):
        advice.append("take --optim.name sgd, which keeps no copies of the weights")
    options = getattr(config, "method_options", None) or getattr(config, "head_options", None)
    if parts["weights"] > 0.1 * sum(parts.values()):
        stem = "--method_options.stem cca with a --method_options.width below the feature size"
        advice.append(f"take a smaller model ({stem})" if hasattr(options, "stem") else "take a smaller model")
    return tuple(advice)


def _about_reading(config: LearnConfig) -> tuple[str, ...]:
    return (f"take fewer --workers than {config.workers}",) if config.workers else ()


def pretrain_needs(config: PretrainConfig, pairs: Pairs, every: bool = True) -> Needs | None:
    """What a pre-training needs, before its weights are there; None where it is far too little to matter.

    Args:
        config: settings, the method's among them.
        pairs: what it learns from.
        every: estimate also what is small.
    """
    cls, learn = METHODS.get(config.method), pairs.learn
    dims, shape, unknown = tuple(learn.dims.values()), batch_shape(learn.rows, learn.sampling, config), list[str]()
    read, free = reading(learn.rows, dims, shape, config.workers), free_memory()
    try:
        method = without_values(lambda: cls(dims, learn.views, config.method_options))
        method.set_clock(learn.source.fps, learn.sampling.chunk_frames)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  # of a plugin: it can be run, but not without values
        return Needs((), (f"the method {config.method}: {error}",)) if every else None
    result = bytes_of(method.refiner)
    model = Model(
        bytes_of(method), bytes_of(method, trainable=True) if method.fit == "gradient" else 0, 0, 0, {}, result
    )
    if not every and free is not None and _rough(method, model, shape, read) < WORTH * free:
        return None
    return needs_of(config, _measured(config, method, shape, model, unknown), read, unknown)


def _rough(method: Method, model: Model, shape: BatchShape, read: dict[str, int]) -> float:
    """A bound, far above what is needed, of everything."""
    rows = sum(p.shape[0] for p in method.parameters() if p.ndim > 1)
    squares = 8 * 64 * sum(method.dims) ** 2 if method.needs_pass else 0
    step = 4 * ROUGHLY * shape.rows * shape.steps * (rows + sum(method.dims))
    return 4 * model.weights + step + squares + sum(read.values())


def _measured(config: PretrainConfig, method: Method, shape: BatchShape, model: Model, unknown: list[str]) -> Model:
    """The model with what its steps take, and its pass over the pairs."""
    step, around, states = 0, dict[str, int](), {"adamw": 2, "sgd": int(config.optim.momentum > 0)}[config.optim.name]
    if method.needs_pass:
        try:
            taken_in = COPIES * 4 * shape.rows * shape.steps * sum(method.dims)
            around["statistics"] = taken_in + pass_bytes(type(method), method.dims, method.views, config.method_options)
        except Exception as error:  # noqa: BLE001  # what can't be tried is said to be unknown
            unknown.append(f"statistics of {config.method} ({_first(error)})")
    if method.keeps_start:
        around["weights at the start"] = model.weights
    if method.fit == "gradient":
        try:
            step = method_step_bytes(method, shape) * _width(config.trainer)
        except Exception as error:  # noqa: BLE001
            unknown.append(f"activations of {config.method} ({_first(error)})")
    return replace(model, states=states, step=step, around=around)


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _width(config: TrainerConfig) -> int:
    """How many times wider numbers are than in float32."""
    return 2 if str(config.precision).startswith("64") else 1


def check_room(needs: Needs | None, config: LearnConfig) -> None:
    """Refuse, or warn, before a run starts; see `Needs.check`."""
    if config.plan:
        raise ConfigError(
            "plan is for the command line: `viewloom pretrain --plan true`, `viewloom train --plan true`."
        )
    if needs is not None:
        needs.check(refuse=config.trainer.check_memory)


def train_needs(module: Any, every: bool = True) -> Needs | None:
    """What a head's training needs; None where it is far too little to matter."""
    config, windows = module.config, module.windows()
    cut = [window for window, _ in windows.rows]
    shape = batch_shape(cut, module.sampling, config)
    read, weights = reading(cut, list(windows.dims.values()), shape, config.workers), bytes_of(module.head)
    front = bytes_of(module.refiner) if module.refiner is not None else 0
    widest = max((p.shape[0] for p in module.head.parameters()), default=1)
    layers = sum(1 for p in module.head.parameters() if p.ndim > 1)
    free, rough = free_memory(), 4 * ROUGHLY * shape.rows * shape.steps * widest * layers
    if not every and free is not None and rough + 4 * weights + 2 * front + sum(read.values()) < WORTH * free:
        return None
    step, unknown = 0, list[str]()
    try:
        step = _head_step(module, shape) * _width(config.trainer)
    except Exception as error:  # noqa: BLE001
        unknown.append(f"activations of {config.head} ({_first(error)})")
    around = {"refiner": front, "refined features": _refined(module, cut)} if front else {}
    return needs_of(config, Model(weights, bytes_of(module.head, True), 2, step, around, weights), read, unknown)


def _head_step(module: Any, shape: BatchShape) -> int:
    """A step of a head like the module's own."""
    from copy import deepcopy

    dim = module.refiner.out_dim if module.refiner is not None else max(module.windows().dims.values())
    head = deepcopy(module.head).to("meta").train()
    for part in head.modules():
        if getattr(part, "ready", True) is False:
            part.ready = True
    labels = module.dataset.labels
    assert labels is not None
    return head_step_bytes(head, dim, len(labels.actions), shape)


def _refined(module: Any, windows: Sequence[Window]) -> int:
    """Refined features that are kept, for every chunk size that is drawn, up to what is allowed."""
    sampling, refiner = module.sampling, module.refiner
    assert refiner is not None
    sizes = 1 + int(sampling.augment_probability > 0) * math.ceil(sampling.chunk_frames * sampling.augment_factor)
    steps = sum(window.steps for window in windows) * min(sizes, module.config.epochs or sizes)
    return min(int(module.config.refined_cache_gib * 2**30), int(4 * steps * refiner.out_dim))
