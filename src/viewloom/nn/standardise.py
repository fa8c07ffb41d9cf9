"""Features at mean 0 and deviation 1, over all views or for each view; the statistics are saved with what uses them.

One implementation for refiners, which know views, and for heads, which don't.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.nn.moments import Moments
from viewloom.nn.settings import Standardise

STILL = 1e-6
"""A feature that deviates by less than this share of its root mean square stands still, but for rounding. It has no
deviation to be divided by, so its magnitude takes the place. Other features have no say in that: the units of sensors
may differ by any factor."""


class Standardiser(nn.Module):
    """``(x - mean) / deviation``, statistics taken over valid steps.

    With ``none`` it does nothing and has no state, so that a refiner's names stay those of published ones.

    Args:
        dim: feature size D, or one for each view.
        views: names along axis V; any one name, with mode pooled, where there are no views to tell apart.
        mode: none, pooled, or view.
    """

    mean_GD: Tensor
    deviation_GD: Tensor
    steps_G: Tensor

    def __init__(self, dim: int | Sequence[int], views: tuple[str, ...], mode: Standardise) -> None:
        super().__init__()
        self.mode: Standardise = mode
        self.views = views
        self.dims = (dim,) * max(1, len(views)) if isinstance(dim, int) else tuple(dim)
        self.ready = mode == "none"
        self.moments: list[Moments] = []
        if mode == "none":
            return
        if mode == "pooled" and len(set(self.dims)) > 1:
            sizes = ", ".join(f"{view} {size}" for view, size in zip(views, self.dims, strict=True))
            raise ConfigError(
                f"standardise=pooled takes one mean over all views, which must have one feature size then, but have: "
                f"{sizes}. Set standardise to view."
            )
        groups, most = len(views) if mode == "view" else 1, max(self.dims)
        # Zeros and ones stand behind the features of a view that has fewer than another.
        self.register_buffer("mean_GD", torch.zeros(groups, most))
        self.register_buffer("deviation_GD", torch.ones(groups, most))
        self.register_buffer("steps_G", torch.zeros(groups, dtype=torch.int64))
        self.moments += [Moments(size) for size in (self.dims if mode == "view" else self.dims[:1])]
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

    def of_moments(self, moments: Moments, view: str) -> Moments:
        """What the moments of a view's plain features, their squares among them, become."""
        if self.mode == "none":
            return moments
        centre_D, deviation_D = (value.to(moments.sums["first_D"]) for value in self._statistics(view))
        return moments.moved(centre_D, deviation_D)

    def _statistics(self, view: str) -> tuple[Tensor, Tensor]:
        group = self._group(view)
        dim = self.dims[group]
        return self.mean_GD[group, :dim], self.deviation_GD[group, :dim]

    def _group(self, view: str) -> int:
        return self.views.index(view) if self.mode == "view" else 0

    def check_ready(self) -> None:
        """Raise `ConfigError` if the statistics are not there yet."""
        if not self.ready:
            raise ConfigError(
                f"standardise={self.mode} needs the statistics of the features, which were not taken: show all "
                "pairs to accumulate() once and call solve(), or set standardise to none."
            )

    def add(self, x_ND: Tensor, view: str) -> None:
        """Take N steps of a view in."""
        if self.mode != "none":
            self.moments[self._group(view)].add(x_ND)

    @torch.no_grad()
    def solve(self, together: bool = False) -> None:
        """Work out means and deviations from what all processes have taken in.

        Args:
            together: divide all features by the largest deviation, so that they keep their sizes against each other.
        """
        if self.mode == "none":
            return
        totals = [moments.over_processes(self.mean_GD.device) for moments in self.moments]
        absent = [name for name, total in zip(self.views, totals, strict=False) if not total.count]
        if absent:
            raise ConfigError(f"No valid step was seen of {', '.join(absent)}: its mean is unknown. Leave it out.")
        for group, total in enumerate(totals):
            mean_D = total.means[0]
            deviation_D = _scales(mean_D, total.mean_products)
            self.mean_GD[group, : len(mean_D)] = mean_D
            self.deviation_GD[group, : len(mean_D)] = deviation_D.max() if together else deviation_D
            self.steps_G[group] = self.moments[group].count.long()
        self.ready = True

    @property
    def seen(self) -> bool:
        """Whether any step was taken in."""
        return any(bool(moments.count) for moments in self.moments)

    def info(self) -> dict[str, Any]:
        """Mode and numbers of steps, for a refiner's metadata."""
        return {"standardise": self.mode} | ({"steps": self.steps_G.tolist()} if self.mode != "none" else {})


def _scales(mean_D: Tensor, square_D: Tensor) -> Tensor:
    """What features are divided by, from their means and mean squares: deviations, and for those that stand still
    their magnitude, or, being zero too, the mean deviation of the others."""
    deviation_D, magnitude_D = (square_D - mean_D.square()).clamp(min=0).sqrt(), square_D.sqrt()
    still_D = deviation_D <= STILL * magnitude_D
    typical = deviation_D.masked_fill(still_D, 0.0).sum() / (~still_D).sum().clamp(min=1)
    typical = typical if typical > 0 else torch.ones_like(typical)
    return torch.where(still_D, torch.where(magnitude_D > 0, magnitude_D, typical), deviation_D)


def _note_ready(module: Standardiser, _: Any) -> None:
    module.ready = bool((module.steps_G > 0).all())
