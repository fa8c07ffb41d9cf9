"""Whether networks are being written down as graphs, for ONNX or `torch.export`, which know sizes by name alone.

A graph has no branches by the values of tensors, and none by their sizes. Where a layer has such a branch, to save time
or memory, it asks `tracing` and takes a way that is longer, has none, and gives the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor

LONGEST = 2**17
"""Steps of a row, at most, in `running_max` while a graph is traced."""

_TRACING: ContextVar[bool] = ContextVar("tracing", default=False)


def tracing() -> bool:
    """Whether a graph is being traced."""
    return _TRACING.get()


@contextmanager
def as_graph() -> Iterator[None]:
    """Let layers take the ways that a graph can have."""
    token = _TRACING.set(True)
    try:
        yield
    finally:
        _TRACING.reset(token)


def running_max(x_BT: Tensor) -> Tensor:
    """The largest value up to each step, whole numbers of -1 and more.

    ONNX has no cumulative maximum, but it can double the stretch that a maximum is over until it's as long as any row.
    """
    if not tracing():
        return x_BT.cummax(dim=1)[0]
    reach, steps = 1, x_BT.shape[1]
    longest = steps if isinstance(steps, int) else LONGEST
    while reach < longest:
        x_BT = torch.maximum(x_BT, F.pad(x_BT, (reach, 0), value=-1)[:, :steps])
        reach *= 2
    return x_BT
