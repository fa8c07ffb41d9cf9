"""Two processes of one group, as data-parallel training has them, for tests that compare them with one process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor


def in_two_processes(share: Callable[[int, Path], None], folder: Path) -> None:
    """Call ``share`` with its rank and a folder in two processes; `together` lets them speak to each other.

    They are forks where nothing forbids it: they need not import torch and make the cases of a test anew. CUDA does,
    and macOS.
    """
    method = "fork" if sys.platform == "linux" and not torch.cuda.is_available() else "spawn"
    mp.start_processes(_begin, (share, folder), nprocs=2, start_method=method)


def _begin(rank: int, share: Callable[[int, Path], None], folder: Path) -> None:
    torch.set_num_threads(1)
    share(rank, folder)


@contextmanager
def together(rank: int, folder: Path) -> Iterator[None]:
    """The process group of the two."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    yield
    dist.destroy_process_group()


def average(values: list[Tensor]) -> None:
    """Put the mean over both processes into each tensor, as one message a type."""
    for dtype in dict.fromkeys(value.dtype for value in values):
        alike = [value for value in values if value.dtype == dtype]
        flat_N = torch.cat([value.reshape(-1) for value in alike])
        dist.all_reduce(flat_N)
        parts = (flat_N / 2).split([value.numel() for value in alike])
        for value, part in zip(alike, parts, strict=True):
            value.copy_(part.view_as(value))
