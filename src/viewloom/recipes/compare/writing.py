"""A comparison's table as Markdown, CSV and LaTeX, from the plain data of ``results.json``."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from viewloom.metrics.segmentation import NAMES, TITLES
from viewloom.recipes.compare.running import spoken
from viewloom.report.comparison import clock_warning, closed_text, mean_text, notes, paired_text, warnings

MARK = "<!-- written by viewloom compare -->"
"""First line of every page this writes; a file without it is never replaced."""
OTHERS = ("edit", "f1_10", "f1_25", "mof")
Seconds = Mapping[str, Mapping[str, float]]
"""{data set: {row: seconds of a seed}}"""


def markdown(results: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """The page: how it came about, tuning, a table for each data set and view, and what one needs to read them."""
    lines = [MARK, "# Comparison", "", *(f"- {line}" for line in _facts(results, made)), ""]
    lines += _tuning(results)
    for table in results["tables"]:
        for view in table["views"]:
            lines += [f"## {table['data']}: {view['view']} ({view['kind']}, {view['labels']})", ""]
            warning = clock_warning(view)
            lines += [f"**WARNING: {warning}**", ""] if warning else []
            lines += [*_view(view, made["seconds"].get(table["data"], {})), ""]
            lines += [*(f"- {line}" for line in notes(view)), ""]
    if len(results["tables"]) > 1:
        lines += _over_data(results)
    return "\n".join([*lines, *_reading(results)]) + "\n"


def _facts(results: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    simulated = [table["data"] for table in results["tables"] if table["simulated"]]
    decided = dict(results["settings"].get("evaluate") or {})
    return [
        f"command: `{made['command']}`",
        f"seeds: {', '.join(map(str, results['seeds']))}",
        *([f"decoding: {decided['decoding']}"] if decided.get("decoding", "argmax") != "argmax" else []),
        f"viewloom: {results['viewloom']}",
        *([f"simulated, so figures say nothing about real video: {', '.join(simulated)}"] if simulated else []),
    ]


def _tuning(results: Mapping[str, Any]) -> list[str]:
    """The budget, and what was chosen."""
    if not results["tuning"]:
        return ["Tuning: none; every method has its stated settings.", ""]
    found = [f"Tuning: {results['tuning']['budget']}", ""]
    return [*found, *(f"- {line}" for line in results["tuning"]["lines"]), ""]


def _view(view: Mapping[str, Any], seconds: Mapping[str, float]) -> list[str]:
    """The table of one view."""
    heads = ["row", "head", "F1@50", "95 %", "gap closed", "less naive", "less best"]
    heads += [*(TITLES[name] for name in OTHERS), "time a seed"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---|" * (len(heads) - 2)]
    for row in view["rows"]:
        cells = [f"**{row['title']}**" if row["marked"] else row["title"], row["head"] or "–"]
        score = mean_text(row, "f1_50")
        cells += [f"**{score}**" if row["marked"] else score, _ends(row["interval"]), closed_text(row["gap_closed"])]
        cells += [paired_text(row["against_naive"]), "best" if row["best"] else paired_text(row["against_best"])]
        cells += [mean_text(row, name) for name in OTHERS] + [spoken(seconds.get(row["row"], 0.0))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _ends(interval: Mapping[str, float] | None) -> str:
    return "–" if interval is None else f"{interval['low']:.1f} to {interval['high']:.1f}"


def _over_data(results: Mapping[str, Any]) -> list[str]:
    """Each row's mean over data sets and unlabelled views, where it stands on all of them."""
    found: dict[str, list[float]] = {}
    views = [view for table in results["tables"] for view in table["views"] if view["labels"] == "unlabelled"]
    for view in views:
        for row in view["rows"]:
            found.setdefault(row["row"], []).append(row["mean"]["f1_50"])
    lines = ["## Over the data sets", "", "F1@50, mean over unlabelled views:", "", "| row | F1@50 |", "|---|---|"]
    whole = {row: fmean(scores) for row, scores in found.items() if len(scores) == len(views)}
    return [*lines, *(f"| {row} | {score:.1f} |" for row, score in whole.items()), ""]


def _reading(results: Mapping[str, Any]) -> list[str]:
    """What one needs to read the tables, and what did not finish."""
    lines = [
        "Percent; mean ± standard deviation over seeds. 95 %: interval of the mean over other recordings under these "
        "trained seeds; the same recordings are drawn for every row.",
        "Less naive, less best: difference of F1@50 to the naive row of the same head and to the best method, its 95 % "
        "interval, and p of a paired swap test over recordings after Holm's correction for the rows of the view.",
        "Bold: a best row that the tests tell from every other method. Oracles have labels of the view; controls and "
        "oracles are never the best.",
        "Time a seed: of all its runs on one thread, over the attempts that came to an end; a refiner that rows share "
        "counts in each.",
    ]
    lines += [f"Warning: {text}" for text in warnings(results)]
    lines += [f"{run} did not finish: {why}" for run, why in results["failed"].items()]
    return [f"- {line}" for line in lines]


def csv_table(results: Mapping[str, Any], made: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of the CSV file: everything, unrounded."""
    names = [*NAMES, "total"]
    columns = ["data", "view", "labels", "row", "method", "head", "student", "role", "seeds"]
    columns += [column for name in names for column in (name, f"{name}_deviation")]
    columns += ["f1_50_low", "f1_50_high", "gap_closed", "gap_low", "gap_high"]
    paired = ("estimate", "low", "high", "p", "p_holm", "smallest")
    columns += [f"{name}_{what}" for name in ("naive", "best") for what in paired] + ["best", "marked", "seconds"]
    lines: list[list[Any]] = []
    for table in results["tables"]:
        for view in table["views"]:
            for row in view["rows"]:
                line = [table["data"], view["view"], view["labels"], row["row"], row["method"], row["head"]]
                line += [row["student"], row["role"], len(row["seeds"])]
                for name in names:
                    line += [row["mean"][name], row["deviation"] and row["deviation"][name]]
                interval, gap = row["interval"] or {}, row["gap_closed"]
                line += [interval.get("low"), interval.get("high"), gap["closed"], gap["low"], gap["high"]]
                for name in ("against_naive", "against_best"):
                    line += [(row[name] or {}).get(what) for what in paired]
                seconds = made["seconds"].get(table["data"], {}).get(row["row"])
                lines.append([*line, row["best"], row["marked"], seconds])
    return columns, lines


LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "–": "--", "−": "$-$"}
LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def latex(results: Mapping[str, Any]) -> str:
    """A tabular for each data set and view; it needs no package."""
    parts = []
    for table in results["tables"]:
        for view in table["views"]:
            lines = [f"% {table['data']}: {view['view']} ({view['labels']})", r"\begin{tabular}{llrrrrr}", r"\hline"]
            lines += [_latex_line(["row", "head", "F1@50", "95 %", "gap closed", "Edit", "MoF"]), r"\hline"]
            for row in view["rows"]:
                score = _latex(mean_text(row, "f1_50"))
                cells = [row["title"], row["head"] or "–", None, _ends(row["interval"]), closed_text(row["gap_closed"])]
                cells += [mean_text(row, "edit"), mean_text(row, "mof")]
                texts = [score if cell is None else _latex(cell) for cell in cells]
                if row["marked"]:
                    texts = [rf"\textbf{{{text}}}" if place in (0, 2) else text for place, text in enumerate(texts)]
                lines.append(" & ".join(texts) + r" \\")
            parts.append("\n".join([*lines, r"\hline", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(LATEX.get(sign, sign) for sign in text)
