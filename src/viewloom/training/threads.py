"""How many of the processor's threads a run computes with, where nobody said so.

Threads that wait for one another are slowed by whatever else runs on the cores: with small tensors, or beside other
work, two threads can take ten times as long as one.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from viewloom.training.runs import read_json, say
from viewloom.training.settings import TrainerConfig

SMALL = 1_000_000
"""Weights below which a model's tensors are too small to be shared out."""
GAIN = 1.3
"""All threads are taken where they are at least this much faster than one."""
ROUNDS = 7
OTHER = "(--trainer.threads sets another number)."
ROWS = 512
"""Steps in the product that is timed."""


def choose_threads(config: TrainerConfig, module: nn.Module, dim: int, folder: Path, resume: bool) -> int | None:
    """Threads for a run, said out loud where they were chosen; None leaves them to torch.

    Args:
        config: devices and the number asked for.
        module: what is trained.
        dim: feature size, which decides about closed forms.
        folder: the run folder; a resumed run takes as many threads as it began with, since rounding depends on them.
        resume: whether the run goes on.
    """
    if config.threads is not None:
        return config.threads
    began = folder / "environment.json"
    if resume and began.exists() and (kept := read_json(began).get("threads")) is not None:
        return int(kept)
    if _set_elsewhere() or not _on_one_cpu(config):
        return None
    most, weights = torch.get_num_threads(), sum(p.numel() for p in module.parameters()) or dim * dim
    if most == 1:
        return 1
    if weights < SMALL:
        say(f"note: 1 of {most} threads, since {weights:,} weights are too few to be shared out {OTHER}")
        return 1
    gain = speed_up(_largest(module, dim), most)
    chosen = most if gain >= GAIN else 1
    say(f"note: {chosen} of {most} threads: all of them are {gain:.1f} times as fast as one {OTHER}")
    return chosen


def speed_up(weight_EF: Tensor, threads: int) -> float:
    """How many times faster a product with a weight is with so many threads than with one; the median of several."""
    x_NF = torch.randn(ROWS, weight_EF.shape[1], dtype=weight_EF.dtype)
    ratios = []
    for _ in range(ROUNDS):
        taken = []
        for count in (1, threads):
            with using_threads(count):
                x_NF @ weight_EF.mT  # wakes the threads
                started = time.perf_counter()
                x_NF @ weight_EF.mT
                taken.append(time.perf_counter() - started)
        ratios.append(taken[0] / max(taken[1], 1e-9))
    return median(ratios)


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads (None: as before), and afterwards with as many as before."""
    before = torch.get_num_threads()
    if count is not None and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def inference_threads(device: torch.device, *modules: nn.Module) -> int | None:
    """One thread for small models on the CPU; None, which leaves them to torch, for others."""
    weights = sum(p.numel() for module in modules for p in module.parameters())
    return 1 if device.type == "cpu" and weights < SMALL and not _set_elsewhere() else None


def _set_elsewhere() -> bool:
    """Whether the user has said how many, in the way all libraries obey."""
    return bool(os.environ.get("OMP_NUM_THREADS"))


def _on_one_cpu(config: TrainerConfig) -> bool:
    """Whether a single process trains on the CPU; several share the cores as Lightning has it."""
    several = config.num_nodes > 1 or config.devices not in ("1", "auto") or int(os.environ.get("WORLD_SIZE", "1")) > 1
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return not several and (config.accelerator == "cpu" or (config.accelerator == "auto" and not accelerated))


def _largest(module: nn.Module, dim: int) -> Tensor:
    """A model's largest weight as a matrix (E, F); of closed forms, which have none, a square of the feature size."""
    weights = [p.detach().flatten(1).cpu() for p in module.parameters() if p.ndim > 1]
    return max(weights, key=Tensor.numel) if weights else torch.randn(dim, dim, dtype=torch.float64)
