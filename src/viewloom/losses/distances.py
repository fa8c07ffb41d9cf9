"""Distances between the steps of two sequences."""

import torch
from torch import Tensor


def squared_distances(u_PND: Tensor, v_PMD: Tensor) -> Tensor:
    """Mean over features of ``(u_n - v_m)^2``, (P, N, M): the mean, so that it means the same for any feature size.

    Computed in float32 at least, also under mixed precision: these are small differences of large numbers.

    Args:
        u_PND: steps of one sequence of each pair.
        v_PMD: steps of the other.
    """
    wide = torch.promote_types(u_PND.dtype, torch.float32)
    with torch.autocast(u_PND.device.type, enabled=False):
        u_PND, v_PMD = u_PND.to(wide), v_PMD.to(wide)
        # Distances don't change when both move, and rounding is least around zero.
        centre_P1D = v_PMD.mean(dim=1, keepdim=True).detach()
        u_PND, v_PMD = u_PND - centre_P1D, v_PMD - centre_P1D
        squares_PNM = u_PND.square().sum(-1)[:, :, None] + v_PMD.square().sum(-1)[:, None, :]
        return (squares_PNM - 2 * u_PND @ v_PMD.mT) / u_PND.shape[-1]
