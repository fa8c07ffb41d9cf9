"""What a page shows of runs with several labels a frame: scores, actions, items."""

from collections.abc import Sequence
from typing import Any

from viewloom.metrics.multilabel import TITLES
from viewloom.report.multilabel_table import rows_of
from viewloom.report.picking import Pick
from viewloom.report.runs import Run
from viewloom.report.sections import sheet

RANKED_BY = "f1_micro"
"""Score that items are ranked by."""


def multi_scores(runs: Sequence[Run]) -> dict[str, Any]:
    """The table of scores on the page: rows of each view with its highest scores."""
    rows = rows_of(runs)
    groups = {name: [row for row in rows if row[1].name == name] for name in dict.fromkeys(v.name for _, v in rows)}
    best = [{name: max(view.scores[name] for _, view in of) for name in TITLES} for of in groups.values()]
    pairs = zip(groups.values(), best, strict=True)
    return {"views": [(of, high if len(of) > 1 else {}) for of, high in pairs], "titles": TITLES}


def multi_actions(runs: Sequence[Run]) -> dict[str, Any]:
    """F1 of the frames of every action that occurs, in order of ids, and all scores."""
    columns = ("action", "segments", "frames", "precision", "recall")
    named = {name: name for name in columns} | {"f1": "F1", "frame_ap": "frame AP", "ap_50": "AP@0.5"}
    return sheet(runs, "per_class", ("action", "segments"), runs[0].scored.actions, named, "f1", "F1 of frames")


def multi_items(runs: Sequence[Run], picked: Sequence[Pick]) -> dict[str, Any]:
    """Micro F1 of every item, with the ranks of those whose timelines are shown, and all scores."""
    named = {"item": "item", "frames": "frames", "f1_micro": TITLES["f1_micro"], "f1_macro": TITLES["f1_macro"]}
    items = dict.fromkeys(row["item"] for run in runs for view in run.views.values() for row in view.per_item)
    links = {one.item: one.rank for one in picked}
    found = sheet(runs, "per_item", ("item", "recording"), items, named, RANKED_BY, "Micro F1 of frames")
    return found | {"links": links}
