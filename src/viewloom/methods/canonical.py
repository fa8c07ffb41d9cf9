"""Canonical components of two views or more, and principal ones of one, from covariances alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Covariances = Mapping[tuple[int, int], Tensor]
"""{(view, same or later view): covariances (D, E) of their features, float64}"""
LARGE = 1024
"""Features of a view from which on only the leading components are worked out, where a rough answer will do."""
DENSE = 4096
"""Features of more than two views together, up to which their eigenproblem is solved as one matrix."""
SPARE, TURNS = 32, 3
"""Vectors more than asked for, and turns, of a rough answer ..."""
KRYLOV_TURNS = 12
"""... and turns of one that is all but exact."""


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
    ridges = [strength * float(covariances[view, view].diagonal().mean()) for view in range(views)]
    maps, correlations_Z = unit_maps(covariances, ridges, components)
    return [map_DZ * correlations_Z for map_DZ in maps] if scale == "correlation" else maps


def unit_maps(
    covariances: Covariances, ridges: Sequence[float], components: int, rough: bool = False
) -> tuple[list[Tensor], Tensor]:
    """Maps (D, Z) to components of mean variance 1, a view each, and their mean correlations (Z,) between views.

    Args:
        covariances: within and between V views.
        ridges: what is added to the variances of each view.
        components: number Z of components.
        rough: large views need only nearly these components.
    """
    views = len(ridges)
    roots = [_whitener(covariances[view, view], ridges[view]) for view in range(views)]
    whitened = {(a, b): roots[a].mT @ covariances[a, b] @ roots[b] for a, b in covariances if a < b}
    find = _of_two_views if views == 2 else _of_many_views
    correlations_Z, vectors = find(whitened, [len(root_DD) for root_DD in roots], components, rough)
    # A component's sign is free; it is fixed so that equal data give equal maps.
    flat_SZ = torch.cat(list(vectors))
    signs_Z = flat_SZ.gather(0, flat_SZ.abs().argmax(dim=0, keepdim=True))[0].sign()
    turned = [vectors_DZ * signs_Z * views**0.5 for vectors_DZ in vectors]
    return [root_DD @ vectors_DZ for root_DD, vectors_DZ in zip(roots, turned, strict=True)], correlations_Z


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
    whitened: Covariances, dims: Sequence[int], components: int, rough: bool = False
) -> tuple[Tensor, Sequence[Tensor]]:
    """Correlations (Z,) and a unit vector (D, Z) a view: the singular ones of the block between the views.

    They solve the eigenproblem of `_of_many_views` too, in half the time or less.
    """
    block_DE = whitened[0, 1]
    if rough and min(dims) > max(LARGE, 2 * components):
        left_DR, correlations_R, right_RE = _leading(block_DE, components)
    else:
        left_DR, correlations_R, right_RE = torch.linalg.svd(block_DE, full_matrices=False)
    vectors = [vectors_DR[:, :components] / 2**0.5 for vectors_DR in (left_DR, right_RE.mT)]
    return correlations_R[:components], vectors


def _leading(block_DE: Tensor, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """Nearly the leading singular vectors (Halko, Martinsson, Tropp, SIAM Review 2011, algorithm 4.4)."""
    basis_DR = torch.linalg.qr(block_DE @ _start(block_DE.shape[1], components))[0]
    for _ in range(TURNS):
        basis_DR = torch.linalg.qr(block_DE @ torch.linalg.qr(block_DE.mT @ basis_DR)[0])[0]
    left_RR, values_R, right_RE = torch.linalg.svd(basis_DR.mT @ block_DE, full_matrices=False)
    return basis_DR @ left_RR, values_R, right_RE


def _start(size: int, components: int) -> Tensor:
    """Random vectors (D, R), the same every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, components + SPARE, generator=generator, dtype=torch.float64)


