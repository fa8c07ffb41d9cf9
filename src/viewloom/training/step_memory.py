"""How much memory learning takes beyond its weights: a step of what is trained by gradient, a fit in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from viewloom.heads.base import Head
from viewloom.methods.base import Method
from viewloom.nn.live import META, Live, valueless
from viewloom.training.step_loss import loss_on
from viewloom.windows.batch import SegmentBatch, ViewBatch, Window

SMALL = 48, 96
"""Largest feature sizes that a closed form is tried at, where features are larger; memory is taken to grow with their
square from there."""


@dataclass(frozen=True)
class BatchShape:
    """What a step works on.

    Attributes:
        rows: windows of this process.
        steps: steps in each, as they are in the largest batch.
    """

    rows: int
    steps: int


def bytes_of(module: nn.Module, trainable: bool = False) -> int:
    """Bytes of a module's parameters and buffers, or of what is trained alone."""
    parameters = [p for p in module.parameters() if p.requires_grad or not trainable]
    buffers = [] if trainable else list(module.buffers())
    return sum(tensor.nbytes for tensor in (*parameters, *buffers))


def without_values(make: Callable[[], Method]) -> Method:
    """A method on the device "meta", which takes no memory: its weights can be counted before they are there."""
    with torch.random.fork_rng(devices=[]), META:
        method = make()
    for module in method.modules():
        if getattr(module, "ready", True) is False:
            module.ready = True  # type: ignore[assignment]  # statistics that nobody reads
    return method.train()


def method_step_bytes(method: Method, shape: BatchShape) -> int:
    """Most bytes that a step's batch, activations and gradients take at once; the method is `without_values`."""
    with torch.random.fork_rng(devices=[]), valueless(shape.steps) as live:
        method(_view_batch(method, shape)).total.backward()
        return live.peak


def head_step_bytes(head: Head, dim: int, classes: int, shape: BatchShape) -> int:
    """The same of a head on the device "meta", in float32."""
    with torch.random.fork_rng(devices=[]), valueless(shape.steps) as live:
        size = shape.rows, shape.steps
        batch = SegmentBatch(
            features_BTD=torch.empty(*size, dim),
            mask_BT=torch.ones(size, dtype=torch.bool),
            labels_BT=torch.zeros(size, dtype=torch.int64),
            windows=(),
            views=("",) * shape.rows,
            classes_BTK=torch.zeros(*size, classes, dtype=torch.int8) if head.multi else None,
        )
        loss = loss_on(head, head(batch.features_BTD, batch.mask_BT), batch, 1.0).total
        loss.backward()  # type: ignore[no-untyped-call]
        return live.peak


def _view_batch(method: Method, shape: BatchShape, recordings: int = 1) -> ViewBatch:
    """A batch in which every view has every step; random where there are values."""
    size = shape.rows, shape.steps
    windows = tuple(Window(f"r{row % recordings}", "", 0, shape.steps, 1) for row in range(shape.rows))
    features = {view: torch.randn(*size, dim) for view, dim in zip(method.views, method.dims, strict=True)}
    mask_BVT = torch.ones(shape.rows, len(method.views), shape.steps, dtype=torch.bool)
    return ViewBatch(features, mask_BVT, windows, labels_BT=torch.zeros(size, dtype=torch.int64))


def pass_bytes(cls: type[Method], dims: Sequence[int], views: tuple[str, ...], options: Any) -> int:
    """Most bytes that statistics and solution take, of a closed form or of what a learned method begins with.

    They are tried on random features of two small sizes, or of their own if that is small, and a part that grows with
    the square of the size is told from one that doesn't.
    """
    most = max(dims)
    if most <= SMALL[1]:
        return _tried(cls, dims, views, options, 1.0)
    first, second = (_tried(cls, dims, views, options, size / most) for size in SMALL)
    growing = max(0.0, second - first) / (SMALL[1] ** 2 - SMALL[0] ** 2)
    return math.ceil(max(0.0, first - growing * SMALL[0] ** 2) + growing * most**2)


def _tried(cls: type[Method], dims: Sequence[int], views: tuple[str, ...], options: Any, scale: float) -> int:
    sizes = [max(2, round(dim * scale)) for dim in dims]
    if getattr(options, "strength", 1.0) is None:
        options = replace(options, strength=1.0)  # several are tried one after the other, which takes only time
    for name in ("out_dim", "width"):
        if scale < 1 and getattr(options, name, None):
            options = replace(options, **{name: max(1, min(*sizes, round(getattr(options, name) * scale)))})
    shape = BatchShape(8, max(4, max(sizes) // 8))
    with torch.random.fork_rng(devices=[]), Live() as live:
        torch.manual_seed(0)
        method = cls(tuple(sizes), views, options)
        method.set_clock(1.0, 1)
        batch = _view_batch(method, shape, recordings=4)
        before = live.now
        method.show_all(lambda: [batch])
        return int(max(0, live.peak - before))
