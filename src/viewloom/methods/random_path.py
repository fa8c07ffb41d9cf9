"""A control: one random projection a view, which aligns nothing."""

from typing import Any

import torch

from viewloom.methods.base import Fit, Method
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.settings import MethodConfig, RandomPathConfig
from viewloom.registry import METHODS

MOST = 64
"""Features given, where no number was set and all views have as many."""


@METHODS.register("random_path")
class RandomPath(Method):
    """Each view's features times a random matrix of orthonormal columns, drawn apart for each view.

    What a head behind it scores on a view it has no labels of is what views share without being aligned: their means,
    and what the head itself standardises. A method that scores no more has learned nothing from the pairs.

    Args:
        dim: feature size D, or one for each view.
        views: any number.
        config: settings.
    """

    Config = RandomPathConfig
    min_views = 1
    any_sizes = True
    fit: Fit = "nothing"

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.fit = "closed_form" if self.needs_pass else "nothing"

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """The maps, drawn by the seed."""
        dims = as_dims(dim, views)
        size = min(config.out_dim or min(MOST, *dims), *dims)
        refiner = LinearRefiner(cls.registered_name(), dim, views, config, size)
        for place, view in enumerate(views):
            draw = torch.Generator().manual_seed(1_009 * config.seed + place)
            normal_DZ = torch.randn(dims[place], size, generator=draw, dtype=torch.float64)
            weight_DZ = torch.linalg.qr(normal_DZ).Q.float()
            refiner.set_map(view, torch.zeros(dims[place]), weight_DZ, torch.zeros(size))
        return refiner
