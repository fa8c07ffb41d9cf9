"""Train view by test view: what runs score in every view, as heat maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viewloom.report.runs import Run
from viewloom.report.views import view_names

SCORES = {"single": {"f1_50": "F1@50", "mof": "MoF"}, "multi": {"f1_micro": "F1 micro", "frame_map": "frame mAP"}}
"""Scores that are mapped, by ``labels_mode``."""


@dataclass(frozen=True)
class HeatMap:
    """A map.

    Attributes:
        title: what it shows.
        views: across.
        lines: views that labels came from, what has learned from them, and percent in each view, or None.
    """

    title: str
    views: list[str]
    lines: list[tuple[str, str, list[float | None]]]


def view_matrices(runs: Sequence[Run]) -> list[HeatMap]:
    """Maps of runs that learned from labels; none where there is only one view, or no such run."""
    learned = [run for run in runs if run.metrics is not None and run.scored.trained_on]
    views = view_names(learned)
    if len(views) < 2:
        return []
    return [
        HeatMap(
            f"{title}, percent",
            views,
            by_source(
                ["+".join(run.scored.trained_on) for run in learned],
                [run.name for run in learned],
                [[run.views[view].scores[name] if view in run.views else None for view in views] for run in learned],
            ),
        )
        for name, title in SCORES[learned[0].scored.labels_mode].items()
    ]


def by_source(
    sources: Sequence[str], names: Sequence[str], values: Sequence[list[float | None]]
) -> list[tuple[str, str, list[float | None]]]:
    """Lines together that have labels of the same views, in order of first appearance."""
    lines = list(zip(sources, names, values, strict=True))
    return [line for source in dict.fromkeys(sources) for line in lines if line[0] == source]


def comparison_matrices(table: Mapping[str, Any]) -> list[HeatMap]:
    """The same of a data set of a comparison: rows that have labels, means over seeds."""
    there = [view["view"] for view in table["views"]]
    views = sorted(there, key=lambda view: view not in table["labelled"])
    rows = {row["row"]: row for view in table["views"] for row in view["rows"] if row["head"]}
    by_view = {view["view"]: {row["row"]: row["mean"] for row in view["rows"]} for view in table["views"]}
    sources = ["+".join(_source(row, table)) for row in rows.values()]
    return [
        HeatMap(
            f"{table['data']}: {title}, percent, mean over seeds",
            views,
            by_source(
                sources,
                list(rows),
                [[by_view.get(view, {}).get(row, {}).get(name) for view in views] for row in rows],
            ),
        )
        for name, title in SCORES["single"].items()
    ]


def _source(row: Mapping[str, Any], table: Mapping[str, Any]) -> Sequence[str]:
    """The views whose labels a row has: the labelled ones, or for an oracle the one it is of."""
    if row["role"] != "oracle":
        return list(table["labelled"])
    named = [view for view in table["unlabelled"] if row["title"] == f"oracle {view}"]
    return named or list(table["unlabelled"])[:1]
