"""The parts of the page that are tables: scores, classes, items, provenance; and what to be wary of."""

from collections.abc import Mapping, Sequence
from typing import Any

from viewloom.report.curves import nice_marks
from viewloom.report.gaps import Footnotes
from viewloom.report.markup import Child, Html, fixed, join, table, tag
from viewloom.report.picking import Pick
from viewloom.report.runs import Run, ViewResult
from viewloom.report.tables import COLUMNS, FEW, ScoreRow, shows_gaps

LEVEL = 0.05
"""Differences of a lower p are set in bold."""

WHISKER = 150
"""Width of the drawing of an interval."""


def cautions(runs: Sequence[Run]) -> Html | None:
    """What each run warns of, and in what the runs don't compare."""
    said = [(run.row, note) for run in runs for note in run.notes]
    said += [("all", note) for note in unlike(runs)]
    if not said:
        return None
    lines = [tag("li", tag("b", row), f": {note}", class_="loud" if "COLLAPSE" in note else None) for row, note in said]
    return tag("aside", tag("h2", "Before you read on"), tag("ul", *lines), class_="cautions", role="note")


def unlike(runs: Sequence[Run]) -> list[str]:
    """In what runs differ that should agree: protocol, split, items of a view, truth."""
    scored = [run for run in runs if run.metrics is not None]
    found = []
    for what in ("protocol", "split"):
        values = list(dict.fromkeys(str(getattr(run.scored, what)) for run in scored))
        names = ", ".join(values)
        if len(values) > 1:
            found.append(f"the runs were scored with different {what}s ({names}): their figures don't compare")
    if len({run.simulated for run in scored}) > 1:
        found.append("some runs are of simulated features and some are not: their figures don't compare")
    for view in dict.fromkeys(name for run in scored for name in run.views):
        having = [run.views[view] for run in scored if view in run.views]
        items = {frozenset(row["item"] for row in result.per_item) for result in having}
        if len(items) > 1:
            found.append(f"the runs were scored on different items of {view}: their figures don't compare")
        truths = _differing_truth([result for result in having if result.items])
        if truths:
            found.append(f"the runs disagree on the truth of {truths} in {view}; the longest one is shown")
    return found


def _differing_truth(results: Sequence[ViewResult]) -> str | None:
    """The first item whose truth isn't the same in all results."""
    first: dict[str, Any] = {}
    for result in results:
        for name, item in result.items.items():
            truth = (item.start, item.end, item.truth.rows_S3.tolist())
            if first.setdefault(name, truth) != truth:
                return name
    return None


def scores(rows: Sequence[ScoreRow], reference: str | None) -> Html:
    """The table of scores: view by view, with intervals, the gap closed and the difference to the reference."""
    gaps, compared, notes = shows_gaps(rows), any(row.difference for row in rows), Footnotes()
    highest = max([row.f1_50.high for row in rows if row.f1_50] + [row.view.scores["f1_50"] for row in rows])
    top = min(100.0, nice_marks(0.0, max(highest, 1.0), 5)[-1])
    head: list[Child] = ["run", "labels from", *list(COLUMNS.values())[:4], f"F1@50, 95 % interval, 0 to {top:g}"]
    head += ["MoF", "Total"] + ["gap closed"] * gaps + [f"F1@50 less {reference}"] * compared
    bodies = [
        _view_body([row for row in rows if row.view.name == view], len(head), top, gaps, compared, notes)
        for view in dict.fromkeys(row.view.name for row in rows)
    ]
    header = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    made = tag("table", header, *bodies, class_="text2 scores")
    wide = tag("div", made, class_="scroll", tabindex="0", role="region", aria_label="table of scores")
    said = [*_score_notes(rows, gaps, reference if compared else None), *notes.lines()]
    return join(wide, *(tag("p", note, class_="note") for note in said))


