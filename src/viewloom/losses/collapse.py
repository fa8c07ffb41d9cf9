"""Terms against collapse: features must vary, and must not all say the same.

Bardes, Ponce, LeCun: "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning"
(ICLR 2022, arXiv:2105.04906), eqs. 1 to 4.
"""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import torch
import torch.nn.functional as F
from torch import Tensor

Total = Callable[[Tensor], Tensor]
"""Sum over all processes, through which gradients go."""

EPSILON = 1e-4
"""Added to a variance before its root, as in the paper: the root has no gradient at zero."""


def as_summed(value: Tensor) -> Tensor:
    """The value itself: one process, or evaluation."""
    return value


def masked_covariance(z_BTD: Tensor, mask_BT: Tensor, total: Total = as_summed) -> Tensor:
    """Covariance (D, D) over valid steps, divided by their number less one; zeros where there are fewer than two.

    Args:
        z_BTD: features.
        mask_BT: bool, True where a step counts.
        total: sums over processes, with gradient: a variance over a part of the batch is another one.
    """
    return masked_covariances([z_BTD], mask_BT, total)[0, 0]


def masked_covariances(z: Sequence[Tensor], mask_BT: Tensor, total: Total = as_summed) -> dict[tuple[int, int], Tensor]:
    """Covariances (D, E) of several features within and with each other, {(place, same or later place): ...}.

    Args:
        z: features (B, T, D), (B, T, E) and so on, of the same steps.
        mask_BT: as in `masked_covariance`.
        total: as there.
    """
    wide = torch.promote_types(z[0].dtype, torch.float32)
    mask_BT1 = mask_BT[..., None]
    together_BTS = torch.cat([x.to(wide) for x in z], dim=-1).masked_fill(~mask_BT1, 0.0)
    # No gradient goes through the mean: what it moves cancels over all steps, but not over those of one process.
    sums = total(torch.cat([together_BTS.sum((0, 1)), mask_BT.sum()[None].to(wide)]).detach())
    count = sums[-1]
    centred_BTS = (together_BTS - sums[:-1] / count.clamp(min=1)).masked_fill(~mask_BT1, 0.0)
    flat = torch.split(centred_BTS.flatten(0, 1), [x.shape[-1] for x in z], dim=-1)
    with torch.autocast(flat[0].device.type, enabled=False):
        return {
            (a, b): total(flat[a].mT @ flat[b]) / (count - 1).clamp(min=1)
            for a, b in combinations_with_replacement(range(len(z)), 2)
        }


def variance_term(covariance_DD: Tensor, target: float = 1.0) -> Tensor:
    """Mean over features of how far the deviation falls short of ``target`` (eqs. 1, 2); zero if none does.

    Args:
        covariance_DD: as `masked_covariance` gives it.
        target: deviation every feature should keep, in the features' own units.
    """
    deviation_D = (covariance_DD.diagonal() + EPSILON).sqrt()
    return F.relu(target - deviation_D).mean()


def covariance_term(covariance_DD: Tensor) -> Tensor:
    """Sum of the squared covariances between different features, over D (eqs. 3, 4)."""
    off_diagonal_DD = covariance_DD - torch.diag(covariance_DD.diagonal())
    return off_diagonal_DD.square().sum() / len(covariance_DD)
