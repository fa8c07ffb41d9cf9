"""Moments of all pairs of views, from which the closed forms and the stems follow."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor

from viewloom.errors import DataError
from viewloom.methods.canonical import Covariances
from viewloom.methods.cca_choice import Block, choose
from viewloom.nn.moments import Moments
from viewloom.nn.standardise import Standardiser
from viewloom.windows.batch import ViewBatch

Pair = tuple[int, int]
"""A view and itself, or a later one, by their places."""


class PairMoments:
    """Moments between two views over the steps that both have, and within a view over all its steps.

    Args:
        dims: feature size of each view.
        views: their names.
        nulls: also take in each pair out of step: the second view's steps moved by half of a window.
    """

    def __init__(self, dims: tuple[int, ...], views: tuple[str, ...], nulls: bool = False) -> None:
        self.views = views
        pairs = list(combinations_with_replacement(range(len(views)), 2))
        self.moments = {(a, b): Moments(dims[a], dims[b]) for a, b in pairs}
        self.nulls = {(a, b): Moments(dims[a], dims[b]) for a, b in pairs if nulls and a != b}

    def add(self, batch: ViewBatch) -> None:
        """Take a batch in."""
        x = [batch.features[view] for view in self.views]
        for (a, b), moments in self.moments.items():
            both_BT = batch.mask_BVT[:, a] & batch.mask_BVT[:, b]
            moments.add(x[a][both_BT], x[b][both_BT])
        for (a, b), moments in self.nulls.items():
            moments.add(*out_of_step(x[a], x[b], batch.mask_BVT[:, a] & batch.mask_BVT[:, b]))

    def totals(self, device: torch.device) -> dict[Pair, Moments]:
        """What all processes have seen; `DataError` for a view that shares no step with any other.

        Args:
            device: where processes can sum.
        """
        totals = {pair: moments.over_processes(device) for pair, moments in self.moments.items()}
        for place, view in enumerate(self.views):
            if not any(m.count > 0 for pair, m in totals.items() if place in pair and pair[0] != pair[1]):
                raise DataError(
                    f"The view {view!r} has no step in common with any other. Leave it out, or add recordings "
                    "that have it together with another."
                )
        return totals

    def covariances(self, totals: dict[Pair, Moments], standardiser: Standardiser) -> Covariances:
        """Covariances of standardised features."""
        return {
            (a, b): standardiser.of_covariance(moments.covariance_DE, self.views[a], self.views[b])
            for (a, b), moments in totals.items()
        }

    def chosen_strength(
        self, totals: dict[Pair, Moments], standardiser: Standardiser, components: int, device: torch.device
    ) -> float:
        """Ridge of canonical components as the method cca chooses it; see `choose`. Needs ``nulls``."""
        nulls = {pair: moments.over_processes(device) for pair, moments in self.nulls.items()}
        met = {pair: moments for pair, moments in nulls.items() if moments.count > 0}
        own, out = self.covariances(totals, standardiser), self.covariances(met, standardiser)
        blocks = [Block(own[a, a], own[b, b], own[a, b], out[a, b]) for a, b in met]
        steps = int(max(moments.count for (a, b), moments in totals.items() if a != b))
        # Single steps can't be put out of step: nothing is known of them, and the strong ridge of cca is taken.
        return choose(blocks, steps, None, components)[0] if blocks else 1.0


def out_of_step(x_BTD: Tensor, y_BTE: Tensor, both_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Steps (N, D) that two views share, the second view's moved in each row by half of them, its end to its front.

    Rows of a single such step have nothing to be moved by, and are left out.
    """
    first, second = [x_BTD.new_zeros(0, x_BTD.shape[-1])], [y_BTE.new_zeros(0, y_BTE.shape[-1])]
    for x_TD, y_TE, both_T in zip(x_BTD, y_BTE, both_BT, strict=True):
        steps = int(both_T.sum())
        if steps > 1:
            first.append(x_TD[both_T])
            second.append(y_TE[both_T].roll(steps // 2, dims=0))
    return torch.cat(first), torch.cat(second)
