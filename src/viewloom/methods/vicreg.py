"""VICReg over views: agreement, variance and covariance of refined features (arXiv:2105.04906).

The paper's terms act on an expander behind the features; here they act on the features themselves, of which there are
few enough.
"""

from typing import ClassVar

from torch import Tensor

from viewloom.losses.collapse import as_summed
from viewloom.losses.squared_error import as_counted
from viewloom.losses.vicreg import vicreg_terms
from viewloom.methods.encoded import EncodedMethod, Terms
from viewloom.methods.settings import MethodConfig, VICRegConfig
from viewloom.nn.distributed import mean_count, sum_with_gradient
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("vicreg")
class VICReg(EncodedMethod):
    """Agreement of two views or more, kept from collapse by two terms.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = VICRegConfig
    config: VICRegConfig

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """The three terms, over steps that two views or more have."""
        together_BVT = mask_BVT & (mask_BVT.sum(dim=1, keepdim=True) >= 2)
        total, count = (sum_with_gradient, mean_count) if self.training else (as_summed, as_counted)
        invariance, variance, covariance = vicreg_terms(z_BVTZ, together_BVT, total, count)
        return {
            "invariance": (self.config.invariance_weight, invariance),
            "variance": (self.config.variance_weight, variance),
            "covariance": (self.config.covariance_weight, covariance),
        }
