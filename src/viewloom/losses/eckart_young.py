"""Canonical correlation as an unconstrained loss.

Chapman, Wells, Aguila: "Unconstrained Stochastic CCA: Unifying Multiview and Self-Supervised Learning"
(arXiv:2310.01012), the Eckart-Young loss ``-2 tr C + ||V||^2`` with ``C = sum_{i != j} Cov(z_i, z_j)`` and
``V = sum_i Var(z_i)``. Its minimum over linear maps are the canonical components, each of a variance as large as its
correlation; nothing needs to be whitened.
"""

from itertools import combinations

import torch
from torch import Tensor

from viewloom.losses.collapse import Total, as_summed, masked_covariances


def eckart_young(z_BVTZ: Tensor, mask_BVT: Tensor, total: Total = as_summed) -> Tensor:
    """``1 + (-2 tr C + ||V||^2) / Z``, C divided by V - 1: 1 for views that share nothing, 0 for views that share all.

    Divided so, the correlations in question are means over pairs of views, and lie below 1 for any number of views;
    the components are the same. ``||V||^2`` is taken of one batch, where the paper multiplies those of two independent
    ones: with hundreds of steps in a batch the difference is small, and one batch gives twice the steps.

    Args:
        z_BVTZ: features.
        mask_BVT: bool, True where a view is there.
        total: sums over processes, with gradient.

    Returns:
        Scalar; zero, and with zero gradients, where no two views meet at two steps.
    """
    views = z_BVTZ.shape[1]
    shared, own, met = [], [], []
    for a, b in combinations(range(views), 2):
        both_BT = mask_BVT[:, a] & mask_BVT[:, b]
        covariances = masked_covariances([z_BVTZ[:, a], z_BVTZ[:, b]], both_BT, total)
        shared.append(covariances[0, 1].diagonal().sum())
        own.append(covariances[0, 0] + covariances[1, 1])
        met.append(total(both_BT.sum().to(z_BVTZ.dtype)) > 1)
    # A view's variance over the steps it shares with each other view, averaged over those.
    within_ZZ, scale = torch.stack(own).sum(0) / (views - 1), 2 / (views - 1)
    size = z_BVTZ.shape[-1]
    return torch.stack(met).any() + (-2 * scale * torch.stack(shared).sum() + within_ZZ.square().sum()) / size
