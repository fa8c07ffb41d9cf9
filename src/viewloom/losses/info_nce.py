"""Contrast: a step should find itself in another view, among all steps that are not near it in time."""

import torch
import torch.nn.functional as F
from torch import Tensor

TINY = 1e-6
"""Added to a feature's squared length before it is divided by that."""


def info_nce(a_NZ: Tensor, b_NZ: Tensor, near_NN: Tensor, temperature: float) -> Tensor:
    """Mean of the cross-entropies of finding a step's other view, both ways.

    ``-log(exp(s_ii / t) / sum_j exp(s_ij / t))`` with cosines s, over j = i and all j that are not near i: van den
    Oord, Li, Vinyals: "Representation Learning with Contrastive Predictive Coding" (arXiv:1807.03748), eq. 4, with
    cosines and both ways as in Radford et al.: "Learning Transferable Visual Models" (arXiv:2103.00020), figure 3.

    Args:
        a_NZ: features of N steps in one view.
        b_NZ: in the other.
        near_NN: bool, symmetric, True where two steps are no negatives of each other; the diagonal is not looked at.
        temperature: t.

    Returns:
        Scalar; zero, and with zero gradients, where there is no step.
    """
    if not len(a_NZ):
        return a_NZ.sum() + b_NZ.sum()
    logits_NN = unit(a_NZ) @ unit(b_NZ).mT / temperature
    same_NN = torch.eye(len(a_NZ), dtype=torch.bool, device=a_NZ.device)
    logits_NN = logits_NN.masked_fill(near_NN & ~same_NN, -torch.inf)
    right_N = torch.arange(len(a_NZ), device=a_NZ.device)
    return (F.cross_entropy(logits_NN, right_N) + F.cross_entropy(logits_NN.mT, right_N)) / 2


def unit(z_NZ: Tensor) -> Tensor:
    """Features of length 1, or nearly 0 where they are nothing; gradients stay finite there."""
    return z_NZ * (z_NZ.square().sum(-1, keepdim=True) + TINY).rsqrt()


def near_in_time(recording_N: Tensor, time_s_N: Tensor, exclude_s: float) -> Tensor:
    """Bool (N, N): True for two steps of one recording at most ``exclude_s`` apart."""
    same_NN = recording_N[:, None] == recording_N
    return same_NN & ((time_s_N[:, None] - time_s_N).abs() <= exclude_s)
