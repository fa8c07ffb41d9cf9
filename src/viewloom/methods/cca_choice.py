"""How many canonical components to keep, and how strong a ridge, from the pairs alone.

With few steps correlations are high whatever the data: with fewer steps than features every one can reach 1. How high
they get by chance is measured by a null: the same windows with one view moved by half their length, so that nothing is
synchronised any more, while each view's covariances, its slowness and the number of steps stay.

Chosen are the strongest ridge whose correlations exceed those of the null, in sum, by nearly the most, in the spirit
of Witten, Tibshirani: "Extensions of Sparse Canonical Correlation Analysis" (SAGMB 2009), which permutes rows; and the
components before the first that doesn't exceed its counterpart, as in Horn's parallel analysis (Psychometrika 1965).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridges tried, as shares of a view's mean variance."""
NEARLY = 0.85
"""The strongest ridge is taken whose excess is at least this share of the largest one: less of it is by chance."""
USUAL = 1e-2
"""Ridge where there is enough data for it not to matter."""
ENOUGH_STEPS = 50
"""Steps a feature from which on there is enough."""
RANK = 1e-10
"""Directions with less than this share of the largest variance are none."""


@dataclass(frozen=True)
class Block:
    """Covariances of two views.

    Attributes:
        first_DD: of the one.
        second_DD: of the other.
        cross_DD: between them.
        null_DD: between them, out of step.
    """

    first_DD: Tensor
    second_DD: Tensor
    cross_DD: Tensor
    null_DD: Tensor


def choose(blocks: Sequence[Block], steps: int, strength: float | None, components: int) -> tuple[float, int]:
    """Ridge and number of components; what is set stays.

    Args:
        blocks: covariances of all pairs of views that meet.
        steps: steps they were taken over.
        strength: ridge, or None.
        components: their number, or 0.
    """
    dim = max(max(len(block.first_DD), len(block.second_DD)) for block in blocks)
    strengths = [strength] if strength is not None else [USUAL] if steps >= ENOUGH_STEPS * dim else STRENGTHS
    if len(strengths) == 1 and components:
        return strengths[0], components
    turned = [_turned(block) for block in blocks]
    excess = [[_excess(each, ridge) for each in turned] for ridge in strengths]
    sums = [sum(float(excess_R.clamp(min=0).sum()) for excess_R in of_ridge) for of_ridge in excess]
    best = max(place for place, total in enumerate(sums) if total >= NEARLY * max(sums))
    return strengths[best], components or max(1, *(_before_first_failure(excess_R) for excess_R in excess[best]))


@dataclass(frozen=True)
class _Turned:
    """A block in the eigenbases of both views: variances (R,) and (Q,), and covariances (R, Q)."""

    first_R: Tensor
    second_Q: Tensor
    cross_RQ: Tensor
    null_RQ: Tensor
    means: tuple[Tensor, Tensor]


def _turned(block: Block) -> _Turned:
    (first_R, first_DR), (second_Q, second_DQ) = _eigenbasis(block.first_DD), _eigenbasis(block.second_DD)
    cross_RQ, null_RQ = (first_DR.mT @ cov_DD @ second_DQ for cov_DD in (block.cross_DD, block.null_DD))
    means = block.first_DD.diagonal().mean(), block.second_DD.diagonal().mean()
    return _Turned(first_R, second_Q, cross_RQ, null_RQ, means)


def _eigenbasis(covariance_DD: Tensor) -> tuple[Tensor, Tensor]:
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    kept_D = values_D > RANK * values_D.max().clamp(min=torch.finfo(values_D.dtype).tiny)
    return values_D[kept_D], vectors_DD[:, kept_D]


def _excess(turned: _Turned, strength: float) -> Tensor:
    """By how much correlations exceed those of the null, the largest ones first."""
    if not turned.cross_RQ.numel():
        return torch.zeros(1, dtype=turned.cross_RQ.dtype)
    scale_R = (turned.first_R + strength * turned.means[0]).rsqrt()
    scale_Q = (turned.second_Q + strength * turned.means[1]).rsqrt()
    found_R: Tensor = torch.linalg.svdvals(scale_R[:, None] * turned.cross_RQ * scale_Q)
    null_R: Tensor = torch.linalg.svdvals(scale_R[:, None] * turned.null_RQ * scale_Q)
    return found_R - null_R


def _before_first_failure(excess_R: Tensor) -> int:
    failed = (excess_R <= 0).nonzero()
    return int(failed[0]) if len(failed) else len(excess_R)
