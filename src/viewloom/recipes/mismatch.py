"""Controls that pair views wrongly: what a method scores with them, it doesn't owe to views being in step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import ConfigError, DataError
from viewloom.features.mismatched import MismatchedSource


@dataclass(frozen=True)
class Mismatch:
    """How the pairs of a pre-training are spoilt; labels and test items are not touched.

    Attributes:
        kind: views from different recordings, or the same recording's views out of step.
        offset_s: seconds between the first view and each other one, with ``offset``.
        seed: of which recordings are put together.
    """

    kind: Literal["shuffled", "offset"]
    offset_s: float = 0.0
    seed: int = 0

    def on(self, dataset: MultiViewDataset, views: Sequence[str]) -> MultiViewDataset:
        """The data set with its pair recordings spoilt.

        Raises:
            DataError: fewer than two pair recordings to shuffle.
            ConfigError: an offset of less than a frame.
        """
        recordings = sorted({item.recording for item in dataset.items("pairs", views)})
        moved = self._offset(dataset, recordings, views)
        if self.kind == "shuffled":
            moved = self._shuffled(dataset, recordings, views)
        return replace(dataset, source=MismatchedSource(dataset.source, moved))

    def _offset(
        self, dataset: MultiViewDataset, recordings: Sequence[str], views: Sequence[str]
    ) -> dict[tuple[str, str], tuple[str, int]]:
        """Each view but the first shows what it saw that many frames later, times its place."""
        frames = round(self.offset_s * dataset.source.fps)
        if self.kind == "offset" and frames < 1:
            raise ConfigError(f"offset_pairs needs an offset of a frame or more, but offset_s is {self.offset_s}.")
        return {(name, view): (name, place * frames) for name in recordings for place, view in enumerate(views)}

    def _shuffled(
        self, dataset: MultiViewDataset, recordings: Sequence[str], views: Sequence[str]
    ) -> dict[tuple[str, str], tuple[str, int]]:
        """Each view but the first comes from another recording than the first one does, begun together."""
        source, moved = dataset.source, {}
        for place, view in enumerate(views):
            having = [name for name in recordings if view in source.views(name)]
            if place and len(having) < 2:
                raise DataError(f"shuffled_pairs takes two pair recordings with view {view}, but there is no second.")
            order = [having[i] for i in np.random.default_rng(self.seed).permutation(len(having))]
            step = 1 + (place - 1) % (len(order) - 1) if place else 0  # never back to itself
            for number, name in enumerate(order):
                other = order[(number + step) % len(order)]
                moved[name, view] = other, source.span(other, view).first - source.span(name, view).first
        return moved
