"""Principal components of each view, before something that large features would make slow or unstable.

A view that has no more features than are kept passes as it is: turning it would gain nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from viewloom.methods.refiner import Dims, as_dims
from viewloom.nn.moments import Moments
from viewloom.nn.standardise import Standardiser
from viewloom.windows.batch import ViewBatch


def kept_dims(dim: Dims, views: Sequence[str], pca_dim: int) -> tuple[int, ...]:
    """Number of components kept of each view; ``pca_dim`` 0 keeps all features."""
    return tuple(min(size, pca_dim or size) for size in as_dims(dim, views))


class PrincipalMaps(torch.nn.Module):
    """``(x - mean_v) P_v`` for each view v, P_v orthonormal.

    Args:
        dims: feature size D of each view.
        kept: number K of components of each.
    """

    pca_mean_VD: Tensor
    pca_VDK: Tensor

    def __init__(self, dims: Sequence[int], kept: Sequence[int]) -> None:
        super().__init__()
        self.dims, self.kept = tuple(dims), tuple(kept)
        self.needed = self.dims != self.kept
        self.moments = {place: Moments(d, d) for place, (d, k) in enumerate(zip(dims, kept, strict=True)) if k < d}
        if self.needed:
            # Zeros stand behind the features of a view that has fewer than another.
            self.register_buffer("pca_mean_VD", torch.zeros(len(self.dims), max(self.dims)))
            self.register_buffer("pca_VDK", torch.zeros(len(self.dims), max(self.dims), max(self.kept)))

    def forward(self, x_BTD: Tensor, place: int) -> Tensor:
        """Components (B, T, K) of the view at a place, of standardised features."""
        dim, kept = self.dims[place], self.kept[place]
        if kept == dim:
            return x_BTD
        return (x_BTD - self.pca_mean_VD[place, :dim]) @ self.pca_VDK[place, :dim, :kept]

    def add(self, batch: ViewBatch) -> None:
        """Take the plain features of a batch in."""
        for place, moments in self.moments.items():
            view = batch.views[place]
            x_ND = batch.features[view][batch.mask_of(view)]
            moments.add(x_ND, x_ND)

    @torch.no_grad()
    def solve(self, standardiser: Standardiser, views: Sequence[str]) -> None:
        """Find the components over all processes, and forget the sums."""
        for place, moments in self.moments.items():
            total, view = moments.over_processes(self.pca_VDK.device), views[place]
            covariance_DD = standardiser.of_covariance(total.covariance_DE, view, view)
            map_DK = torch.linalg.eigh(covariance_DD)[1].flip(-1)[:, : self.kept[place]]
            signs_K = map_DK.gather(0, map_DK.abs().argmax(dim=0, keepdim=True))[0].sign()
            self.pca_mean_VD[place, : self.dims[place]] = standardiser.of_mean(total.means[0], view)
            self.pca_VDK[place, : self.dims[place], : self.kept[place]] = map_DK * signs_K
        self.moments = {}
