"""How strong a ridge, how many canonical components, and how large each, by what held-out pairs say.

With few steps correlations are high whatever the data: with fewer steps than features every one can reach 1. So maps
are fitted on all folds but one, and their correlations measured on that one, for each fold in turn (`fold_moments`).
Chosen are the ridge with the largest sum of squared correlations, and the components before the first whose
correlation doesn't clearly exceed what chance gives: those between components of *different* rank, which are as slow
and as many but have nothing to do with each other. Choosing the ridge by held-out correlation: Leurgans, Moyeed,
Silverman, "Canonical Correlation Analysis when the Data are Curves" (JRSS B 1993).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viewloom.methods.canonical import Covariances, unit_maps
from viewloom.methods.fold_moments import Fold

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Ridges tried, as shares of a view's mean variance."""
USUAL = 1e-2
"""Ridge where there is enough data for it not to matter."""
ENOUGH_STEPS = 50
"""Steps a feature from which on there is enough."""
MOST = 256
"""Components at most, unless more are asked for."""
BEYOND_CHANCE = 2.0
"""A component is kept whose correlation is more than this many times the size of those by chance."""
LEAST = 0.01
"""No component is made smaller than this, so that each can still be seen."""
RANK = 1e-10
"""Directions with less than this share of the largest variance are none."""


@dataclass(frozen=True)
class Choice:
    """What held-out pairs say.

    Attributes:
        strength: ridge, as a share of a view's mean variance.
        size: number Z of components.
        correlations_Z: correlation of each on held-out pairs, never rising, above 0; None where nothing was held out.
    """

    strength: float
    size: int
    correlations_Z: Tensor | None


def strengths_to_try(strength: float | None, steps: int, dim: int) -> tuple[float, ...]:
    """The ridge that is set, the usual one where there are enough steps for views of a size, or several."""
    if strength is not None:
        return (strength,)
    return (USUAL,) if steps >= ENOUGH_STEPS * dim else STRENGTHS


def choose(folds: Iterable[Fold], strengths: Sequence[float], components: int, most: int) -> Choice | None:
    """Ridge, number and correlations of components; None where nothing was held out.

    Args:
        folds: what to fit, and what to measure on.
        strengths: ridges to try.
        components: their number, or 0.
        most: how many there are.
    """
    size = components or min(most, MOST)
    measured, weights = [], list[float]()
    for fold in folds:
        found = _measured(fold, strengths, size)
        measured += found
        weights += [fold.steps[pair] for pair in _pairs(fold)][: len(found)]
    if not measured:
        return None
    weight_F = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    correlations_SZ = torch.einsum("f,fsz->sz", weight_F, torch.stack([each for each, _ in measured]))
    chance_S = torch.einsum("f,fs->s", weight_F, torch.stack([each for _, each in measured]))
    best = int(correlations_SZ.clamp(min=0).square().sum(dim=1).flip(0).argmax())
    best = len(strengths) - 1 - best  # the strongest of equals
    falling_Z = _never_rising(correlations_SZ[best])
    below = (falling_Z <= BEYOND_CHANCE * chance_S[best]).nonzero()
    kept = components or max(1, int(below[0]) if len(below) else size)
    return Choice(strengths[best], kept, falling_Z[:kept].clamp(min=LEAST))


def _pairs(fold: Fold) -> list[tuple[int, int]]:
    """Pairs of views that meet in a fold, at two steps or more."""
    return [(a, b) for (a, b), steps in fold.steps.items() if a < b and steps > 1]


def _measured(fold: Fold, strengths: Sequence[float], size: int) -> list[tuple[Tensor, Tensor]]:
    """For each pair of views held-out correlations (S, Z) by ridge and component, and the size (S,) of chance ones."""
    views = range(1 + max(second for _, second in fold.learn))
    variances = [float(fold.learn[view, view].diagonal().mean()) for view in views]
    bases = [_eigenbasis(fold.learn[view, view]) for view in views]
    # In the eigenbases each ridge costs less, above all with fewer steps than features.
    learn, held = (
        {(a, b): bases[a].mT @ value @ bases[b] for (a, b), value in each.items()} for each in (fold.learn, fold.held)
    )
    kept = min(size, *(basis_DR.shape[1] for basis_DR in bases))
    by_strength = [
        _correlations(unit_maps(learn, [strength * value for value in variances], kept, rough=True)[0], held, size)
        for strength in strengths
    ]
    return [
        tuple(torch.stack([found[pair][part] for found in by_strength]) for part in (0, 1))  # type: ignore[misc]
        for pair in _pairs(fold)
    ]


def _eigenbasis(covariance_DD: Tensor) -> Tensor:
    """Directions (D, R) in which a view varies; one at least."""
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    varies_D = values_D > RANK * values_D.max().clamp(min=torch.finfo(values_D.dtype).tiny)
    basis_DR: Tensor = vectors_DD[:, varies_D] if varies_D.any() else vectors_DD[:, -1:]
    return basis_DR


def _correlations(maps: Sequence[Tensor], held: Covariances, size: int) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
    """Held-out correlations (Z,) of each pair of views, zeros behind those there are, and the size of chance ones."""
    deviation_VZ = [
        (map_DZ * (held[view, view] @ map_DZ)).sum(0).clamp(min=0).sqrt() for view, map_DZ in enumerate(maps)
    ]
    found = {}
    for a, b in held:
        if a < b:
            scale_ZZ = torch.outer(deviation_VZ[a], deviation_VZ[b])
            all_ZZ = torch.where(scale_ZZ > 0, maps[a].mT @ held[a, b] @ maps[b] / scale_ZZ, 0.0)
            own_Z = all_ZZ.diagonal()
            others = max(1, len(own_Z) * (len(own_Z) - 1))
            chance = ((all_ZZ.square().sum() - own_Z.square().sum()).clamp(min=0) / others).sqrt()
            padded_Z = torch.cat([own_Z, own_Z.new_zeros(size - len(own_Z))])
            found[a, b] = padded_Z, chance
    return found


def _never_rising(correlations_Z: Tensor) -> Tensor:
    """The nearest sequence that never rises: a component's rank is all that folds have in common."""
    from sklearn.isotonic import isotonic_regression

    falling_Z: Tensor = torch.from_numpy(np.array(isotonic_regression(correlations_Z.numpy(), increasing=False)))
    return falling_Z
