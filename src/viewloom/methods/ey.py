"""Canonical correlation of features that a network makes, by the Eckart-Young loss (arXiv:2310.01012)."""

import torch
from torch import Tensor

from viewloom.losses.collapse import as_summed
from viewloom.losses.eckart_young import eckart_young
from viewloom.methods.encoded import EncodedMethod, Terms
from viewloom.nn.distributed import sum_with_gradient
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("ey")
class EY(EncodedMethod):
    """Deep canonical correlation of two views or more, trained on batches.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    @torch.no_grad()
    def solve(self) -> None:
        """Also make all views together as large as one, which is what the loss asks for."""
        super().solve()
        self.refiner.path.map_VPZ.div_(len(self.views) ** 0.5)

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """The one term."""
        total = sum_with_gradient if self.training else as_summed
        return {"eckart_young": (1.0, eckart_young(z_BVTZ, mask_BVT, total))}
