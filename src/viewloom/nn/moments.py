"""Sums over steps, in float64, from which means, variances and covariances of all data follow."""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from viewloom.nn.distributed import sum_over_processes, world_size


class Moments:
    """Number of steps, sums, and sums of products of two sets of features at the same steps, or squares of one.

    Batches can come in any order, and from several processes or machines (`merge`): the result differs by
    rounding alone. Sums are kept where the features are, or on the CPU where their device has no float64; they are
    working memory, and part of no state dict.

    Args:
        first: number of features D of the one set.
        second: number of features E of the other; None takes the squares of the one set alone.
    """

    def __init__(self, first: int, second: int | None = None) -> None:
        shapes = {"count": (), "first_D": (first,)}
        shapes |= {"products": (first,)} if second is None else {"second_E": (second,), "products": (first, second)}
        self.sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}

    @torch.no_grad()
    def add(self, x_ND: Tensor, y_NE: Tensor | None = None) -> None:
        """Take N steps in."""
        x_ND = (x_ND.cpu() if x_ND.device.type == "mps" else x_ND).double()
        self.sums = {name: value.to(x_ND.device) for name, value in self.sums.items()}
        self.sums["count"] += len(x_ND)
        self.sums["first_D"] += x_ND.sum(0)
        if y_NE is None:
            self.sums["products"] += x_ND.square().sum(0)
        else:
            y_NE = y_NE.to(x_ND)
            self.sums["second_E"] += y_NE.sum(0)
            self.sums["products"].addmm_(x_ND.mT, y_NE)

    def merge(self, other: Moments) -> None:
        """Add what another one has seen."""
        for name, value in self.sums.items():
            value += other.sums[name].to(value.device)

    def without(self, other: Moments) -> Moments:
        """The moments of what another one, a share of this, has not seen."""
        rest = copy(self)
        rest.sums = {name: value - other.sums[name].to(value.device) for name, value in self.sums.items()}
        return rest

    def moved(self, centre_D: Tensor, scale_D: Tensor) -> Moments:
        """The moments that ``(x - centre) / scale`` has, of one set of features and their squares."""
        count, first_D, square_D = (self.sums[name] for name in ("count", "first_D", "products"))
        moved = Moments(len(first_D))
        moved.sums = {
            "count": count.clone(),
            "first_D": (first_D - count * centre_D) / scale_D,
            "products": (square_D - 2 * centre_D * first_D + count * centre_D.square()) / scale_D.square(),
        }
        return moved

    def over_processes(self, device: torch.device | None = None) -> Moments:
        """What all processes of the run have seen together, on the CPU.

        Args:
            device: where several processes can sum: those that share GPUs speak through them. None: where sums are.
        """
        device = None if world_size() == 1 else device
        total = copy(self)
        total.sums = {name: sum_over_processes(value.to(device)).cpu() for name, value in self.sums.items()}
        return total

    @property
    def count(self) -> Tensor:
        """Number of steps."""
        return self.sums["count"]

    @property
    def means(self) -> tuple[Tensor, Tensor]:
        """Means (D,) and (E,) of the two sets; zeros when nothing was seen."""
        count = self.count.clamp(min=1)
        return self.sums["first_D"] / count, self.sums.get("second_E", self.sums["first_D"]) / count

    @property
    def mean_products(self) -> Tensor:
        """Means of the products (D, E), or of the squares (D,)."""
        return self.sums["products"] / self.count.clamp(min=1)

    @property
    def covariance_DE(self) -> Tensor:
        """Covariances, divided by the number of steps; zeros when nothing was seen."""
        return self.mean_products - torch.outer(*self.means)
