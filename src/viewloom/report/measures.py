"""Agreement of views (``measures.json`` of `viewloom measure`), as tables for the console and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import DataError
from viewloom.report.formats import fixed
from viewloom.report.reading import read_json

if TYPE_CHECKING:
    from rich.table import Table

FILE = "measures.json"
NEEDED = ("name", "split", "views", "fps", "features", "learned", "heads", "simulated")
CHANCE = "chance"


@dataclass(frozen=True)
class Column:
    """A measure in the table of pairs: its name in the file, its heading and unit, decimals, and what blind guesses
    give: the name of that in the file, a number, or None where there is no such figure."""

    name: str
    title: str
    unit: str
    digits: int
    chance: str | float | None


COLUMNS = (
    Column("retrieval", "found", "%", 1, "retrieval_chance"),
    Column("recall_1", "recall@1", "%", 1, "recall_chance"),
    Column("map_10", "mAP@10", "%", 1, None),
    Column("tau", "tau", "", 2, 0.0),
    Column("tau_other", "tau else", "", 2, None),
    Column("error_median_frames", "error", "frames", 0, None),
    Column("error_mean_frames", "mean", "frames", 1, "error_chance_frames"),
    Column("warping_mean_frames", "warped", "frames", 1, None),
    Column("cka", "CKA", "", 2, 0.0),
    Column("view_probe", "view told", "%", 1, 50.0),
)
MATRICES = (
    ("balanced_accuracy", "Linear probe, balanced accuracy in percent", 1, "balanced_chance"),
    ("accuracy", "Linear probe, accuracy in percent", 1, "majority"),
    ("segment_progress", "Progress of the segment, R²", 2, None),
    ("item_progress", "Progress of the item, R²", 2, None),
)
HEADS = (("f1_50", "Heads, F1@50 in percent"), ("mof", "Heads, MoF in percent"))
ABOUT = (
    "found (percent): nearest neighbour in the other view at most 2 steps from the same moment; recall@1, mAP@10 "
    "(percent): by label, in other recordings; tau: order of neighbours in the same recording, and elsewhere; error "
    "(frames): from the true moment, of nearest neighbours (median, mean), by warping (mean); CKA: unbiased; view told "
    "(percent): balanced accuracy of a linear probe of the view."
)


@dataclass(frozen=True)
class Line:
    """A line of a table: its heading (empty where it is that of the line before), the kind of features, its cells; and
    of each the share from 0 to 1 that colours it, None for none."""

    head: str
    kind: str
    cells: list[str]
    shares: list[float | None]


@dataclass(frozen=True)
class Matrix:
    """Train views down, test views across."""

    title: str
    columns: Sequence[str]
    lines: list[Line]


def read_measures(path: Path) -> dict[str, Any]:
    """``measures.json``; `DataError` naming what it lacks."""
    value = read_json(path)
    lacking = [name for name in NEEDED if name not in value]
    if lacking:
        raise DataError(f"{path} lacks {lacking[0]!r}. Run `viewloom measure` again with --overwrite true.")
    try:
        shown = pair_lines(value), matrices(value), notes(value)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, StopIteration, OverflowError) as error:
        raise DataError(
            f"{path} is not as `viewloom measure` writes it ({error!r}). Run it again with --overwrite true."
        ) from None
    assert shown
    return value


def pair_lines(facts: Mapping[str, Any], columns: Sequence[Column] = COLUMNS) -> list[Line]:
    """Each ordered pair of views: plain features, refined ones, and chance."""
    features, found = facts["features"], []
    for pair in dict.fromkeys(pair for of in features.values() for pair in of["pairs"]):
        having = {kind: of["pairs"][pair] for kind, of in features.items() if pair in of["pairs"]}
        last = next(reversed(having.values()))
        blind = [last.get(c.chance) if isinstance(c.chance, str) else c.chance for c in columns]
        rows = {kind: [values.get(c.name) for c in columns] for kind, values in having.items()} | {CHANCE: blind}
        for kind, values in rows.items():
            head = pair.replace(">", " > ") if kind == next(iter(rows)) else ""
            cells = [fixed(value, c.digits) for value, c in zip(values, columns, strict=True)]
            found.append(Line(head, _kind(facts, kind), cells, [None] * len(cells)))
    return found


def _kind(facts: Mapping[str, Any], kind: str) -> str:
    """What a kind of features is called: refined ones by their name."""
    return str(facts["name"]) if kind == "refined" else kind


def matrices(facts: Mapping[str, Any]) -> list[Matrix]:
    """Of probes, and of the heads that were scored, train view by test view."""
    views, found = facts["views"], []
    for name, title, digits, chance in MATRICES:
        of_kinds = {kind: of["probe"].get(name, {}) for kind, of in facts["features"].items()}
        lines = [line for train in views for line in _train_lines(facts, of_kinds, train, digits)]
        if lines and chance is not None:
            blind = next(reversed(facts["features"].values()))["probe"][chance]
            cells, _ = _cells(next(iter(blind.values())), views, digits)
            lines.append(Line(CHANCE, "", cells, [None] * len(views)))
        if lines:
            found.append(Matrix(title, views, lines))
    for name, title in HEADS if facts["heads"] else ():
        heads = [(head, {view: scores[name] for view, scores in head["scores"].items()}) for head in facts["heads"]]
        lines = [Line(f"from {', '.join(h['from'])}", h["name"], *_cells(of, views, 1)) for h, of in heads]
        found.append(Matrix(title, views, lines))
    return found


def _train_lines(
    facts: Mapping[str, Any], of_kinds: Mapping[str, Mapping[str, Any]], train: str, digits: int
) -> list[Line]:
    """The lines of a training view, one a kind of features."""
    kinds = [kind for kind, of in of_kinds.items() if train in of]
    heads = [f"from {train}", *[""] * len(kinds)]
    return [
        Line(head, _kind(facts, kind), *_cells(of_kinds[kind][train], facts["views"], digits))
        for head, kind in zip(heads, kinds, strict=False)
    ]


def _cells(
    values: Mapping[str, float | None], views: Sequence[str], digits: int
) -> tuple[list[str], list[float | None]]:
    """Figures of each view, percent with one decimal and R^2 with two, and what colours them."""
    each, scale = [values.get(view) for view in views], 100.0 if digits == 1 else 1.0
    shares = [None if value is None else min(1.0, max(0.0, value / scale)) for value in each]
    return [fixed(value, digits) for value in each], shares


def measures_tables(facts: Mapping[str, Any]) -> list["Table"]:
    """Tables for the console: measures of pairs of views, then matrices."""
    from rich.text import Text

    simulated = ", SIMULATED features" * bool(facts["simulated"])
    marks = f", LEARNED FROM {_learned(facts)} of the recordings" if _learned(facts) else ""
    lines = pair_lines(facts)
    shown = [c for place, c in enumerate(COLUMNS) if any(line.cells[place] != "–" for line in lines)]
    title = f"Agreement of views, {facts['split']} items{marks}{simulated}"
    pairs = _table(title, [c.title for c in shown])
    for line, following in zip(pair_lines(facts, shown), [*lines[1:], None], strict=True):
        pairs.add_row(Text(line.head), Text(line.kind), *line.cells, end_section=bool(following and following.head))
    pairs.caption, pairs.caption_justify = Text(ABOUT), "left"
    found = [pairs]
    for matrix in matrices(facts):
        found.append(_table(matrix.title, [f"on {view}" for view in matrix.columns]))
        for line in matrix.lines:
            found[-1].add_row(Text(line.head), Text(line.kind), *line.cells)
    return found


def _learned(facts: Mapping[str, Any]) -> int:
    """Measured recordings that the refiner learned from."""
    return len({name for names in facts["learned"].values() for name in names})


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("", "features"):
        table.add_column(name, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def notes(facts: Mapping[str, Any]) -> list[str]:
    """What a reader should be wary of."""
    learned = "; ".join(f"{role}: {len(names)}" for role, names in facts["learned"].items())
    return [f"its measures of views are of recordings that it learned from ({learned})"] if learned else []
