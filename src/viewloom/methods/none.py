"""No pre-training: the naive baseline, through the same contract as every method."""

from typing import Any

from torch import Tensor

from viewloom.methods.base import Fit, Method
from viewloom.methods.refiner import Dims, Refiner
from viewloom.methods.settings import MethodConfig
from viewloom.registry import METHODS


class IdentityRefiner(Refiner):
    """Features as they are, or standardised. Views of another size than it gives are refused."""

    streams = True

    def accepts(self, view: str) -> bool:
        """Any view, unless views have statistics or sizes of their own."""
        sized = view in self.views or len(set(self.dims)) == 1
        return super().accepts(view) and sized and self.dim_of(view) == self.out_dim

    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """The features themselves."""
        return x_BTD


@METHODS.register("none")
class NoPretraining(Method):
    """Leaves features as they are; with ``standardise`` it is the simplest alignment there is.

    Args:
        dim: feature size D.
        views: any number.
        config: settings.
    """

    min_views = 1
    fit: Fit = "nothing"

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.fit = "closed_form" if self.needs_pass else "nothing"

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """The identity."""
        return IdentityRefiner(cls.registered_name(), dim, views, config)
