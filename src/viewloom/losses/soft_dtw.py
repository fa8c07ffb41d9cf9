"""Soft dynamic time warping: the soft minimum, over all ways to align two sequences, of what their steps differ by.

Cuturi, Blondel: "Soft-DTW: a Differentiable Loss Function for Time-Series" (ICML 2017, arXiv:1703.01541), algorithms
1 and 2; the divergence is that of Blondel, Mensch, Vert: "Differentiable Divergences Between Time Series" (AISTATS
2021, arXiv:2010.08354), eq. 8. All cells of an anti-diagonal are computed at once, for all pairs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from viewloom.losses.distances import squared_distances

FAR = 1e30
"""Cost of an alignment that there is not."""


class _SoftDTW(torch.autograd.Function):
    """Values (P,) of costs (P, N, M), of which the first n and m of each pair count."""

    @staticmethod
    def forward(ctx: Any, cost_PNM: Tensor, n_P: Tensor, m_P: Tensor, gamma: float) -> Tensor:
        """Algorithm 1. Cell (i, j) stands on diagonal k = i + j at place i; costs start at cell (1, 1)."""
        pairs, n, m = cost_PNM.shape
        cost_PKI = _onto_diagonals(cost_PNM)
        before_PI = cost_PNM.new_full((pairs, n + 1), FAR)
        before_PI[:, 0] = 0.0  # cell (0, 0), where every way begins
        last_PI = torch.full_like(before_PI, FAR)
        value_PKI = cost_PNM.new_full((pairs, n + m + 1, n + 1), FAR)
        weight_3PKI = cost_PNM.new_zeros((3, pairs, n + m + 1, n + 1))
        for k in range(2, n + m + 1):
            # A cell is reached from (i - 1, j), (i, j - 1) or (i - 1, j - 1).
            ways_3PI = -torch.stack([_shifted(last_PI), last_PI, _shifted(before_PI)]) / gamma
            low, high = max(1, k - m), min(n, k - 1)
            value_PI = torch.full_like(last_PI, FAR)
            inside_3PI = ways_3PI[..., low : high + 1]
            soft_PI = -gamma * inside_3PI.logsumexp(dim=0)
            value_PI[:, low : high + 1] = cost_PKI[:, k, low : high + 1] + soft_PI
            weight_3PKI[:, :, k, low : high + 1] = inside_3PI.softmax(dim=0)
            value_PKI[:, k] = value_PI
            before_PI, last_PI = last_PI, value_PI
        ctx.save_for_backward(weight_3PKI, n_P, m_P)
        ctx.shape = cost_PNM.shape
        return value_PKI[torch.arange(pairs, device=n_P.device), n_P + m_P, n_P]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, gradient_P: Tensor) -> tuple[Tensor, None, None, None]:
        """Algorithm 2: how much of the soft minimum passes each cell, from the last one backwards."""
        weight_3PKI, n_P, m_P = ctx.saved_tensors
        pairs, n, m = ctx.shape
        share_PKI = torch.zeros_like(weight_3PKI[0])
        share_PKI[torch.arange(pairs, device=n_P.device), n_P + m_P, n_P] = gradient_P
        for k in range(n + m, 2, -1):
            down_PI, across_PI, both_PI = weight_3PKI[:, :, k] * share_PKI[:, k]
            share_PKI[:, k - 1] += across_PI
            share_PKI[:, k - 1, :-1] += down_PI[:, 1:]
            share_PKI[:, k - 2, :-1] += both_PI[:, 1:]
        i_N, j_M = (torch.arange(1, size + 1, device=n_P.device) for size in (n, m))
        return share_PKI[:, i_N[:, None] + j_M, i_N[:, None]], None, None, None


def soft_dtw(cost_PNM: Tensor, n_P: Tensor, m_P: Tensor, gamma: float) -> Tensor:
    """Soft-DTW (P,) of pairs of sequences; with ``gamma`` towards 0 the cost of their best alignment.

    Gradients are exact, of the first order only.

    Args:
        cost_PNM: cost of aligning step n of one with step m of the other, floating, finite.
        n_P: int64, steps that the first sequence of each pair has, at least 1; costs behind them are never used.
        m_P: the same of the second.
        gamma: smoothing, above 0, in the costs' units.
    """
    return _SoftDTW.apply(cost_PNM, n_P, m_P, gamma)  # type: ignore[no-any-return,no-untyped-call]


def soft_dtw_divergence(u_PND: Tensor, v_PMD: Tensor, n_P: Tensor, m_P: Tensor, gamma: float) -> Tensor:
    """``dtw(u, v) - dtw(u, u) / 2 - dtw(v, v) / 2`` (P,), zero for equal sequences (eq. 8).

    The cost of two steps is their squared distance, the mean over features. That the value is not below zero is
    proved for a cost close to this one, and for this one it is what is always seen.

    Args:
        u_PND: one sequence of each pair.
        v_PMD: the other.
        n_P: int64, steps of the first, at least 1.
        m_P: steps of the second.
        gamma: smoothing, in the features' units squared.
    """
    between_P = soft_dtw(squared_distances(u_PND, v_PMD), n_P, m_P, gamma)
    within_u_P = soft_dtw(squared_distances(u_PND, u_PND), n_P, n_P, gamma)
    within_v_P = soft_dtw(squared_distances(v_PMD, v_PMD), m_P, m_P, gamma)
    return between_P - (within_u_P + within_v_P) / 2


def _onto_diagonals(cost_PNM: Tensor) -> Tensor:
    """Cell (i, j), counted from 1, at diagonal i + j and place i: (P, N + M + 1, N + 1); zeros elsewhere."""
    pairs, n, m = cost_PNM.shape
    i_N, j_M = (torch.arange(1, size + 1, device=cost_PNM.device) for size in (n, m))
    cost_PKI = cost_PNM.new_zeros((pairs, n + m + 1, n + 1))
    cost_PKI[:, i_N[:, None] + j_M, i_N[:, None]] = cost_PNM
    return cost_PKI


def _shifted(value_PI: Tensor) -> Tensor:
    """What stands at i - 1, at i."""
    return torch.cat([torch.full_like(value_PI[:, :1], FAR), value_PI[:, :-1]], dim=1)
