"""View invariance: refined features of one moment should agree over all pairs of views."""

from itertools import combinations

import torch
from torch import Tensor

from viewloom.losses.squared_error import Count, as_counted, squared_error


def view_invariance(z_BVTD: Tensor, mask_BVT: Tensor, count: Count = as_counted) -> Tensor:
    """Sum over pairs of views of `MSE(r(view_a), r(view_b))`, each over the steps that both have.

    With two views this is the report's term. A recording that lacks a view gives nothing to that view's pairs.

    Args:
        z_BVTD: refined features, at least two views.
        mask_BVT: bool, True where that view counts.
        count: see `squared_error`.
    """
    errors = [
        squared_error(z_BVTD[:, a], z_BVTD[:, b], mask_BVT[:, a] & mask_BVT[:, b], count)
        for a, b in combinations(range(z_BVTD.shape[1]), 2)
    ]
    return torch.stack(errors).sum()
