"""Sums over the processes of a run, so that several processes equal one at the same global batch."""

import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum over all processes, the same in each; no gradient goes through it. ``value`` is kept as it is."""
    if world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def mean_count(count: Tensor) -> Tensor:
    """What each process divides its sum by, so that the mean of their losses is the mean over all their steps.

    Processes rarely hold equally many valid steps. Training averages their gradients; with every sum divided
    by the *average* count, that average is the gradient of the one global mean.
    """
    return sum_over_processes(count) / world_size()
