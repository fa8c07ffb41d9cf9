"""Sums over the processes of a run, so that several processes equal one at the same global batch."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
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


def values_of_processes(value: Tensor) -> list[Tensor]:
    """A CPU tensor of each process, in their order, the same in each; of one size and type in all."""
    if world_size() == 1:
        return [value]
    device = torch.device("cuda") if dist.get_backend() == "nccl" else value.device
    values = [torch.empty_like(value, device=device) for _ in range(world_size())]
    dist.all_gather(values, value.to(device))
    return [each.to(value.device) for each in values]


def mean_count(count: Tensor) -> Tensor:
    """What each process divides its sum by, so that the mean of their losses is the mean over all their steps.

    Processes rarely hold equally many valid steps. Training averages their gradients; with every sum divided
    by the *average* count, that average is the gradient of the one global mean.
    """
    return sum_over_processes(count) / world_size()


def sum_with_gradient(value: Tensor) -> Tensor:
    """The sum over all processes, through which gradients go as if one process had held everything.

    For losses of whole-batch statistics, which every process works out alike: as training averages gradients,
    each process's own part must count once per process.
    """
    world = world_size()
    return value if world == 1 else sum_over_processes(value) + world * (value - value.detach())


def gather_over_processes(value_NF: Tensor) -> Tensor:
    """The rows of all processes, one process's after the other's; gradients go as in `sum_with_gradient`.

    Args:
        value_NF: rows of this process; the number N may differ between processes.
    """
    if world_size() == 1:
        return value_NF
    counts = torch.zeros(world_size(), dtype=torch.int64, device=value_NF.device)
    counts[dist.get_rank()] = len(value_NF)
    ends = sum_over_processes(counts).cumsum(0).tolist()
    own = slice(ends[dist.get_rank()] - len(value_NF), ends[dist.get_rank()])
    return sum_with_gradient(F.pad(value_NF, (0, 0, own.start, ends[-1] - own.stop)))
