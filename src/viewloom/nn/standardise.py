"""Features at mean 0 and deviation 1, over all views or for each view; the statistics are saved with what uses them.

One implementation for refiners, which know views, and for heads, which don't.
"""

from typing import Any

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.nn.distributed import sum_over_processes, world_size
from viewloom.nn.settings import Standardise

STILL = 1e-6
"""A feature that deviates by less than this share of its root mean square stands still, but for rounding. It has no
deviation to be divided by, so its magnitude takes the place. Other features have no say in that: the units of sensors
may differ by any factor."""


class Standardiser(nn.Module):
    """``(x - mean) / deviation``, statistics taken over valid steps.

    With ``none`` it does nothing and has no state, so that a refiner's names stay those of published ones.

    Args:
        dim: feature size D.
        views: names along axis V; any one name, with mode pooled, where there are no views to tell apart.
        mode: none, pooled, or view.
    """

    mean_GD: Tensor
    deviation_GD: Tensor
    steps_G: Tensor
    sums_GD: Tensor
    squares_GD: Tensor

    def __init__(self, dim: int, views: tuple[str, ...], mode: Standardise) -> None:
        super().__init__()
        self.mode: Standardise = mode
        self.views = views
        self.ready = mode == "none"
        if mode == "none":
            return
        groups = len(views) if mode == "view" else 1
        self.register_buffer("mean_GD", torch.zeros(groups, dim))
        self.register_buffer("deviation_GD", torch.ones(groups, dim))
        self.register_buffer("steps_G", torch.zeros(groups, dtype=torch.int64))
        # Working memory, and no buffers: there are devices without float64.
        self.sums_GD, self.squares_GD = (torch.zeros(groups, dim, dtype=torch.float64, device="cpu") for _ in range(2))
        self.register_load_state_dict_post_hook(_note_ready)  # type: ignore[no-untyped-call]

    def forward(self, x_BTD: Tensor, view: str) -> Tensor:
        """Standardised features of one view."""
        if self.mode == "none":
            return x_BTD
        self.check_ready()
        mean_D, deviation_D = self._statistics(view)
        return (x_BTD - mean_D) / deviation_D

    def of_mean(self, mean_D: Tensor, view: str) -> Tensor:
        """What the mean of a view's plain features becomes."""
        if self.mode == "none":
            return mean_D
        centre_D, deviation_D = (value.to(mean_D) for value in self._statistics(view))
        return (mean_D - centre_D) / deviation_D

    def of_covariance(self, covariance_DE: Tensor, first: str, second: str) -> Tensor:
        """What the covariance of two views' plain features becomes."""
        if self.mode == "none":
            return covariance_DE
        first_D, second_E = (self._statistics(view)[1].to(covariance_DE) for view in (first, second))
        return covariance_DE / torch.outer(first_D, second_E)

    def _statistics(self, view: str) -> tuple[Tensor, Tensor]:
        group = self.views.index(view) if self.mode == "view" else 0
        return self.mean_GD[group], self.deviation_GD[group]

    def check_ready(self) -> None:
        """Raise `ConfigError` if the statistics are not there yet."""
        if not self.ready:
            raise ConfigError(
                f"standardise={self.mode} needs the statistics of the features, which were not taken: show all "
                "pairs to accumulate() once and call solve(), or set standardise to none."
            )

    @torch.no_grad()
    def accumulate(self, x_BVTD: Tensor, mask_BVT: Tensor) -> None:
        """Take the valid steps of a batch in."""
        if self.mode == "none":
            return
        for view in range(len(self.views)):
            group = view if self.mode == "view" else 0
            x_ND = x_BVTD[:, view][mask_BVT[:, view]]
            x_ND = (x_ND.cpu() if x_ND.device.type == "mps" else x_ND).double()
            self.steps_G[group] += len(x_ND)
            self.sums_GD[group] += x_ND.sum(0).cpu()
            self.squares_GD[group] += x_ND.square().sum(0).cpu()

    @torch.no_grad()
    def solve(self, together: bool = False) -> None:
        """Work out means and deviations from what all processes have taken in.

        Args:
            together: divide all features by the largest deviation, so that they keep their sizes against each other.
        """
        if self.mode == "none":
            return
        steps_G1, sums_GD, squares_GD = self._over_processes()
        if not bool((steps_G1 > 0).all()):
            absent = [name for name, steps in zip(self.views, steps_G1, strict=False) if not steps]
            raise ConfigError(f"No valid step was seen of {', '.join(absent)}: its mean is unknown. Leave it out.")
        mean_GD, square_GD = sums_GD / steps_G1, squares_GD / steps_G1
        self.mean_GD.copy_(mean_GD)
        deviation_GD = _scales(mean_GD, square_GD)
        self.deviation_GD.copy_(deviation_GD.amax(dim=1, keepdim=True) if together else deviation_GD)
        self.ready = True

    def _over_processes(self) -> list[Tensor]:
        """Steps (G, 1), sums and sums of squares (G, D) of all processes, on the CPU."""
        own = (self.steps_G[:, None], self.sums_GD, self.squares_GD)
        if world_size() == 1:
            return [value.cpu() for value in own]
        # Processes that share GPUs speak through them.
        return [sum_over_processes(value.to(self.mean_GD.device)).cpu() for value in own]

    def info(self) -> dict[str, Any]:
        """Mode and numbers of steps, for a refiner's metadata."""
        return {"standardise": self.mode} | ({"steps": self.steps_G.tolist()} if self.mode != "none" else {})


def _scales(mean_GD: Tensor, square_GD: Tensor) -> Tensor:
    """What features are divided by, from their means and mean squares: deviations, and for those that stand still
    their magnitude, or, being zero too, the mean deviation of the others."""
    deviation_GD, magnitude_GD = (square_GD - mean_GD.square()).clamp(min=0).sqrt(), square_GD.sqrt()
    still_GD = deviation_GD <= STILL * magnitude_GD
    moving_G1 = (~still_GD).sum(dim=1, keepdim=True).clamp(min=1)
    typical_G1 = deviation_GD.masked_fill(still_GD, 0.0).sum(dim=1, keepdim=True) / moving_G1
    typical_G1 = torch.where(typical_G1 > 0, typical_G1, 1.0)
    return torch.where(still_GD, torch.where(magnitude_GD > 0, magnitude_GD, typical_G1), deviation_GD)


def _note_ready(module: Standardiser, _: Any) -> None:
    module.ready = bool((module.steps_G > 0).all())
