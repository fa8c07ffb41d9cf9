"""Convolution-net parts for rows of unequal length: each row is computed as if it were alone.

A `Canvas` says how long each row of a (B, C, T) tensor is, and which of its steps hold anything. Those that don't
are kept at zero, which is what convolutions pad with, and stay out of batch statistics; pooling and resizing take
each row's own length. Nothing loops over rows.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from viewloom.nn.distributed import sum_over_processes, world_size
from viewloom.nn.tracing import tracing


@dataclass(frozen=True)
class Canvas:
    """How long each row of a (B, C, T) tensor is, and which of its steps hold anything.

    Attributes:
        lengths_B: int64, number of steps each row is computed on, at most T; pooling and resizing go by it.
        steps: T.
        valid_BT: bool, True where a step holds something; None if all T of every row do.
    """

    lengths_B: Tensor
    steps: int
    valid_BT: Tensor | None = None

    def clear(self, x_BCT: Tensor) -> Tensor:
        """``x_BCT`` with zeros at steps that hold nothing.

        Without this, steps that are left out of batch statistics would be scaled by them all the same: where few
        steps count, their deviation is small, and what padding holds grows from layer to layer without bound.
        """
        return x_BCT if self.valid_BT is None else x_BCT * self.valid_BT[:, None].to(x_BCT.dtype)

    def pooled(self, size: int) -> "Canvas":
        """The canvas after pooling by ``size``, whole groups only."""
        lengths_B = self.lengths_B // size
        valid_BT = None if self.valid_BT is None else pool_valid(self.valid_BT, lengths_B, size)
        return Canvas(lengths_B, self.steps // size, valid_BT)


def steps_below(lengths_B: Tensor, steps: int) -> Tensor:
    """Bool (B, ``steps``): True where the step's index is below the row's length."""
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]


def valid_lengths(mask_BT: Tensor) -> Tensor:
    """Index of each row's last valid step plus one, int64 (B,); 0 for a row without any."""
    places = torch.arange(1, mask_BT.shape[1] + 1, device=mask_BT.device)
    return (mask_BT * places).amax(dim=1)


def max_pool(x_BCT: Tensor, size: int) -> Tensor:
    """Largest value of each whole group of ``size`` steps; in two dimensions where torch's one-dimensional way would
    write the length into a graph."""
    if tracing():
        return F.max_pool2d(x_BCT[:, :, None], (1, size))[:, :, 0]
    return F.max_pool1d(x_BCT, size)


def pool_valid(valid_BT: Tensor, lengths_B: Tensor, size: int) -> Tensor:
    """Which pooled steps hold something: those with such a step among theirs.

    The last pooled step of a row also answers for the remainder that pooling drops, so that a row that holds
    something does so at every level.

    Args:
        valid_BT: which steps hold something.
        lengths_B: the rows' lengths after pooling.
        size: steps pooled into one.
    """
    groups_BN = max_pool(valid_BT[:, None].float(), size)[:, 0] > 0
    dropped_BT = valid_BT & ~steps_below(lengths_B * size, valid_BT.shape[1])
    last_BN = torch.arange(groups_BN.shape[1], device=lengths_B.device) == lengths_B[:, None] - 1
    with_rest_BN = groups_BN | (last_BN & dropped_BT.any(dim=1, keepdim=True))
    return with_rest_BN & steps_below(lengths_B, groups_BN.shape[1])


def resize_linear(x_BCN: Tensor, from_B: Tensor, to_B: Tensor, steps: int) -> Tensor:
    """Stretch each row linearly from its own length to another, first step on first, last on last.

    The same as `torch.nn.functional.interpolate` with ``align_corners=True`` row by row, but the places are
    worked out in integers: in float32 the library's are off by up to 2e-4 of a step at a thousand steps, and
    differ with how it is called. Differentiable in ``x_BCN``.

    Args:
        x_BCN: values; what lies beyond a row's length is never read.
        from_B: the rows' lengths, int64, each at least 1.
        to_B: the lengths wanted, int64.
        steps: width of the result; steps at or past ``to_B`` are zero.

    Returns:
        (B, C, ``steps``).
    """
    place_S = torch.arange(steps, device=x_BCN.device)
    last_B1, spans_B1 = (from_B - 1)[:, None], (to_B - 1).clamp(min=1)[:, None]
    travelled_BS = place_S * last_B1
    low_BS = torch.div(travelled_BS, spans_B1, rounding_mode="floor")
    exact = torch.promote_types(x_BCN.dtype, torch.float32)
    part_BS = (travelled_BS - low_BS * spans_B1).to(exact) / spans_B1.to(exact)
    kept_BS = place_S < to_B[:, None]
    low_B1S = low_BS.minimum(last_B1)[:, None]
    high_B1S = (low_BS + 1).minimum(last_B1)[:, None]
    shape = (-1, x_BCN.shape[1], -1)
    low_share_B1S = ((1 - part_BS) * kept_BS).to(x_BCN.dtype)[:, None]
    high_share_B1S = (part_BS * kept_BS).to(x_BCN.dtype)[:, None]
    low_BCS = x_BCN.gather(2, low_B1S.expand(shape)) * low_share_B1S
    return torch.addcmul(low_BCS, x_BCN.gather(2, high_B1S.expand(shape)), high_share_B1S)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation whose statistics leave out steps that don't count, over all processes of the run.

    Every step is normalised, but in training mean and variance are taken over the steps that count (of all
    processes together, where several train). Running statistics follow torch's rules: momentum 0.1, the
    variance unbiased. Parameter names are those of `torch.nn.BatchNorm1d`; so is the arithmetic in evaluation
    mode, or with ``valid_BT`` None and a single process.

    Args:
        channels: number of channels C.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, input: Tensor, valid_BT: Tensor | None = None) -> Tensor:
        """Normalise ``input`` (B, C, T).

        Args:
            input: values; those at steps that don't count must be finite, and change no other step.
            valid_BT: bool, True where a step counts; None for all. In training at least one step must.
        """
        if not self.training or (valid_BT is None and world_size() == 1):
            return super().forward(input)
        if valid_BT is None:
            valid_BT = torch.ones_like(input[:, 0], dtype=torch.bool)
        # Half-precision sums over thousands of steps would be too coarse.
        wide = torch.promote_types(self.weight.dtype, torch.float32)
        y_BCT, *statistics = _Normalise.apply(  # type: ignore[no-untyped-call]
            input.to(wide), self.weight.to(wide), self.bias.to(wide), valid_BT, self.eps
        )
        self._track(*statistics)
        return cast(Tensor, y_BCT.to(input.dtype))

    @torch.no_grad()
    def _track(self, mean_C: Tensor, var_C: Tensor, count: Tensor) -> None:
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        unbiased_C = var_C * count / (count - 1).clamp(min=1)
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), self.momentum)


