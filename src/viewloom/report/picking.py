"""Which items a report shows, and in which order: the best, those in the middle, the worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from viewloom.report.runs import Run


@dataclass(frozen=True)
class Pick:
    """An item to show.

    Attributes:
        item: its name.
        group: best, median or worst, or all where every item is shown.
        rank: place in the ranking, from 1.
        score: what it was ranked by, percent.
    """

    item: str
    group: str
    rank: int
    score: float


def ranking(runs: Sequence[Run], by: str = "f1_50") -> list[tuple[str, float]]:
    """Items that have predictions and the mean of a score over runs and views, best first, then by name."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        for view in run.views.values():
            for row in view.per_item:
                if row["item"] in view.items and row[by] is not None:
                    scores.setdefault(row["item"], []).append(float(row[by]))
    means = [(item, fmean(values)) for item, values in scores.items()]
    return sorted(means, key=lambda pair: (-pair[1], pair[0]))


def pick(runs: Sequence[Run], most: int, by: str = "f1_50") -> list[Pick]:
    """At most ``most`` items: a third of the best, of those around the median, of the worst; best first.

    What doesn't divide by three goes to the best, then to the worst. If all items fit, all are shown.
    """
    ranked = ranking(runs, by)
    if len(ranked) <= most:
        return [Pick(item, "all", place, score) for place, (item, score) in enumerate(ranked, start=1)]
    best, worst = (most + 2) // 3, (most + 1) // 3
    middle = most - best - worst
    first = min(max((len(ranked) - middle) // 2, best), len(ranked) - worst - middle)
    groups = [("best", range(best)), ("median", range(first, first + middle))]
    groups.append(("worst", range(len(ranked) - worst, len(ranked))))
    return [Pick(ranked[i][0], name, i + 1, ranked[i][1]) for name, places in groups for i in places]


def median_item(runs: Sequence[Run], by: str = "f1_50") -> str | None:
    """The item in the middle of the ranking (the better one of two); None when there is none."""
    ranked = ranking(runs, by)
    return ranked[(len(ranked) - 1) // 2][0] if ranked else None
