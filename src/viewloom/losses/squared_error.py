"""Mean squared error over the steps that count."""

from collections.abc import Callable

from torch import Tensor

Count = Callable[[Tensor], Tensor]
"""What a sum is divided by, given this process's number of steps: that number, or its mean over processes."""


def as_counted(count: Tensor) -> Tensor:
    """The number of steps itself: one process, or evaluation."""
    return count


def squared_error(a_BTD: Tensor, b_BTD: Tensor, mask_BT: Tensor, count: Count = as_counted) -> Tensor:
    """Mean of (a - b)^2 over the features of valid steps; zero, and with zero gradients, where there is none.

    Args:
        a_BTD: one side.
        b_BTD: the other.
        mask_BT: bool, True where a step counts; what stands elsewhere is never used.
        count: turns the number of valid steps into what their sum is divided by.
    """
    difference_BTD = (a_BTD - b_BTD).float() if a_BTD.dtype.itemsize < 4 else a_BTD - b_BTD
    squares_BTD = difference_BTD.masked_fill(~mask_BT[..., None], 0.0).square()
    steps = count(mask_BT.sum())
    # Not clamped at 1: the mean over processes of a small number may be less.
    return squares_BTD.sum() / ((steps + (steps == 0)) * squares_BTD.shape[-1])
