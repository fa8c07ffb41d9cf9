"""Which actions are taken for which: a map of the most confused ones, and the pairs by time lost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.per_class import confusion_matrix, most_confused
from viewloom.metrics.segments import Ints
from viewloom.report.reading import ViewResult
from viewloom.report.runs import Run

PAIRS = 12
"""Pairs listed."""

MAPPED = 14
"""Actions on the map, at most: those of the first pairs."""


@dataclass(frozen=True)
class Confusion:
    """What one run confuses in one view.

    Attributes:
        run: the run.
        view: name of the view.
        pairs: true action, predicted action, seconds, percent of the true action; most time lost first.
        mapped: actions on the map.
        shares: true action and percent of its frames taken for each action of the map.
    """

    run: Run
    view: str
    pairs: list[tuple[str, str, float, float]]
    mapped: list[str]
    shares: list[tuple[str, list[float]]]


def confusions(runs: Sequence[Run]) -> list[Confusion]:
    """Of all runs and views that have predictions."""
    return [
        confusion(run, view, run.scored.actions, np.arange(len(run.scored.actions)))
        for run in runs
        for view in run.views.values()
        if view.items
    ]


def confusion(run: Run, view: ViewResult, actions: Sequence[str], of_K: Ints) -> Confusion:
    """What is taken for what.

    Args:
        run: the run.
        view: its results in a view, which has predictions.
        actions: names of groups of actions: actions themselves, verbs or nouns.
        of_K: group of each class id.
    """
    kept = [((p >= 0) & (t >= 0), p, t) for p, t in zip(view.predictions(), view.truths(), strict=True)]
    counts_KK = confusion_matrix([of_K[p[k]] for k, p, _ in kept], [of_K[t[k]] for k, _, t in kept], len(actions))
    shares_KK = 100.0 * counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    pairs = most_confused(counts_KK, actions, PAIRS)
    ids = list(dict.fromkeys(actions.index(action) for pair in pairs for action in pair[:2]))[:MAPPED]
    return Confusion(
        run,
        view.name,
        [
            (true, predicted, frames / run.scored.fps, float(shares_KK[actions.index(true), actions.index(predicted)]))
            for true, predicted, frames in pairs
        ],
        [actions[i] for i in ids],
        [(actions[i], shares_KK[i, ids].tolist()) for i in ids],
    )
