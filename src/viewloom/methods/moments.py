"""Sums over steps, in float64, from which means and covariances of all data follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from viewloom.nn.distributed import sum_over_processes


class Moments(nn.Module):
    """Number of steps, sums, and sums of products of two sets of features at the same steps.

    Batches can come in any order, and from several processes or machines (`merge`): the result differs by
    rounding alone. The sums are working memory, so they are not part of a state dict.

    Args:
        first: number of features D of the one set.
        second: number of features E of the other.
    """

    count: Tensor
    first_D: Tensor
    second_E: Tensor
    products_DE: Tensor

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        for name, shape in (("count", ()), ("first_D", (first,)), ("second_E", (second,))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64), persistent=False)
        self.register_buffer("products_DE", torch.zeros(first, second, dtype=torch.float64), persistent=False)

    @torch.no_grad()
    def add(self, x_ND: Tensor, y_NE: Tensor) -> None:
        """Take N steps in."""
        x_ND, y_NE = x_ND.double(), y_NE.double()
        self.count += len(x_ND)
        self.first_D += x_ND.sum(0)
        self.second_E += y_NE.sum(0)
        self.products_DE.addmm_(x_ND.mT, y_NE)

    def merge(self, other: Moments) -> None:
        """Add what another one has seen."""
        for mine, theirs in zip(self.buffers(), other.buffers(), strict=True):
            mine += theirs.to(mine.device)

    def over_processes(self) -> Moments:
        """What all processes of the run have seen together, on the CPU."""
        total = Moments(len(self.first_D), len(self.second_E)).to(self.count.device)
        for sums, mine in zip(total.buffers(), self.buffers(), strict=True):
            sums += sum_over_processes(mine)
        return total.cpu()

    @property
    def means(self) -> tuple[Tensor, Tensor]:
        """Means (D,) and (E,); zeros when nothing was seen."""
        count = self.count.clamp(min=1)
        return self.first_D / count, self.second_E / count

    @property
    def covariance_DE(self) -> Tensor:
        """Covariances, divided by the number of steps; zeros when nothing was seen."""
        x_D, y_E = self.means
        return self.products_DE / self.count.clamp(min=1) - torch.outer(x_D, y_E)
