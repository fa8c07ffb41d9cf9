"""Frame probabilities of items, where their recordings have a view."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.training.segmenter import Segmenter


def predict_items(
    dataset: MultiViewDataset, items: Sequence[Item], view: str, segmenter: Segmenter
) -> Iterator[tuple[Item, NDArray[np.float32]]]:
    """Frame probabilities of every item whose recording has the view."""
    present = [item for item in items if view in dataset.source.views(item.recording)]
    return segmenter.each(dataset.source, present, view)
