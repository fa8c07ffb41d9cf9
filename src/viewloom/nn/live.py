"""How much memory a computation would take: its tensors are counted as they come and go, without a value in any.

A forward and a backward pass on torch's device "meta" cost no memory and next to no time. What depends on values there
(`x[mask]`, `nonzero`, numbers read out) is answered as if every mask were True and every number of steps the most
there is.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are there.

    Attributes:
        now: bytes at the moment.
        peak: most there were at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what is asked, and count what comes of it."""
        result = self.answer(func, args, kwargs or {})
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return result

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operation."""
        return func(*args, **kwargs)

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += self._sizes[key]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


class Valueless(Live):  # type: ignore[no-untyped-call]
    """`Live` on the device "meta", where operations that need values get an answer that takes the most memory.

    Args:
        steps: what a number of steps is taken to be.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operation, without its values."""
        name = func._schema.name
        if name == "aten::_local_scalar_dense":
            return _value(args[0].dtype, self.steps)
        if name == "aten::nonzero":
            return args[0].new_empty((args[0].numel(), args[0].dim()), dtype=torch.int64)
        if name == "aten::masked_select":
            return args[0].new_empty(args[1].numel())
        if name == "aten::equal":
            return True
        if name == "aten::index":
            return func(args[0], _as_places(args[1]))
        if name.startswith(("aten::index_put", "aten::_index_put")) and any(map(_is_mask, args[1])):
            return args[0]
        return func(*args, **kwargs)


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype == torch.bool


def _as_places(indices: Any) -> list[Tensor | None]:
    """Indices with each mask as the places of all that it might choose."""
    found: list[Tensor | None] = []
    for index in indices:
        masked = _is_mask(index)
        found += [index.new_empty(index.numel(), dtype=torch.int64)] * index.dim() if masked else [index]
    return found


def _value(dtype: torch.dtype, steps: int) -> bool | int | float:
    return True if dtype == torch.bool else 1.0 if dtype.is_floating_point else steps


class _Read(TorchFunctionMode):
    """Lists and arrays of what has no values."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.device == META:
            if func in (Tensor.tolist, Tensor.numpy):
                kind = np.bool_ if first.dtype == torch.bool else np.float64 if first.is_floating_point() else np.int64
                values = np.full(tuple(first.shape), _value(first.dtype, self.steps), kind)
                return values.tolist() if func is Tensor.tolist else values
            if func is Tensor.cpu:
                return first
        if func is torch.from_numpy:
            return torch.empty(args[0].shape, dtype=torch.from_numpy(args[0][:0]).dtype, device=META)
        return func(*args, **(kwargs or {}))


@contextmanager
def valueless(steps: int) -> Iterator[Valueless]:
    """Compute on the device "meta" within; gives what counts its tensors."""
    live, autocast = Valueless(steps), torch.autocast
    torch.autocast = _NoCast  # type: ignore[assignment,misc]  # it doesn't know the device
    try:
        with _Read(steps), live, META:
            yield live
    finally:
        torch.autocast = autocast  # type: ignore[misc]


class _NoCast:
    """In the place of `torch.autocast`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...
