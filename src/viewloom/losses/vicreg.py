"""Agreement of views that must vary and not all say the same.

Bardes, Ponce, LeCun: "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning"
(ICLR 2022, arXiv:2105.04906), eqs. 1 to 6; the terms stand in `collapse` and `invariance`.
"""

from itertools import combinations

import torch
from torch import Tensor

from viewloom.losses.collapse import Total, as_summed, covariance_term, masked_covariance, variance_term
from viewloom.losses.invariance import view_invariance
from viewloom.losses.squared_error import Count, as_counted


def vicreg_terms(
    z_BVTZ: Tensor, mask_BVT: Tensor, total: Total = as_summed, count: Count = as_counted
) -> tuple[Tensor, Tensor, Tensor]:
    """Invariance, the mean over pairs of views; variance and covariance, the means over views.

    Args:
        z_BVTZ: features.
        mask_BVT: bool, True where a view counts; steps that only one view has should be left out.
        total: sums over processes, with gradient.
        count: see `squared_error`.
    """
    views = range(z_BVTZ.shape[1])
    pairs = len(list(combinations(views, 2)))
    covariances = [masked_covariance(z_BVTZ[:, view], mask_BVT[:, view], total) for view in views]
    variance = torch.stack([variance_term(covariance_ZZ) for covariance_ZZ in covariances]).mean()
    covariance = torch.stack([covariance_term(covariance_ZZ) for covariance_ZZ in covariances]).mean()
    return view_invariance(z_BVTZ, mask_BVT, count) / pairs, variance, covariance
