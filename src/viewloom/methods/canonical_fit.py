"""What all canonical methods share: from moments of features in folds to a map a view, choices made on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viewloom.methods.canonical import canonical_maps
from viewloom.methods.cca_choice import Choice, choose, strengths_to_try
from viewloom.methods.fold_moments import FoldMoments
from viewloom.methods.linear_map import LinearRefiner
from viewloom.methods.settings import CCAConfig
from viewloom.nn.standardise import Standardiser

SCARCE = 10
"""Steps a component, where nothing could be held out to find their number."""


@dataclass(frozen=True)
class Canonical:
    """Canonical components of features.

    Attributes:
        means: mean (D,) of each view.
        maps: map (D, Z) of each view's centred features.
        choice: ridge and number of components.
        steps: steps that they were found from.
    """

    means: Sequence[Tensor]
    maps: Sequence[Tensor]
    choice: Choice
    steps: int

    def put_into(self, refiner: LinearRefiner) -> None:
        """Give a refiner the maps."""
        refiner.resize(self.choice.size)
        for view, mean_D, map_DZ in zip(refiner.views, self.means, self.maps, strict=True):
            refiner.set_map(view, mean_D, map_DZ, torch.zeros(self.choice.size))

    def in_words(self, method: str, config: CCAConfig, most: int) -> str:
        """What was chosen; empty where nothing was left open."""
        if config.strength is not None and config.out_dim:
            return ""
        how = "chosen" if self.choice.correlations_Z is None else "chosen on held-out pairs"
        return (
            f"{method} keeps {self.choice.size} of {most} components with a ridge of {self.choice.strength:g} times "
            f"the mean variance, {how} from {self.steps:,} steps (--method_options.out_dim and strength set others)"
        )


def fit_canonical(
    moments: FoldMoments, standardiser: Standardiser, config: CCAConfig, device: torch.device
) -> Canonical:
    """Canonical components of what was seen.

    Args:
        moments: of features.
        standardiser: of those features; the maps are of standardised ones.
        config: ridge, number and scale, as far as set.
        device: where processes can sum.

    Raises:
        DataError: a view shares no step with any other.
    """
    totals, most = moments.totals(device), min(moments.dims)
    steps = int(max(each.count for (a, b), each in totals.items() if a != b))
    strengths = strengths_to_try(config.strength, steps, max(moments.dims))
    choice = None
    if len(strengths) > 1 or not config.out_dim or config.scale == "correlation":
        choice = choose(moments.held_out(totals, standardiser, device), strengths, config.out_dim, most)
    if choice is None:  # a single step of a single recording can't be divided
        strength = config.strength if config.strength is not None else 1.0
        choice = Choice(strength, config.out_dim or max(1, min(most, steps // SCARCE)), None)
    measured_Z = choice.correlations_Z if config.scale == "correlation" else None
    scale = "unit" if measured_Z is not None else config.scale
    maps = canonical_maps(moments.covariances(totals, standardiser), choice.strength, choice.size, scale)
    maps = maps if measured_Z is None else [map_DZ * measured_Z for map_DZ in maps]
    views = moments.views
    means = [standardiser.of_mean(totals[place, place].means[0], view) for place, view in enumerate(views)]
    return Canonical(means, maps, choice, steps)