class _Normalise(torch.autograd.Function):
    """(x - mean) / deviation * weight + bias, mean and deviation over the valid steps of all processes."""

    @staticmethod
    def forward(
        ctx: Any, x_BCT: Tensor, weight_C: Tensor, bias_C: Tensor, valid_BT: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        valid_B1T = valid_BT[:, None].to(x_BCT.dtype)
        sums = sum_over_processes(torch.cat([(x_BCT * valid_B1T).sum((0, 2)), valid_B1T.sum()[None]]))
        count = sums[-1].clone()
        # Reading the count would make a GPU wait at every layer; there, no valid step ends in NaN.
        assert x_BCT.is_cuda or count > 0, "batch statistics need at least one valid step"
        mean_C = sums[:-1] / count
        centred_BCT = x_BCT - mean_C[:, None]
        var_C = sum_over_processes((centred_BCT.square().mul_(valid_B1T)).sum((0, 2))) / count
        scale_C = torch.rsqrt(var_C + eps)
        ctx.save_for_backward(x_BCT, weight_C, valid_B1T, mean_C, scale_C, count)
        ctx.mark_non_differentiable(mean_C, var_C, count)
        y_BCT = centred_BCT.mul_((weight_C * scale_C)[:, None]).add_(bias_C[:, None])
        return y_BCT, mean_C, var_C, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BCT: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        x_BCT, weight_C, valid_B1T, mean_C, scale_C, count = ctx.saved_tensors
        unit_BCT = (x_BCT - mean_C[:, None]).mul_(scale_C[:, None])
        grad_bias_C = grad_BCT.sum((0, 2))
        grad_weight_C = (grad_BCT * unit_BCT).sum((0, 2))
        # Mean and deviation come from the valid steps of every process, and act on all steps of every process.
        by_mean_C, by_deviation_C = sum_over_processes(torch.stack([grad_bias_C, grad_weight_C])) / count
        through_BCT = unit_BCT.mul_(by_deviation_C[:, None]).add_(by_mean_C[:, None]).mul_(valid_B1T)
        grad_x_BCT = torch.sub(grad_BCT, through_BCT, out=through_BCT).mul_((weight_C * scale_C)[:, None])
        return grad_x_BCT, grad_weight_C, grad_bias_C, None, None


def fit_steps(x_BCT: Tensor, steps: int) -> Tensor:
    """``x_BCT`` cut, or filled with zeros, to ``steps`` steps."""
    if tracing():  # by no branch
        return F.pad(x_BCT, (0, steps))[..., :steps]
    missing = steps - x_BCT.shape[-1]
    return F.pad(x_BCT, (0, missing)) if missing > 0 else x_BCT[..., :steps]


def instance_norm(x_BCT: Tensor, valid_BT: Tensor, eps: float = 1e-5) -> Tensor:
    """Each channel of a row at mean 0 and deviation 1 over the row's own valid steps; zeros at the others.

    Without parameters, as `torch.nn.InstanceNorm1d` by default, and equal to it where all steps are valid (Ulyanov,
    Vedaldi, Lempitsky: "Instance Normalization", arXiv:1607.08022).

    Args:
        x_BCT: values; those at steps that aren't valid must be finite.
        valid_BT: bool, True where a step counts.
        eps: added to the variance.
    """
    wide = torch.promote_types(x_BCT.dtype, torch.float32)
    valid_B1T = valid_BT[:, None].to(wide)
    count_B11 = valid_B1T.sum(dim=2, keepdim=True).clamp(min=1)
    mean_BC1 = (x_BCT.to(wide) * valid_B1T).sum(dim=2, keepdim=True) / count_B11
    centred_BCT = (x_BCT.to(wide) - mean_BC1) * valid_B1T
    variance_BC1 = centred_BCT.square().sum(dim=2, keepdim=True) / count_B11
    return (centred_BCT * torch.rsqrt(variance_BC1 + eps)).to(x_BCT.dtype)


def step_norm(x_BCT: Tensor) -> Tensor:
    """Each step at mean 0 and deviation 1 over its channels, without parameters: no step has a say in another's."""
    return F.layer_norm(x_BCT.mT, x_BCT.shape[1:2]).mT
