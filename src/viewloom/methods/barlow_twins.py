"""Barlow Twins over views: features that agree between views and repeat nothing (arXiv:2103.03230)."""

from typing import ClassVar

from torch import Tensor

from viewloom.losses.barlow import barlow_terms
from viewloom.losses.collapse import as_summed
from viewloom.methods.encoded import EncodedMethod, Terms
from viewloom.methods.settings import BarlowTwinsConfig, MethodConfig
from viewloom.nn.distributed import sum_with_gradient
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("barlow_twins")
class BarlowTwins(EncodedMethod):
    """Correlations of two views' features brought to ones and zeros, over all pairs of views.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = BarlowTwinsConfig
    config: BarlowTwinsConfig

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """Agreement and redundancy."""
        total = sum_with_gradient if self.training else as_summed
        agreement, redundancy = barlow_terms(z_BVTZ, mask_BVT, total)
        return {"agreement": (1.0, agreement), "redundancy": (self.config.redundancy_weight, redundancy)}
