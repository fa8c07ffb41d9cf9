"""A comparison as `viewloom compare` leaves it: its files, and the words for what they hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.errors import DataError
from viewloom.metrics.statistics import Interval
from viewloom.reading import parsing
from viewloom.report.expected import refuse_twice
from viewloom.report.gaps import Gap
from viewloom.report.reading import read_json
from viewloom.report.tables import FEW

if TYPE_CHECKING:
    from rich.table import Table

LEVEL = 0.05
"""Of the tests, after Holm's correction."""
RESULTS, MADE = "results.json", "made.json"
"""What was found, which repeats to the byte; and how: command, wall times."""


def read_comparison(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``results.json`` and ``made.json`` of a comparison's folder.

    Raises:
        DataError: one is not there or can't be read.
    """
    results, made = (read_json(folder / name) for name in (RESULTS, MADE))
    lacking = [name for name in ("tables", "tuning", "failed", "seeds") if name not in results]
    if lacking or "seconds" not in made:
        raise DataError(f"{folder} holds no results of `viewloom compare`. Repeat that command with --out {folder}.")
    _refuse_shown_twice(results, folder)
    return results, made


def _refuse_shown_twice(results: Mapping[str, Any], folder: Path) -> None:
    """`DataError` where a data set, a view of one or a row of a view is there twice."""
    path, remedy = folder / RESULTS, f"Repeat `viewloom compare` with --out {folder}."
    with parsing(path, remedy, what="as `viewloom compare` writes it"):
        refuse_twice([table["data"] for table in results["tables"]], "tables", path, remedy)
        for table in results["tables"]:
            refuse_twice([view["view"] for view in table["views"]], f"the table of {table['data']}", path, remedy)
            for view in table["views"]:
                where = f"the table of {table['data']}, view {view['view']},"
                refuse_twice([row["row"] for row in view["rows"]], where, path, remedy)


def mean_text(row: Mapping[str, Any], score: str) -> str:
    """``61.2 ± 1.4``, or the mean alone where there is one seed."""
    spread = row["deviation"]
    return f"{row['mean'][score]:.1f}" + (f" ± {spread[score]:.1f}" if spread else "")


def paired_text(pair: Mapping[str, Any] | None) -> str:
    """``+4.2 (1.0 to 7.5), p .012``; a dash where rows can't be paired."""
    if pair is None:
        return "–"
    return f"{pair['estimate']:+.1f} ({pair['low']:.1f} to {pair['high']:.1f}), {p_text(pair['p_holm'])}"


def p_text(p: float) -> str:
    """``p .012``, ``p < .001``, ``p 1``."""
    if p < 0.001:
        return "p < .001"
    return "p 1" if p >= 0.9995 else f"p {p:.3f}".replace(" 0.", " .")


def closed_text(gap: Mapping[str, Any]) -> str:
    """``104 % (88 to 121)``, or a dash."""
    interval = None
    if gap["low"] is not None:
        interval = Interval(gap["closed"], gap["low"], gap["high"])
    return str(Gap(gap["closed"], interval))


def clock_warning(view: Mapping[str, Any]) -> str:
    """What there is to be wary of where the clock alone comes near the best row; empty where it doesn't."""
    clock = view["clock"]
    if clock is None or not clock["near"]:
        return ""
    return (
        f"the clock alone, which sees no feature, scores F1@50 {clock['f1_50']:.1f} on {view['view']}, and the best "
        f"row ({clock['best']}) {clock['best_f1_50']:.1f}: they can't be told apart. Such scores show when actions "
        "happen, not that they are recognised."
    )


def notes(view: Mapping[str, Any]) -> list[str]:
    """What a reader of one view's rows should know."""
    found, rows = [], view["rows"]
    recordings, ends = view["recordings"], view["smallest_difference"]
    if ends is not None:
        found.append(
            f"{recordings} test recordings. Smallest difference to the best row that they show in four of five cases "
            f"(one test at 5 %, before correction): {ends['median']:.1f} points in the median row, {ends['least']:.1f} "
            f"to {ends['most']:.1f} over rows."
        )
    elif recordings < 2:
        found.append("One test recording: there are no intervals and no tests.")
    if 1 < recordings < FEW:
        found.append(f"With {recordings} recordings intervals come out too narrow.")
    tests = sum(row["against_best"] is not None for row in rows)
    least = min(1.0, tests * 2.0 ** (1 - recordings))  # the two most extreme of all ways to swap recordings
    if tests and least >= LEVEL:
        found.append(
            f"{recordings} recordings can't tell rows apart here: no p of {tests} tests comes below {least:.2g} after "
            "correction."
        )
    best = next((row for row in rows if row["best"]), None)
    alike = [row["row"] for row in rows if row["alike_best"]]
    if best is not None and not best["marked"] and alike:
        found.append(f"No row is marked: {best['row']} is the highest, but can't be told from {', '.join(alike)}.")
    found += [f"{row['row']}: {row['missing_seeds']} seed(s) are missing" for row in rows if row["missing_seeds"]]
    gaps = dict.fromkeys(row["gap_closed"]["note"] for row in rows if row["gap_closed"]["note"])
    return [*found, *gaps]


def warnings(results: Mapping[str, Any]) -> list[str]:
    """What the runs of all data sets warn of, each behind its row."""
    several = len(results["tables"]) > 1
    return [
        f"{table['data'] + ', ' if several else ''}{row}, {text}"
        for table in results["tables"]
        for row, texts in table["warnings"].items()
        for text in texts
    ]


def console_tables(results: Mapping[str, Any], made: Mapping[str, Any]) -> "list[Table]":
    """A table for each data set and view, for the console."""
    from rich.markup import escape
    from rich.table import Table

    found = []
    for of_data in results["tables"]:
        seconds = made["seconds"].get(of_data["data"], {})
        for view in of_data["views"]:
            title = f"{of_data['data']}: {view['view']}, {view['labels']}" + ", SIMULATED" * of_data["simulated"]
            table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
            for name in ("row", "head"):
                table.add_column(name, overflow="fold")
            for name in ("F1@50", "95 %", "gap closed", "less naive", "less best", "MoF", "s"):
                table.add_column(name, justify="right", no_wrap=True)
            for row in view["rows"]:
                interval = row["interval"]
                ends = "–" if interval is None else f"{interval['low']:.1f}–{interval['high']:.1f}"
                less = [
                    "–" if pair is None else f"{pair['estimate']:+.1f} {p_text(pair['p_holm'])}" for pair in _pairs(row)
                ]
                cells = [row["title"], row["head"], mean_text(row, "f1_50"), ends, closed_text(row["gap_closed"])]
                cells += [less[0], "best" if row["best"] else less[1], mean_text(row, "mof")]
                cells.append(f"{seconds.get(row['row'], 0.0):.0f}")
                table.add_row(*map(escape, cells), style="bold" if row["marked"] else None)
            warning = clock_warning(view)
            table.caption = "\n".join(map(escape, ([f"WARNING: {warning}"] if warning else []) + notes(view)))
            table.caption_justify = "left"
            found.append(table)
    return found


def _pairs(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["against_naive"], row["against_best"]
