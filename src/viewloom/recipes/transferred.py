"""What `viewloom.transfer` gives: the head, its refiner, and scores in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.recipes.transfer import TransferResult
from viewloom.recipes.without_refiner import HEAD
from viewloom.training.scores import Scores, read_scores
from viewloom.training.trained import TrainedHead, load_head

if TYPE_CHECKING:
    from pandas import DataFrame

    from viewloom.methods.refiner import Refiner


@dataclass(frozen=True, repr=False)
class Transferred:
    """A transfer.

    Attributes:
        head: the head, which carries refiner and sampling: for `viewloom.predict` and `viewloom.evaluate`.
        scores: by run (transfer, naive, oracle); empty where nothing was scored.
        notes: what was chosen, and what to be wary of.
        run: the run folder; None where none was kept.
    """

    head: TrainedHead
    scores: dict[str, Scores]
    notes: tuple[str, ...]
    run: Path | None

    @property
    def refiner(self) -> Refiner | None:
        """The refiner before the head."""
        return self.head.refiner

    def table(self) -> DataFrame:
        """Scores in percent, a line a run and view."""
        import pandas as pd

        tables = {name: scores.table() for name, scores in self.scores.items()}
        return pd.concat(tables, names=["run", "view"]) if tables else pd.DataFrame()

    def __repr__(self) -> str:
        return "\n".join([repr(self.head), *(["", str(self.table().round(1))] if self.scores else []), "", *self.notes])


def read_transferred(result: TransferResult, run: Path | None) -> Transferred:
    """Read what a transfer left in its folder."""
    scores = {"transfer" if folder.name == HEAD else folder.name: read_scores(folder) for folder in result.scored}
    head = replace(load_head(result.folder / HEAD), run=None if run is None else run / HEAD)
    return Transferred(head, scores, result.notes, run)
