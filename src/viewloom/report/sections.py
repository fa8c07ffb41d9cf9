"""The parts of the page: scores, timelines, confusions, classes, items, provenance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from viewloom.metrics.per_class import confusion_matrix, most_confused
from viewloom.report.markup import Html, fixed, join, tag
from viewloom.report.runs import Run, ViewResult
from viewloom.report.tables import COLUMNS, ScoreRow
from viewloom.report.timelines import action_colours, item_figure

MOST_CONFUSED = 12


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], text_columns: int = 1, sortable: bool = False) -> Html:
    """A table whose first columns are text and whose others are numbers, aligned right."""

    def cell(name: str, place: int, value: Any) -> Html:
        shown = fixed(value) if isinstance(value, float) else value
        return tag(name, shown, class_=None if place < text_columns else "number")

    header = tag("tr", *(cell("th", i, name) for i, name in enumerate(head)))
    body = [tag("tr", *(cell("td", i, value) for i, value in enumerate(row))) for row in rows]
    made = tag("table", tag("thead", header), tag("tbody", *body), class_="sortable" if sortable else None)
    return tag("div", made, class_="scroll")


def scores(rows: Sequence[ScoreRow]) -> Html:
    """The table of scores with intervals and the gap closed."""
    gaps = any(row.gap is not None for row in rows)
    head = ["run", "labels from", "scored on", *COLUMNS.values(), "F1@50, 95 %"] + ["gap closed"] * gaps
    body = [
        [
            row.row,
            row.trained,
            tag("span", row.tested, tag("small", f" {row.kind}"), class_=f"view {row.kind}"),
            *(float(row.scores[name]) for name in COLUMNS),
            f"{fixed(row.f1_50.low)} to {fixed(row.f1_50.high)}" if row.f1_50 else "–",
            *([f"{fixed(row.gap, 0)} %" if row.gap is not None else "–"] if gaps else []),
        ]
        for row in rows
    ]
    note = "Percent. Intervals: whole recordings drawn anew 2000 times; too narrow below about twenty recordings."
    if gaps:
        note += " Gap closed: (run − naive) / (oracle − naive) of F1@50 on that view."
    return join(table(head, body, 3), tag("p", note, class_="note"))


def timelines(runs: Sequence[Run], most: int) -> Html:
    """Strips of the best, median and worst items first, then of others up to ``most``; and the colours' key."""
    colours = action_colours(runs)
    views = list(dict.fromkeys(view for run in runs for view in run.views))
    key = [tag("span", tag("i", style=f"background:{c}"), runs[0].actions[a], class_="key") for a, c in colours.items()]
    picked = picked_items(runs, most)
    total = len({item for run in runs for view in run.views.values() for item in view.items})
    figures = [item_figure(runs, item, views, colours, note) for item, note in picked.items()]
    rule = f"{len(picked)} of {total} items: best, median and worst F1@50 of the first run's first view, then in order."
    legend = tag("details", tag("summary", f"Colours of {len(key)} actions"), tag("div", *key, class_="legend"))
    return join(tag("p", rule, class_="note"), legend, *figures)


def picked_items(runs: Sequence[Run], most: int) -> dict[str, str]:
    """Items to show, in order, with a word on why: best, median and worst of the first run's first view."""
    view = next((v for run in runs for v in run.views.values() if v.items), None)
    if view is None:
        return {}
    ranked = sorted(view.per_item, key=lambda row: (-row["f1_50"], row["item"]))
    notable = {
        ranked[0]["item"]: "best",
        ranked[len(ranked) // 2]["item"]: "median",
        ranked[-1]["item"]: "worst",
    }
    notes = {
        name: f"{why}: F1@50 {fixed(next(r['f1_50'] for r in ranked if r['item'] == name))} in {view.name}"
        for name, why in notable.items()
    }
    others = [item for item in view.items if item not in notes]
    return {name: notes.get(name, "") for name in [*notes, *others][:most]}


def confusions(run: Run, view: ViewResult) -> Html | None:
    """The most confused pairs of actions, and a heat map of the actions in them."""
    if not view.items:
        return None
    confusion = confusion_matrix(view.labels("prediction"), view.labels("truth"), len(run.actions))
    pairs = most_confused(confusion, run.actions, MOST_CONFUSED)
    if not pairs:
        return tag("p", "No frame is confused.")
    rows = [[true, predicted, frames, f"{frames / run.fps:.0f} s"] for true, predicted, frames in pairs]
    ids = [run.actions.index(name) for name in dict.fromkeys(name for pair in pairs for name in pair[:2])]
    listed = table(["true", "taken for", "frames", "time"], rows, 2)
    return tag("div", heat_map(confusion[np.ix_(ids, ids)], [run.actions[i] for i in ids]), listed, class_="pair")


def heat_map(confusion: Any, names: Sequence[str]) -> Html:
    """Rows: true action, as shares of the row; columns: predicted action."""
    size, left, top = 20, 150, 100
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    width, height = left + size * len(names) + 60, top + size * len(names) + 6
    cells = [
        tag(
            "g",
            tag(
                "rect",
                x=left + j * size,
                y=top + i * size,
                width=size - 1,
                height=size - 1,
                class_="heat",
                fill_opacity=f"{0.06 + 0.94 * shares[i, j]:.2f}",
            ),
            tag("title", f"{names[i]} taken for {names[j]}: {100 * shares[i, j]:.0f} % of the frames shown here"),
        )
        for i in range(len(names))
        for j in range(len(names))
    ]
    words = [
        tag("text", short(name), x=left - 5, y=top + i * size + 14, text_anchor="end") for i, name in enumerate(names)
    ]
    words += [
        tag(
            "text",
            short(name),
            transform=f"translate({left + j * size + 13},{top - 6}) rotate(-50)",
        )
        for j, name in enumerate(names)
    ]
    return tag(
        "svg",
        *cells,
        *words,
        viewBox=f"0 0 {width} {height}",
        width=width,
        role="img",
        aria_label="confusion of the most confused actions: rows are true, columns predicted",
    )


def short(name: str, most: int = 22) -> str:
    """A name cut to fit."""
    return name if len(name) <= most else name[: most - 1] + "…"


def classes(view: ViewResult) -> Html:
    """Scores of each class, sortable."""
    head = ["action", "segments", "frames", "precision", "recall", "F1@50", "frames right"]
    keys = ("action", "segments", "frames", "precision", "recall", "f1_50", "mof")
    return table(head, [[row[key] for key in keys] for row in view.per_class], 1, sortable=True)


def items(view: ViewResult) -> Html:
    """Scores of each item, sortable."""
    keys = ("item", "frames", "edit", "f1_10", "f1_25", "f1_50", "mof")
    head = ["item", "frames", *(COLUMNS[key] for key in keys[2:])]
    return table(head, [[row[key] for key in keys] for row in view.per_item], 1, sortable=True)


def provenance(run: Run) -> Html:
    """Environment and settings, folded."""
    facts = [[name, str(value)] for name, value in run.environment.items() if name != "warnings"]
    return tag(
        "details",
        tag("summary", f"{run.row} — {run.folder.name}"),
        table(["", ""], facts, 2) if facts else tag("p", "No environment.json."),
        tag("pre", run.config) if run.config else None,
    )
