"""Scores of a head on the folds of a data set, averaged over folds as papers do, by any protocol.

From the predictions that a cross-validation left behind, so that one training gives the figures of its own paper's
protocol, to hold against what that prints, and those of a shared one, to hold heads against each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from viewloom.dataset.folds import Fold
from viewloom.metrics.segmentation import score
from viewloom.recipes.benchmarks.runs import HeadRun
from viewloom.recipes.benchmarks.tables import HeadRow
from viewloom.recipes.pooled import pooled_items
from viewloom.recipes.published import SCORES, Figures
from viewloom.training.runs import read_json


@dataclass(frozen=True)
class Scoring:
    """A way to score.

    Attributes:
        protocol: by name.
        background: actions whose segments it drops.
    """

    protocol: str
    background: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.protocol}, without {', '.join(self.background)}" if self.background else self.protocol


@dataclass(frozen=True)
class HeadResult:
    """One head by one way of scoring.

    Attributes:
        row: the head.
        scoring: the way.
        seeds: {seed: {fold: scores in percent, in the order of `SCORES`}}.
    """

    row: HeadRow
    scoring: Scoring
    seeds: Mapping[int, Mapping[int, Figures]]

    @property
    def each(self) -> list[Figures]:
        """Mean over folds of each seed."""
        return [_mean(list(folds.values())) for folds in self.seeds.values()]

    @property
    def mean(self) -> Figures:
        """Mean over seeds of the means over folds."""
        return _mean(self.each)

    @property
    def deviation(self) -> tuple[float, ...] | None:
        """Sample deviation (n - 1) over seeds; None for a single one."""
        each = self.each
        return tuple(stdev(values) for values in zip(*each, strict=True)) if len(each) > 1 else None

    @property
    def folds(self) -> int:
        """Folds that every seed has."""
        return min(len(folds) for folds in self.seeds.values())


def _mean(rows: Sequence[Figures]) -> Figures:
    return tuple(fmean(values) for values in zip(*rows, strict=True))  # type: ignore[return-value]


def head_result(
    row: HeadRow, scoring: Scoring, runs: Sequence[HeadRun], folds: Sequence[Fold], view: str
) -> HeadResult | None:
    """The scores of a head's finished folds; None where there is none."""
    seeds = {run.seed: found for run in runs if run.row == row and (found := fold_scores(run, scoring, folds, view))}
    return HeadResult(row, scoring, seeds) if seeds else None


def fold_scores(run: HeadRun, scoring: Scoring, folds: Sequence[Fold], view: str) -> dict[int, Figures]:
    """Scores of each fold that is finished, by its number, over that fold's test videos."""
    path = run.folder / "metrics.json"
    if not path.exists():
        return {}
    metrics = read_json(path)
    finished = {fold["fold"] for fold in metrics["folds"]["each"]}
    background = [metrics["actions"].index(name) for name in scoring.background]
    found: dict[int, Figures] = {}
    for fold in (fold for fold in folds if fold.number in finished):
        items = pooled_items(run.folder, [fold], view)
        pairs = [item.prediction for item in items], [item.truth for item in items]
        scores = score(*pairs, scoring.protocol, background).as_dict()
        found[fold.number] = tuple(scores[name] for name in SCORES)  # type: ignore[assignment]
    return found