def _view_body(
    rows: Sequence[ScoreRow], columns: int, top: float, gaps: bool, compared: bool, notes: Footnotes
) -> Html:
    view = rows[0].view
    count, recordings = len(view.per_item), len({row["recording"] for row in view.per_item})
    facts = f" {view.kind} · {count} items of {recordings} recordings"
    title = tag(
        "tr", tag("th", "scored on ", tag("b", view.name), tag("small", facts), colspan=columns, scope="rowgroup")
    )
    best = {name: max(row.view.scores[name] for row in rows) for name in COLUMNS} if len(rows) > 1 else {}
    return tag("tbody", title, *(_score_row(row, best, top, gaps, compared, notes) for row in rows))


def _score_row(
    row: ScoreRow, best: Mapping[str, float], top: float, gaps: bool, compared: bool, notes: Footnotes
) -> Html:
    values = {
        name: tag("td", fixed(value), class_="best" if best.get(name) == value else None)
        for name, value in row.view.scores.items()
        if name in COLUMNS
    }
    cells = [tag("th", f"{row.run.row}{notes.mark(row.run.learned)}", scope="row"), tag("td", row.trained)]
    cells += [values[name] for name in ("edit", "f1_10", "f1_25", "f1_50")]
    cells += [tag("td", whisker(row, top, notes.mark(row.why)), class_="interval"), values["mof"], values["total"]]
    if gaps:
        cells.append(tag("td", str(row.gap_closed) + notes.mark(row.gap_closed.why)))
    if compared:
        cells.append(tag("td", _difference(row)))
    return tag("tr", *cells)


def _difference(row: ScoreRow) -> Child:
    """The difference to the reference with its interval; bold where it is clear of chance."""
    if row.difference is None:
        return "–"
    sign = "+" if row.difference.estimate > 0 else ""
    text = sign + fixed(row.difference.estimate)
    clear = (row.difference.low > 0 or row.difference.high < 0) and row.difference.p < LEVEL
    ends = f" {fixed(row.difference.low)} to {fixed(row.difference.high)}"
    return join(tag("b", text) if clear else text, tag("small", ends))


def whisker(row: ScoreRow, top: float, mark: str = "") -> Html:
    """F1@50 as a dot and its interval as a line, on the scale that all rows share; then the interval in figures, or a
    dash with the mark of why there is none."""

    def at(value: float) -> str:
        return f"{4 + value / top * (WHISKER - 8):.1f}"

    centre = row.view.scores["f1_50"]
    parts = [tag("line", x1=4, x2=WHISKER - 4, y1=9, y2=9, class_="rail")]
    if row.f1_50:
        parts.append(tag("line", x1=at(row.f1_50.low), x2=at(row.f1_50.high), y1=9, y2=9, class_="range"))
    parts.append(tag("circle", cx=at(centre), cy=9, r=4, class_="centre"))
    svg = tag("svg", *parts, viewBox=f"0 0 {WHISKER} 18", width=WHISKER, height=18, aria_hidden="true")
    ends = f"{fixed(row.f1_50.low)} to {fixed(row.f1_50.high)}" if row.f1_50 else f"–{mark}"
    return join(svg, tag("small", ends))


def _score_notes(rows: Sequence[ScoreRow], gaps: bool, reference: str | None) -> list[str]:
    """How to read the table."""
    notes = ["All figures in percent; bold: the highest of a view. Total: the sum of the five scores."]
    fewest = min((len(set(row.view.clusters)) for row in rows if row.f1_50), default=0)
    if fewest:
        notes.append(
            "Intervals: recordings drawn anew, scores pooled in each draw. They speak of other recordings under the "
            "same trained model, not of other seeds."
            + (f" With {fewest} recordings they come out too narrow." if fewest < FEW else "")
        )
    if gaps:
        notes.append(
            "Gap closed: (run − naive) / (oracle − naive) of F1@50. The naive run has no labels of the view, the "
            "oracle learned from them. In brackets: its 95 % interval, the same recordings drawn for all three."
        )
    if reference:
        notes.append(
            f"Differences to {reference} are paired by recording, with their 95 % interval; bold: it leaves out "
            f"zero, and swapping the two runs' results at random gives p < {LEVEL}."
        )
    return notes


