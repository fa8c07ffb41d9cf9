"""The runs behind a comparison's rows: their curves, what their refiners chose, whether their views agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Any

from viewloom.errors import DataError
from viewloom.report.agreement_in_time import agreement_in_time
from viewloom.report.candidates import Choice, read_choice
from viewloom.report.curves import named_curves
from viewloom.report.picking import pick
from viewloom.report.reading import Points, read_curves, read_json
from viewloom.report.runs import load_run
from viewloom.report.view_matrix import comparison_matrices

RUNS = "runs"
"""Folder of a comparison's runs."""
ITEMS = 6
"""Items whose agreement over time is shown."""


@dataclass(frozen=True)
class RowRun:
    """A row's run with one seed.

    Attributes:
        data: name of the data set.
        row: name of the row.
        seed: as text.
        folder: with its scores.
        refiner: run folder of its refiner; None where it has none, or nobody knows which.
    """

    data: str
    row: str
    seed: str
    folder: Path
    refiner: Path | None = None


def row_runs(folder: Path, results: Mapping[str, Any], made: Mapping[str, Any]) -> list[RowRun]:
    """The runs of all rows that have a head, in the order of the table; those that are gone are left out.

    Args:
        folder: of the comparison.
        results: as ``results.json`` has them.
        made: as ``made.json`` has it; where it doesn't name the runs (earlier versions), those in the folder are taken
            that have a row's name and its very scores.

    Raises:
        DataError: a name in ``made.json`` that leads out of the folder, or files that can't be read.
    """
    found = _named(folder, made["runs"]) if "runs" in made else _looked_for(folder, results)
    order = {(t["data"], row["row"]): row["head"] for t in results["tables"] for v in t["views"] for row in v["rows"]}
    places = {key: place for place, (key, head) in enumerate(order.items()) if head}
    there = [run for run in found if (run.data, run.row) in places and (run.folder / "metrics.json").exists()]
    return sorted(there, key=lambda run: places[run.data, run.row])


def _named(folder: Path, runs: Mapping[str, Any]) -> Iterator[RowRun]:
    for data, rows in runs.items():
        for row, seeds in rows.items():
            for seed, names in seeds.items():
                run, refiner = names["run"], names["refiner"]
                yield RowRun(data, row, seed, _inside(folder, run), refiner and _inside(folder, refiner))


def _inside(folder: Path, name: Any) -> Path:
    """A path inside a folder; `DataError` for one that leads out of it."""
    path = PurePosixPath(str(name))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{folder / 'made.json'} names a run {name!r} outside of {folder}. Repeat the comparison.")
    return folder / path


def _looked_for(folder: Path, results: Mapping[str, Any]) -> Iterator[RowRun]:
    """Runs in the folder that have a row's name and its scores with some seed."""
    wanted = {
        (row["row"], view["view"], scores["f1_50"]): (table["data"], seed)
        for table in results["tables"]
        for view in table["views"]
        for row in view["rows"]
        for seed, scores in row["seeds"].items()
    }
    for path in sorted((folder / RUNS).glob("*/metrics.json")):
        metrics = read_json(path)
        keys = [(metrics.get("row"), view, of["scores"].get("f1_50")) for view, of in metrics.get("views", {}).items()]
        found = {wanted.get(key) for key in keys}
        if len(found) == 1 and (of := found.pop()) is not None:
            yield RowRun(of[0], str(metrics["row"]), of[1], path.parent)


def sections(folder: Path, results: Mapping[str, Any], made: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Title, template and content of each section that the runs behind a comparison fill."""
    runs, several = row_runs(folder, results, made), len(results["tables"]) > 1
    found: list[tuple[str, str, Any]] = [
        ("Train view by test view", "heat_maps.html", [m for t in results["tables"] for m in comparison_matrices(t)]),
        ("Candidates", "candidates.html", _choices(folder, runs)),
        ("Training curves", "curves.html", named_curves(mean_curves(runs, several))),
    ]
    found += [
        (
            f"Agreement over time{', ' + table['data'] if several else ''}",
            "agreement.html",
            _agreement(runs, table["data"]),
        )
        for table in results["tables"]
    ]
    return [section for section in found if section[2]]


def _choices(folder: Path, runs: Sequence[RowRun]) -> list[Choice]:
    """What refiners chose by themselves, each once."""
    named = {
        run.refiner: f"{run.data}, {run.row}, seed {run.seed}" for run in reversed(runs) if run.refiner is not None
    }
    if not named:
        named = {path.parent: path.parent.name for path in sorted((folder / RUNS).glob("pretrain-*/auto.json"))}
    found = [read_choice(path, name) for path, name in sorted(named.items(), key=lambda pair: pair[1])]
    return [choice for choice in found if choice is not None]


def mean_curves(runs: Sequence[RowRun], several: bool) -> dict[str, dict[str, Points]]:
    """What was logged, mean over the seeds that have an epoch, by row (and data set, where there are several)."""
    rows: dict[str, list[dict[str, Points]]] = {}
    for run in runs:
        rows.setdefault(f"{run.data}: {run.row}" if several else run.row, []).append(
            read_curves(run.folder / "metrics.csv")
        )
    return {row: _mean(seeds) for row, seeds in rows.items()}


def _mean(seeds: Sequence[Mapping[str, Points]]) -> dict[str, Points]:
    found: dict[str, Points] = {}
    for name in dict.fromkeys(name for of in seeds for name in of):
        values: dict[float, list[float]] = {}
        for epoch, value in (point for of in seeds for point in of.get(name, ())):
            values.setdefault(epoch, []).append(value)
        found[name] = [(epoch, fmean(each)) for epoch, each in sorted(values.items())]
    return found


def _agreement(runs: Sequence[RowRun], data: str) -> dict[str, Any]:
    """Agreement over time of the first seed of each row."""
    first: dict[str, RowRun] = {}
    for run in runs:
        if run.data == data:
            first.setdefault(run.row, run)
    loaded = [replace(load_run(run.folder), name=f"{run.row}, seed {run.seed}") for run in first.values()]
    return agreement_in_time(loaded, pick(loaded, ITEMS)) if loaded else {}
