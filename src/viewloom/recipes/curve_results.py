"""The results of a curve: means over seeds with intervals over recordings, as data, table and picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.errors import DataError
from viewloom.files import write_json, write_text
from viewloom.identity import settings_of
from viewloom.metrics.segmentation import NAMES, TITLES
from viewloom.metrics.statistics import Interval, mean_interval, spread
from viewloom.recipes.results import command
from viewloom.recipes.settings import CurveConfig
from viewloom.report.curve_picture import save_curve
from viewloom.report.runs import Run, load_run
from viewloom.training.auto import FILE
from viewloom.training.runs import read_json
from viewloom.version import __version__

MARK = "<!-- written by viewloom curve -->"
"""First line of every page this writes; a file without it is never replaced."""
PICTURE = ".png"
"""Suffix of the picture beside a page."""
AXES = {
    "pairs": "pair recordings, percent of all",
    "labels": "labelled training recordings, percent of all",
    "offset": "frames by which the second view of the pairs is late",
    "views": "views in the pairs",
}


@dataclass(frozen=True)
class Curve:
    """A curve: its settings, its data, the folder of its results, and what did not finish."""

    config: CurveConfig
    dataset: MultiViewDataset
    folder: Path
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Scored:
    """A scored head.

    Attributes:
        role: method, naive or oracle.
        asked: its point as it was asked for.
        value: where that really lies.
        learned: recordings that the point has of those that there are.
        seed: of everything.
        folder: of its run.
        refiner: of its refiner's run; None without one.
    """

    role: str
    asked: float
    value: float
    learned: tuple[int, int]
    seed: int
    folder: Path
    refiner: Path | None = None

    @property
    def chosen(self) -> dict[str, str] | None:
        """What ``--method auto`` took on the point's pairs, and why; None where the method was named."""
        if self.refiner is None or not (self.refiner / FILE).exists():
            return None
        found = read_json(self.refiner / FILE)
        return {name: found[name] for name in ("chosen", "why")}

    @property
    def warnings(self) -> list[str]:
        """What its refiner's run warns of."""
        return [] if self.refiner is None else list(read_json(self.refiner / "invariance.json")["warnings"])


def write_curve(curve: Curve, scored: Sequence[Scored]) -> str:
    """Write ``results.json``, ``table.md`` and ``curve.png`` into the folder, and the page; returns what to show."""
    lines = lines_of(curve.config, scored)
    if not lines:
        raise DataError(f"No run of the curve finished. {'; '.join(curve.failed.values())}")
    facts = {"command": command(), "data": curve.dataset.name, "simulated": curve.dataset.simulated}
    data = settings_of(curve.config) | facts | {"viewloom": __version__, "lines": lines, "failed": dict(curve.failed)}
    write_json(curve.folder / "results.json", json.loads(json.dumps(data)))
    text, axis, score = table_lines(curve, lines), AXES[curve.config.kind], curve.config.score
    for page, picture in _pages(curve):
        link = f"![{axis}]({quote(picture.name)})"
        write_text(page, "\n".join([MARK, *text[:2], link, *text[1:], ""]))
        save_curve(picture, lines, curve.config.names[:2], axis, TITLES[score], score)
    return "\n".join([*text, "", str(curve.folder / "curve.png")])


def _pages(curve: Curve) -> list[tuple[Path, Path]]:
    """Each page with its picture: those of the folder, and those that ``--docs`` asks for."""
    found = [(curve.folder / "table.md", curve.folder / "curve.png")]
    docs = curve.config.docs
    return found if docs is None else [*found, (Path(docs), Path(docs).with_suffix(PICTURE))]


