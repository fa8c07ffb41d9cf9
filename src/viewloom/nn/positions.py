"""Rotary positions: queries and keys are turned by an angle that grows with the step, so that their products
depend on how far apart two steps are, and not on where a window happens to start.

Su, Lu, Pan, Murtadha, Wen, Liu: "RoFormer: Enhanced Transformer with Rotary Position Embedding"
(arXiv:2104.09864), eq. 34. It adds no parameters, has no longest length, and leaves features as large as they
are, which sinusoids added to features of deviation 0.5 would not.
"""

import torch
from torch import Tensor

BASE = 10_000.0
"""The slowest pair of coordinates turns once in about 2 pi times this many steps."""


def rotation(steps: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (S, ``width`` // 2) of the angles of each step and pair of coordinates.

    Args:
        steps: number of steps S.
        width: width of a head; of an odd one the last coordinate is left as it is.
        like: gives device and type of the result; the angles themselves are worked out in float64.
    """
    pairs = width // 2
    # Devices without float64 exist, so the table is made on the CPU: it is small.
    speed_P = BASE ** (-torch.arange(pairs, dtype=torch.float64, device="cpu") / max(pairs, 1))
    angle_SP = torch.arange(steps, dtype=torch.float64, device="cpu")[:, None] * speed_P
    return angle_SP.cos().to(like), angle_SP.sin().to(like)


def rotate(x_NHW: Tensor, cos_N1P: Tensor, sin_N1P: Tensor) -> Tensor:
    """``x_NHW`` with coordinate p and coordinate p + P of each head turned by the step's angle."""
    pairs = cos_N1P.shape[-1]
    first, second, rest = x_NHW[..., :pairs], x_NHW[..., pairs : 2 * pairs], x_NHW[..., 2 * pairs :]
    turned = (first * cos_N1P - second * sin_N1P, first * sin_N1P + second * cos_N1P)
    return torch.cat((*turned, rest), dim=-1)
