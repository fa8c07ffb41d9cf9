"""Networks that look back only, computed block by block as their input comes, with bounded memory.

A causal layer needs so many steps before those that it computes. At the beginning of a row these are zeros; in a
stream they are the last ones of the blocks before, which a `Stream` keeps. A layer asks for them by `LooksBack`, and is
otherwise the same in both.

Blocks always have `BLOCK` steps, on a fixed grid; of one that isn't full yet the rest are zeros, and it is computed
again when more has come. So each step is computed in tensors of the same shape, at the same place in them, however
many steps came at a time: the results are the same to the bit.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 32
"""Steps of a block: a power of two, so that windows of attention that double from layer to layer begin with one."""


class Stream:
    """What the layers of a network keep between blocks.

    Attributes:
        start: number of the block's first step; a tensor () where a graph is traced.
        past: {layer's name: (..., steps) that came before the block}; absent at the beginning, where all are zeros.
    """

    def __init__(self, start: Any = 0, past: Mapping[str, Tensor] | None = None) -> None:
        self.start = start
        self.past = dict(past or {})
        self._next: dict[str, Tensor] = {}

    def joined(self, name: str, x_T: Tensor, steps: int) -> Tensor:
        """The block (..., T) behind the ``steps`` before it, (..., steps + T)."""
        past = self.past.get(name)
        past = x_T.new_zeros((*x_T.shape[:-1], steps)) if past is None else past
        joined = torch.cat([past, x_T], dim=-1)
        self.keep(name, joined, steps)
        return joined

    def keep(self, name: str, joined_T: Tensor, steps: int) -> None:
        """Put other values in the place of those that the next block finds before it: the last ``steps`` of these."""
        self._next[name] = joined_T[..., joined_T.shape[-1] - steps :]

    @property
    def following(self) -> dict[str, Tensor]:
        """What the block after this one finds before it, if this one is full."""
        return dict(self._next)

    def advance(self) -> None:
        """Go on to the next block: this one, as it was computed last, was full."""
        self.past = {name: past.clone() for name, past in self._next.items()}
        self.start += BLOCK


class LooksBack:
    """A layer that looks at steps before its own.

    Attributes:
        stream: where they are kept while a stream is computed; None: a row begins.
        place: the layer's name in it.
    """

    stream: ClassVar[Stream | None] = None
    place: ClassVar[str] = ""

    def with_past(self, x_T: Tensor, steps: int, what: str = "") -> Tensor:
        """``x_T`` (..., T) behind the ``steps`` before it; ``what`` tells several inputs of a layer apart."""
        if not steps:
            return x_T
        if self.stream is None:
            return F.pad(x_T, (steps, 0))
        return self.stream.joined(f"{self.place}{what}", x_T, steps)

    def delayed(self, x_T: Tensor, steps: int) -> Tensor:
        """``x_T`` (..., T) so many steps later, zeros before it."""
        return self.with_past(x_T, steps, "delayed")[..., : x_T.shape[-1]]

    def kept_steps(self, what: str = "") -> int:
        """How many steps before the block are there; some block must have come."""
        assert self.stream is not None
        return self.stream.past[f"{self.place}{what}"].shape[-1]

    def keep(self, joined_T: Tensor, steps: int, what: str = "") -> None:
        """Let the next block find other values before it than those that came: the last ``steps`` of these."""
        assert self.stream is not None
        self.stream.keep(f"{self.place}{what}", joined_T, steps)


def looking_back(*networks: nn.Module) -> dict[str, LooksBack]:
    """Layers that look back, by a name that no other one has."""
    return {
        f"{place}.{name}": layer
        for place, network in enumerate(networks)
        for name, layer in network.named_modules()
        if isinstance(layer, LooksBack)
    }


@contextmanager
def flowing(layers: Mapping[str, LooksBack], stream: Stream) -> Iterator[None]:
    """Let layers compute a block of a stream meanwhile."""
    for name, layer in layers.items():
        layer.__dict__.update(stream=stream, place=name)
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.__dict__["stream"], layer.__dict__["place"]
