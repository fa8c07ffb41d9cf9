"""Moments of all pairs of views, from which the closed forms and the stems follow."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch

from viewloom.errors import DataError
from viewloom.methods.canonical import Covariances
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
        lone: whether views may have no step in common.
    """

    def __init__(self, dims: tuple[int, ...], views: tuple[str, ...], lone: bool = False) -> None:
        self.views, self.lone = views, lone
        pairs = combinations_with_replacement(range(len(views)), 2)
        self.moments = {(a, b): Moments(dims[a], dims[b]) for a, b in pairs}

    def add(self, batch: ViewBatch) -> None:
        """Take a batch in."""
        x = [batch.features[view] for view in self.views]
        for (a, b), moments in self.moments.items():
            both_BT = batch.mask_BVT[:, a] & batch.mask_BVT[:, b]
            first_ND = x[a][both_BT]
            moments.add(first_ND, first_ND if a == b else x[b][both_BT])

    def merge(self, other: PairMoments) -> None:
        """Add what another one has seen."""
        for pair, moments in self.moments.items():
            moments.merge(other.moments[pair])

    def totals(self, device: torch.device) -> dict[Pair, Moments]:
        """What all processes have seen; `DataError` for a view without steps, or without one that another has too.

        Args:
            device: where processes can sum.
        """
        totals = {pair: moments.over_processes(device) for pair, moments in self.moments.items()}
        for place, view in enumerate(self.views):
            if self.lone and totals[place, place].count > 0:
                continue
            if not any(m.count > 0 for pair, m in totals.items() if place in pair and pair[0] != pair[1]):
                raise DataError(
                    f"The view {view!r} has no step in common with any other. Leave it out, or add recordings "
                    "that have it together with another."
                )
        return totals

    def covariances(self, totals: dict[Pair, Moments], standardiser: Standardiser) -> Covariances:
        """Covariances of standardised features."""
        return self.covariances_of(totals, self.views, standardiser)

    @staticmethod
    def covariances_of(totals: dict[Pair, Moments], views: tuple[str, ...], standardiser: Standardiser) -> Covariances:
        """Covariances of standardised features, of moments of pairs of views."""
        return {
            (a, b): standardiser.of_covariance(moments.covariance_DE, views[a], views[b])
            for (a, b), moments in totals.items()
        }