def _of_many_views(
    whitened: Covariances, dims: Sequence[int], components: int, rough: bool = False
) -> tuple[Tensor, Sequence[Tensor]]:
    """Mean correlations (Z,) and a unit vector (D, Z) a view: the eigenvectors to the largest eigenvalues."""
    size, spare = sum(dims), 4 * (components + SPARE)
    if size > max(LARGE if rough else DENSE, spare):
        values, vectors = _by_products(whitened, dims, components, TURNS if rough else KRYLOV_TURNS)
    else:
        values, vectors = _by_matrix(whitened, dims, components)
    # Ascending in scipy; copied, since torch takes no negative strides.
    values_Z, vectors_SZ = torch.from_numpy(values[::-1].copy()), torch.from_numpy(vectors[:, ::-1].copy())
    return (values_Z - 1) / (len(dims) - 1), torch.split(vectors_SZ, list(dims))


def _by_matrix(whitened: Covariances, dims: Sequence[int], components: int) -> Any:
    """Largest eigenvalues and eigenvectors of all blocks put into one matrix."""
    from scipy.linalg import eigh

    size = sum(dims)
    whitened_SS = _together(whitened, dims).numpy()
    return eigh(whitened_SS, subset_by_index=[size - components, size - 1], overwrite_a=True)


def _together(whitened: Covariances, dims: Sequence[int]) -> Tensor:
    """All blocks in one matrix (S, S), and ones on its diagonal."""
    own = _slices(dims)
    whitened_SS = torch.eye(sum(dims), dtype=torch.float64)
    for (a, b), block_DE in whitened.items():
        whitened_SS[own[a], own[b]], whitened_SS[own[b], own[a]] = block_DE, block_DE.mT
    return whitened_SS


def _by_products(whitened: Covariances, dims: Sequence[int], components: int, turns: int) -> Any:
    """The same, or nearly, by products of the blocks with few vectors: no memory is needed for the matrix.

    Block Krylov iteration with Rayleigh-Ritz (Musco, Musco, NeurIPS 2015, algorithm 2).
    """
    own = _slices(dims)

    def product(x_SR: Tensor) -> Tensor:
        y_SR = x_SR.clone()
        for (a, b), block_DE in whitened.items():
            y_SR[own[a]] += block_DE @ x_SR[own[b]]
            y_SR[own[b]] += block_DE.mT @ x_SR[own[a]]
        return y_SR

    basis_SR = last_SR = torch.linalg.qr(_start(sum(dims), components))[0]
    for _ in range(min(turns, sum(dims) // last_SR.shape[1] - 1)):
        next_SR = product(last_SR)
        for _ in range(2):  # once leaves rounding behind that grows from turn to turn
            next_SR = torch.linalg.qr(next_SR - basis_SR @ (basis_SR.mT @ next_SR))[0]
        basis_SR, last_SR = torch.cat([basis_SR, next_SR], dim=1), next_SR
    values_R, turn_RR = torch.linalg.eigh(basis_SR.mT @ product(basis_SR))
    return values_R[-components:].numpy(), (basis_SR @ turn_RR[:, -components:]).numpy()


def _slices(dims: Sequence[int]) -> list[slice]:
    """Where each view stands when all are in one row."""
    ends = np.cumsum(dims).tolist()
    return [slice(end - dim, end) for end, dim in zip(ends, dims, strict=True)]


def _whitener(within_DD: Tensor, ridge: float) -> Tensor:
    """A matrix R with ``R^T (C + ridge) R = 1``."""
    eye_DD = torch.eye(len(within_DD), dtype=torch.float64)
    # A view that never varies has nothing to correlate: any positive ridge keeps its map finite.
    lower_DD = torch.linalg.cholesky(within_DD + (ridge if ridge > 0 else 1.0) * eye_DD)
    inverse_DD: Tensor = torch.linalg.solve_triangular(lower_DD, eye_DD, upper=False)
    return inverse_DD.mT
