"""The correlations between two views' features should be those of a feature with itself: ones, and zeros elsewhere.

Zbontar, Jing, Misra, LeCun, Deny: "Barlow Twins: Self-Supervised Learning via Redundancy Reduction" (ICML 2021,
arXiv:2103.03230), eqs. 1 and 2.
"""

from itertools import combinations

import torch
from torch import Tensor

from viewloom.losses.collapse import Total, as_summed, masked_covariances

TINY = 1e-6
"""Added to a variance before it is divided by: what never varies has no correlation."""


def barlow_terms(z_BVTZ: Tensor, mask_BVT: Tensor, total: Total = as_summed) -> tuple[Tensor, Tensor]:
    """``sum_i (1 - C_ii)^2`` and ``sum_{i != j} C_ij^2``, each over Z, means over the pairs of views that meet.

    Args:
        z_BVTZ: features.
        mask_BVT: bool, True where a view is there.
        total: sums over processes, with gradient.

    Returns:
        Two scalars; zero, and with zero gradients, where no two views meet at two steps.
    """
    same, other, met = [], [], []
    for a, b in combinations(range(z_BVTZ.shape[1]), 2):
        both_BT = mask_BVT[:, a] & mask_BVT[:, b]
        covariances = masked_covariances([z_BVTZ[:, a], z_BVTZ[:, b]], both_BT, total)
        scales = [(covariances[place, place].diagonal() + TINY).rsqrt() for place in range(2)]
        correlation_ZZ = scales[0][:, None] * covariances[0, 1] * scales[1]
        squares_ZZ = correlation_ZZ.square()
        same.append((1 - correlation_ZZ.diagonal()).square().mean())
        other.append((squares_ZZ.sum() - squares_ZZ.diagonal().sum()) / len(squares_ZZ))
        met.append((total(both_BT.sum().to(z_BVTZ.dtype)) > 1).to(z_BVTZ.dtype))
    met_P = torch.stack(met)
    pairs = met_P.sum().clamp(min=1)
    return (met_P * torch.stack(same)).sum() / pairs, (met_P * torch.stack(other)).sum() / pairs