def lines_of(config: CurveConfig, scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """A line a role, point and view: every score's mean over seeds, deviation and interval over recordings."""
    found = []
    for role, value in dict.fromkeys((one.role, one.value) for one in sorted(scored, key=_order)):
        mine = [one for one in scored if (one.role, one.value) == (role, value)]
        runs = {one.seed: load_run(one.folder) for one in mine}
        notes = {note for run in runs.values() for note in run.notes} | {said for one in mine for said in one.warnings}
        chosen = {str(one.seed): choice for one in mine if (choice := one.chosen)}
        for view in next(iter(runs.values())).views:
            scores = {name: summary([run.views[view].scores[name] for run in runs.values()]) for name in NAMES}
            interval = interval_of(list(runs.values()), view, config.score)
            found.append(
                {
                    "role": role,
                    "asked": mine[0].asked,
                    "value": value,
                    "recordings": list(mine[0].learned) if mine[0].learned[1] else None,
                    "view": view,
                    "chosen": chosen or None,
                    "seeds": {str(seed): run.views[view].scores for seed, run in runs.items()},
                    "scores": scores,
                    "interval": None if interval is None else {"low": interval.low, "high": interval.high},
                    "notes": sorted(notes),
                }
            )
    return found


def _order(one: Scored) -> tuple[int, float, int]:
    return ("method", "naive", "oracle").index(one.role), one.value, one.seed


def summary(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean and deviation over seeds."""
    return spread(values).as_dict()


def interval_of(runs: Sequence[Run], view: str, score: str) -> Interval | None:
    """The 95 % interval of the seeds' mean over recordings drawn anew; None for fewer than two, or without counts."""
    counts = [counts for run in runs if (counts := run.views[view].counts) is not None]
    clusters = runs[0].views[view].clusters
    if len(counts) < len(runs) or len(set(clusters)) < 2:
        return None
    return mean_interval(counts, clusters, score, runs[0].scored.protocol)


def table_lines(curve: Curve, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in Markdown, with how it came about."""
    config, score = curve.config, curve.config.score
    views = config.names[:2]
    simulated = "yes: figures say nothing about real video" if curve.dataset.simulated else "no"
    about = {"command": f"`{command()}`", "method": config.title, "head": config.head, "seeds": config.seeds}
    about |= {"data set": curve.dataset.name, "simulated": simulated, "viewloom": __version__}
    gained = gains(lines, views[1], score)
    choices = any(line["chosen"] for line in lines)
    heads = [*(["auto took"] if choices else []), *(f"{TITLES[score]} on {view}" for view in views)]
    heads += ["share of the gain"] if gained else []
    table = [f"| | {config.kind} | recordings | {' | '.join(heads)} |", "|---|---|---|" + "---|" * len(heads)]
    for role, value in dict.fromkeys((line["role"], line["value"]) for line in lines):
        mine = {line["view"]: line for line in lines if (line["role"], line["value"]) == (role, value)}
        first = next(iter(mine.values()))
        of = "all" if first["recordings"] is None else "{} of {}".format(*first["recordings"])
        place = f"{value:.3g}" if _has_place(config, role) else ""
        cells = [*([taken(first)] if choices else []), *(cell(mine.get(view), score) for view in views)]
        cells += [f"{gained[value]:.0f} %" if role == "method" and value in gained else ""] if gained else []
        table.append(f"| {config.title if role == 'method' else role} | {place} | {of} | {' | '.join(cells)} |")
    notes = [f"{AXES[config.kind].capitalize()}. Percent; mean ± deviation over seeds, 95 % interval over recordings."]
    notes += ["The gain is what the last point has above naive."] if gained else []
    notes += [f"{run} did not finish: {reason}" for run, reason in curve.failed.items()]
    notes += dict.fromkeys(f"{_title(config, line)}: {note}" for line in lines for note in line["notes"])
    title = f"# Curve over {config.kind}"
    return [title, "", *(f"- {k}: {v}" for k, v in about.items()), "", *table, "", *(f"- {note}" for note in notes)]


def _has_place(config: CurveConfig, role: str) -> bool:
    """Whether a role's figures differ from point to point."""
    return role == "method" or (config.kind == "labels" and role == "naive")


def _title(config: CurveConfig, line: Mapping[str, Any]) -> str:
    """Whose note it is."""
    name = config.title if line["role"] == "method" else line["role"]
    return f"{name} at {line['value']:.3g}" if _has_place(config, line["role"]) else str(name)


def taken(line: Mapping[str, Any]) -> str:
    """The method that was chosen at a point; each with its seeds where these differ, nothing where it was named."""
    of: dict[str, list[str]] = {}
    for seed, choice in (line["chosen"] or {}).items():
        of.setdefault(choice["chosen"], []).append(seed)
    return ", ".join(of) if len(of) < 2 else ", ".join(f"{name} (seed {' '.join(seeds)})" for name, seeds in of.items())


def gains(lines: Sequence[Mapping[str, Any]], view: str, score: str) -> dict[float, float]:
    """Share (percent) of the last point's gain over naive that each point has; empty without naive, or a gain."""
    of = {role: [x for x in lines if (x["role"], x["view"]) == (role, view)] for role in ("method", "naive")}
    if not of["method"] or len(of["naive"]) != 1:
        return {}
    naive, last = (of[role][-1]["scores"][score]["mean"] for role in ("naive", "method"))
    if last <= naive:
        return {}
    return {x["value"]: 100 * (x["scores"][score]["mean"] - naive) / (last - naive) for x in of["method"]}


def cell(line: Mapping[str, Any] | None, score: str) -> str:
    """A figure with its deviation and interval."""
    if line is None:
        return "–"
    found, interval = line["scores"][score], line["interval"]
    deviation = "" if found["deviation"] is None else f" ± {found['deviation']:.1f}"
    ends = f" ({interval['low']:.1f} to {interval['high']:.1f})" if interval else ""
    return f"{found['mean']:.1f}{deviation}{ends}"
