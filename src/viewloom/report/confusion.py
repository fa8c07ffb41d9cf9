"""Which actions are taken for which: a map of the most confused ones, and the pairs by time lost."""

from collections.abc import Sequence

import numpy as np

from viewloom.metrics.per_class import confusion_matrix, most_confused
from viewloom.report.markup import Html, fixed, join, table, tag
from viewloom.report.reading import Labels
from viewloom.report.runs import Run, ViewResult

PAIRS = 12
"""Pairs listed."""

MAPPED = 14
"""Actions on the map, at most: those of the first pairs."""


def confusions(run: Run, view: ViewResult, unfolded: bool) -> Html:
    """The map and the pairs of one run in one view."""
    actions, fps = run.scored.actions, run.scored.fps
    confusion = confusion_matrix(*labelled_and_predicted(view), len(actions))
    pairs = most_confused(confusion, actions, PAIRS)
    name = tag("b", f"{run.row} on {view.name}")
    if not pairs:
        return tag("p", name, ": no frame is taken for another action.")
    of_true = dict(zip(actions, confusion.sum(axis=1).tolist(), strict=True))
    rows = [
        [true, f"→ {predicted}", f"{frames / fps:.1f}", f"{100 * frames / of_true[true]:.0f} %"]
        for true, predicted, frames in pairs
    ]
    ids = list(dict.fromkeys(actions.index(action) for pair in pairs for action in pair[:2]))[:MAPPED]
    true, predicted, frames = pairs[0]
    return tag(
        "details",
        tag("summary", name, f": {true} → {predicted}, {frames / fps:.0f} s"),
        tag("div", heat_map(confusion, ids, actions), pairs_table(rows), class_="pair"),
        open=unfolded,
    )


def labelled_and_predicted(view: ViewResult) -> tuple[list[Labels], list[Labels]]:
    """Predictions and truths over the frames that have both."""
    kept = [((p >= 0) & (t >= 0), p, t) for p, t in zip(view.predictions(), view.truths(), strict=True)]
    return [p[keep] for keep, p, _ in kept], [t[keep] for keep, _, t in kept]


def pairs_table(rows: Sequence[Sequence[str]]) -> Html:
    """Pairs of actions, most time lost first."""
    return table(["true", "taken for", "seconds", "of the true"], rows, 2)


def heat_map(confusion: Labels, ids: Sequence[int], actions: Sequence[str]) -> Html:
    """Rows: true action. Columns: predicted. Cells: percent of all true frames of the row's action."""
    shares = 100.0 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    columns = [tag("th", tag("span", actions[j], title=actions[j]), scope="col") for j in ids]
    body = [
        tag("tr", tag("th", actions[i], scope="row"), *(_cell(float(shares[i, j]), i == j) for j in ids)) for i in ids
    ]
    corner = tag("td", "true ↓ predicted →")
    made = tag("table", tag("thead", tag("tr", corner, *columns)), tag("tbody", *body), class_="heat")
    note = tag("p", "Percent of the true action's frames; the diagonal is right.", class_="note")
    return tag("div", tag("div", made, class_="scroll", tabindex="0", role="region", aria_label="confusion"), note)


def _cell(share: float, right: bool) -> Html:
    """A cell, the fuller the stronger."""
    shown = fixed(share, 0) if share >= 0.5 else ""
    strength = f"--s:{share:.0f}%" if shown else None
    return tag("td", shown, class_="right" if right else None, style=strength)


def confusion_section(runs: Sequence[Run]) -> Html | None:
    """All runs and views; the first one is open."""
    results = [(run, view) for run in runs for view in run.views.values() if view.items]
    parts = [confusions(run, view, unfolded=place == 0) for place, (run, view) in enumerate(results)]
    return join(*parts) if parts else None
