"""Temporal cycle-consistency: a step, its soft neighbour in another video, and back to where it came from.

Dwibedi, Aytar, Tompson, Sermanet, Zisserman: "Temporal Cycle-Consistency Learning" (CVPR 2019, arXiv:1904.07846).
It needs no synchronised videos, only ones of the same activity: nothing here says which steps belong together.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.losses.distances import squared_distances

MASKED = -1e30
"""Logit of a step that isn't there: its probability is zero, and no gradient turns to NaN."""
STEP_VARIANCE = 1 / 12
"""Variance of a time that is known to a step, in steps squared. Added to the variance of a cycle's end, so that a
sharp one can't be divided by zero; the paper leaves that out."""


def cycle_back(u_PND: Tensor, v_PMD: Tensor, u_there_PN: Tensor, v_there_PM: Tensor, temperature: float) -> Tensor:
    """Logits (P, N, N) of where step n of u comes back to: the soft nearest neighbour and its way back (eqs. 1, 2).

    ``a = softmax_m(-|u_n - v_m|^2 / t)``, ``v' = sum_m a_m v_m``, logits ``-|v' - u_k|^2 / t``, distances as
    `squared_distances` has them: means over features.

    Args:
        u_PND: the videos that a cycle starts and ends in.
        v_PMD: the videos that it passes.
        u_there_PN: bool, True where u has a step.
        v_there_PM: bool, True where v has a step.
        temperature: t, in the features' units squared.
    """
    there_PNM = v_there_PM[:, None, :]
    near_PNM = (-squared_distances(u_PND, v_PMD) / temperature).masked_fill(~there_PNM, MASKED).softmax(dim=-1)
    with torch.autocast(u_PND.device.type, enabled=False):
        neighbour_PND = near_PNM @ v_PMD.to(near_PNM.dtype)
    back_PNN = -squared_distances(neighbour_PND, u_PND) / temperature
    return back_PNN.masked_fill(~u_there_PN[:, None, :], MASKED)


def cycle_regression(logits_PNN: Tensor, there_PN: Tensor, variance_weight: float = 1e-3) -> Tensor:
    """``|n - mu|^2 / sigma^2 + w log(sigma)``, the mean over steps n of all videos (eq. 5); zero where there is none.

    mu and sigma^2 are mean and variance, in steps, of where the cycle ends; see `STEP_VARIANCE`.

    Args:
        logits_PNN: as `cycle_back` gives them.
        there_PN: bool, True where a step counts.
        variance_weight: w.
    """
    time_N = torch.arange(logits_PNN.shape[-1], device=logits_PNN.device, dtype=logits_PNN.dtype)
    ends_PNN = logits_PNN.softmax(dim=-1)
    mean_PN = ends_PNN @ time_N
    spread_PN = (ends_PNN * (time_N - mean_PN[..., None]).square()).sum(dim=-1) + STEP_VARIANCE
    each_PN = (time_N - mean_PN).square() / spread_PN + variance_weight * 0.5 * spread_PN.log()
    return _mean(each_PN, there_PN)


def cycle_classification(logits_PNN: Tensor, there_PN: Tensor) -> Tensor:
    """Cross-entropy of step n against where its cycle ends, the mean over steps (eq. 3); zero where there is none.

    Args:
        logits_PNN: as `cycle_back` gives them.
        there_PN: bool, True where a step counts.
    """
    pairs, steps, _ = logits_PNN.shape
    own_PN = torch.arange(steps, device=logits_PNN.device).expand(pairs, steps)
    return _mean(F.cross_entropy(logits_PNN.mT, own_PN, reduction="none"), there_PN)


def _mean(each_PN: Tensor, there_PN: Tensor) -> Tensor:
    return each_PN.masked_fill(~there_PN, 0.0).sum() / there_PN.sum().clamp(min=1)
