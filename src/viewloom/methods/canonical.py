"""Canonical components of two views or more, and principal ones of one, from covariances alone."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Covariances = Mapping[tuple[int, int], Tensor]
"""{(view, same or later view): covariances (D, E) of their features, float64}"""


def canonical_maps(covariances: Covariances, strength: float, components: int, scale: str) -> list[Tensor]:
    """For each view a map (D, Z) of its centred features to canonical components, the most correlated first.

    Args:
        covariances: within and between V views.
        strength: ridge within each view, as a share of its mean variance.
        components: number Z of components, the smallest D at most.
        scale: "unit" gives components mean variance 1 over views, ridge included; "correlation" multiplies them
            by their mean correlation between views, which of the first min(D) is never below 0.
    """
    views = 1 + max(second for _, second in covariances)
    roots = [_whitener(covariances[view, view], strength) for view in range(views)]
    whitened = {(a, b): roots[a].mT @ covariances[a, b] @ roots[b] for a, b in covariances if a < b}
    find = _of_two_views if views == 2 else _of_many_views
    correlations_Z, vectors = find(whitened, [len(root_DD) for root_DD in roots], components)
    # A component's sign is free; it is fixed so that equal data give equal maps.
    flat_SZ = torch.cat(vectors)
    signs_Z = flat_SZ.gather(0, flat_SZ.abs().argmax(dim=0, keepdim=True))[0].sign()
    factor_Z = correlations_Z if scale == "correlation" else torch.ones_like(correlations_Z)
    return [
        root_DD @ (vectors_DZ * signs_Z) * views**0.5 * factor_Z
        for root_DD, vectors_DZ in zip(roots, vectors, strict=True)
    ]


def principal_map(covariance_DD: Tensor, components: int) -> Tensor:
    """Map (D, Z) of centred features to principal components, the largest first, of mean variance 1 together.

    Columns beyond the features' rank are zero.
    """
    values_D, vectors_DD = torch.linalg.eigh(covariance_DD)
    kept = min(components, len(values_D))
    vectors_DZ = vectors_DD.flip(-1)[:, :kept]
    signs_Z = vectors_DZ.gather(0, vectors_DZ.abs().argmax(dim=0, keepdim=True))[0].sign()
    variance = values_D.flip(-1)[:kept].clamp(min=0).mean()
    map_DZ = covariance_DD.new_zeros(len(values_D), components)
    map_DZ[:, :kept] = vectors_DZ * signs_Z / (variance.sqrt() if variance > 0 else 1.0)
    return map_DZ


def _of_two_views(
    whitened: Covariances, dims: Sequence[int], components: int
) -> tuple[Tensor, tuple[Tensor, ...] | list[Tensor]]:
    """Correlations (Z,) and a unit vector (D, Z) a view: the singular ones of the block between the views.

    They solve the eigenproblem of `_of_many_views` too, in half the time or less.
    """
    left_DR, correlations_R, right_RE = torch.linalg.svd(whitened[0, 1], full_matrices=False)
    vectors = [vectors_DR[:, :components] / 2**0.5 for vectors_DR in (left_DR, right_RE.mT)]
    return correlations_R[:components], vectors


def _of_many_views(
    whitened: Covariances, dims: Sequence[int], components: int
) -> tuple[Tensor, tuple[Tensor, ...] | list[Tensor]]:
    """Mean correlations (Z,) and a unit vector (D, Z) a view: the eigenvectors to the largest eigenvalues."""
    from scipy.linalg import eigh

    size, ends = sum(dims), torch.tensor(dims).cumsum(0).tolist()
    own = [slice(end - dim, end) for end, dim in zip(ends, dims, strict=True)]
    whitened_SS = torch.eye(size, dtype=torch.float64)
    for (a, b), block_DE in whitened.items():
        whitened_SS[own[a], own[b]], whitened_SS[own[b], own[a]] = block_DE, block_DE.mT
    values, vectors = eigh(whitened_SS.numpy(), subset_by_index=[size - components, size - 1])
    # Ascending in scipy; copied, since torch takes no negative strides.
    values_Z, vectors_SZ = torch.from_numpy(values[::-1].copy()), torch.from_numpy(vectors[:, ::-1].copy())
    return (values_Z - 1) / (len(dims) - 1), torch.split(vectors_SZ, list(dims))


def _whitener(within_DD: Tensor, strength: float) -> Tensor:
    """A matrix R with ``R^T (C + ridge) R = 1``."""
    eye_DD = torch.eye(len(within_DD), dtype=torch.float64)
    ridge = strength * within_DD.diagonal().mean()
    # A view that never varies has nothing to correlate: any positive ridge keeps its map finite.
    lower_DD = torch.linalg.cholesky(within_DD + (ridge if ridge > 0 else 1.0) * eye_DD)
    inverse_DD: Tensor = torch.linalg.solve_triangular(lower_DD, eye_DD, upper=False)
    return inverse_DD.mT
