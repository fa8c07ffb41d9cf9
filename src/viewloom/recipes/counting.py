"""What a network costs, without running it at full size: parameters, operations, memory.

A multiplication and an addition count as two operations. A training step counts as three forward passes (forward,
gradients of the activations, gradients of the weights).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from viewloom.heads.base import Head
from viewloom.methods.base import Method
from viewloom.nn.encoder import EncoderLayer
from viewloom.registry import METHODS

BYTES = 4
"""Of a number in float32."""


def method_on_meta(name: str, dim: int, views: Sequence[str], options: Any) -> Method:
    """A method without memory for its weights."""
    with torch.device("meta"):
        method: Method = METHODS.get(name)(dim, tuple(views), options)
    return method


def parameters(module: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in module.parameters())


def method_parameters(name: str, dim: int, views: Sequence[str], options: Any = None) -> dict[str, int]:
    """Parameters of a method's modules: the refiner, which is kept, and what is thrown away."""
    method = method_on_meta(name, dim, views, options)
    return {name: parameters(module) for name, module in method.named_children() if parameters(module)}


def step_operations(module: nn.Module, context: str, attended_steps: float) -> float:
    """Operations of one forward pass of a stack of encoder layers and linear maps over one step.

    Args:
        module: its layers.
        context: with ``frame`` queries and keys are not computed, and nothing is attended to.
        attended_steps: steps that a step looks at otherwise.
    """
    total = 0.0
    for layer in _leaves(module):
        if isinstance(layer, EncoderLayer):
            maps = (layer.linear1, layer.linear2, layer.self_attn.out_proj)
            weights = sum(linear.weight.numel() for linear in maps)
            width = layer.self_attn.out_proj.weight.shape[0]
            projections = 1 if context == "frame" else 3
            looking = 0.0 if context == "frame" else 4.0 * attended_steps * width
            total += 2.0 * (weights + projections * width * width) + looking
        elif isinstance(layer, nn.Linear):
            total += 2.0 * layer.weight.numel()
    return total


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Encoder layers and linear maps outside them."""
    for child in module.children():
        if isinstance(child, EncoderLayer | nn.Linear):
            yield child
        else:
            yield from _leaves(child)


def step_memory(module: nn.Module, context: str) -> float:
    """Bytes that one step keeps for the backward pass in a stack of encoder layers: about, in float32.

    Of width W and feed-forward width F: what attention, both normalisations and three dropouts keep (8 W; with
    queries and keys 11 W), and the hidden layer before and after ReLU and dropout (3 F).
    """
    values = 0.0
    for layer in _leaves(module):
        if isinstance(layer, EncoderLayer):
            hidden, width = layer.linear1.weight.shape
            values += (8 if context == "frame" else 11) * width + 3 * hidden
    return BYTES * values


def head_costs(head: Head, steps: int) -> tuple[float, float]:
    """Operations of one forward pass, and bytes kept for the backward pass, of one row of ``steps`` steps.

    Measured, by running the head once on the CPU.
    """
    from torch.utils.flop_counter import FlopCounterMode

    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {p.untyped_storage().data_ptr() for p in head.parameters()}
    x_BTD, mask_BT = torch.randn(1, steps, head.dim), torch.ones(1, steps, dtype=torch.bool)
    counter = FlopCounterMode(display=False)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), counter:
        head.train()(x_BTD, mask_BT)
    return float(counter.get_total_flops()), float(sum(size for at, size in kept.items() if at not in weights))
