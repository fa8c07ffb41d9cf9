"""What the functions of the front door may be given, brought to what they work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from viewloom.errors import ConfigError, DataError, listed
from viewloom.registry import METHODS

if TYPE_CHECKING:
    from viewloom.training.trained import TrainedHead

Names = str | Sequence[str]
"""A list of names; one text with commas is taken as the command line does."""


def trained_head(head: TrainedHead | str | Path) -> TrainedHead:
    from viewloom.training.trained import TrainedHead, load_head

    if not isinstance(head, TrainedHead | str | Path):
        raise ConfigError(f"Expected a trained head or its run folder, but got a {type(head).__name__}.")
    return load_head(head) if isinstance(head, str | Path) else head


def size_setting(method: str) -> str:
    """What a method calls its features' size."""
    names = [entry.name for entry in fields(METHODS.settings(method))]
    found = next((name for name in ("out_dim", "width") if name in names), None)
    if found is None:
        raise ConfigError(f"Method {method!r} gives features of a size that isn't chosen. Leave out_dim out.")
    return found


def kept(run: str | Path | None) -> Path | None:
    return None if run is None else Path(run)


def view_of_array(trained: TrainedHead, view: Names | None) -> str:
    """The one view that an array is of."""
    if view is None and trained.refiner is not None and not trained.refiner.accepts("any"):
        raise DataError(
            f"The refiner of this head has a map for each of the views {listed(trained.refiner.views)}: say which one "
            "the array is of (view=...)."
        )
    names = [view] if isinstance(view, str) else list(view or [trained.views[0]])
    if len(names) != 1:
        raise ConfigError(f"An array is of one view, but view is {view!r}.")
    return names[0]


def sequences_of(labels: Sequence[Any]) -> list[Sequence[Any]]:
    """One sequence of labels, or several, as several."""
    labels = list(labels)  # a pandas Series has numbers of its own
    several = len(labels) and np.ndim(labels[0]) > 0
    return list(labels) if several else [labels]