def columns_of(runs: Sequence[Run]) -> list[tuple[Run, ViewResult]]:
    """All results, run by run."""
    return [(run, view) for run in runs for view in run.views.values()]


def classes(runs: Sequence[Run]) -> Html:
    """F1@50 of every action side by side, then all scores of each run and view, folded."""
    results = columns_of(runs)
    known = [{row["action"]: row for row in view.per_class} for _, view in results]
    order = [action for action in runs[0].scored.actions if any(action in rows for rows in known)]
    head: list[Child] = ["action", "segments", "seconds", *map(column_name, results)]
    fps = runs[0].scored.fps
    body = []
    for action in order:
        first = next(rows[action] for rows in known if action in rows)
        shares = [heat(rows[action]["f1_50"] if action in rows else None) for rows in known]
        body.append([action, first["segments"], first["frames"] / fps, *shares])
    keys = ("action", "segments", "frames", "precision", "recall", "f1_50", "mof")
    names = ("action", "segments", "frames", "precision", "recall", "F1@50", "frames right")
    note = "F1@50, percent, by run and view; press a heading to sort. Segments and seconds are those of the truth."
    folded = [_folded(run, view, names, keys, view.per_class) for run, view in results]
    return join(tag("p", note, class_="note"), table(head, body, sortable=True), *folded)


def items(runs: Sequence[Run], picked: Sequence[Pick]) -> Html:
    """F1@50 of every item side by side, linked to its timeline; then all scores, folded."""
    results = columns_of(runs)
    known = [{row["item"]: row for row in view.per_item} for _, view in results]
    ranks = {one.item: one.rank for one in picked}
    head: list[Child] = ["item", "recording", "seconds", *map(column_name, results)]
    fps = runs[0].scored.fps
    body = []
    for name in dict.fromkeys(item for rows in known for item in rows):
        first = next(rows[name] for rows in known if name in rows)
        shares = [heat(rows[name]["f1_50"] if name in rows else None) for rows in known]
        link = tag("a", name, href=f"#item-{ranks[name]}") if name in ranks else name
        body.append([link, first["recording"], first["frames"] / fps, *shares])
    keys = ("item", "frames", *list(COLUMNS)[:-1])
    names = ("item", "frames", *list(COLUMNS.values())[:-1])
    note = "F1@50, percent, by run and view; press a heading to sort, a name to see its timeline."
    folded = [_folded(run, view, names, keys, view.per_item) for run, view in results]
    return join(tag("p", note, class_="note"), table(head, body, 2, sortable=True), *folded)


def column_name(result: tuple[Run, ViewResult]) -> Html:
    """Head of a column about one run and view."""
    return join(result[0].row, tag("small", f" {result[1].name}"))


def heat(value: float | None) -> Html:
    """A figure from 0 to 100, on a ground the stronger the higher it is."""
    return tag("span", fixed(value), class_="heat", style=None if value is None else f"--s:{value:.0f}%")


def _folded(
    run: Run, view: ViewResult, head: Sequence[str], keys: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Html:
    return tag(
        "details",
        tag("summary", tag("b", f"{run.row} on {view.name}"), ": all scores"),
        table(head, [[row[key] for key in keys] for row in rows], sortable=True),
    )


def provenance(run: Run) -> Html:
    """Environment and settings of a run, folded."""
    facts = [
        [name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)]
        for name, value in run.environment.items()
        if name != "warnings" and value is not None
    ]
    return tag(
        "details",
        tag("summary", tag("b", run.row), f": {run.folder.name}"),
        tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in facts)) if facts else None,
        tag("pre", run.config.rstrip(), tabindex="0") if run.config else None,
        tag("p", "Neither environment.json nor config.yaml is there.") if not (facts or run.config) else None,
    )
