"""The result of a cross-validation: scores pooled over the items of all folds, and those of each fold.

Pooled scores count every test item once, as if one head had been scored on all of them; the mean over folds is what
papers on 50Salads, GTEA and Breakfast print. The two differ where folds differ in size or difficulty.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset.dataset import Item
from viewloom.dataset.folds import Fold
from viewloom.errors import DataError
from viewloom.files import write_csv, write_json
from viewloom.metrics.segmentation import NAMES
from viewloom.metrics.statistics import spread
from viewloom.names import predictions_file
from viewloom.report.reading import read_metrics, read_predictions
from viewloom.training.confidence import KEY as CALIBRATION
from viewloom.training.confidence import pooled_confidence
from viewloom.training.evaluate import Scored, predictions, summary
from viewloom.training.runs import read_json

if TYPE_CHECKING:
    from rich.table import Table

SCORES = (*NAMES, "total")
SHARED = ("protocol", "decoding", "split", "background", "fps", "actions", "trained_on", "simulated")
"""What the folds' scores must have in common to be pooled."""


def write_pooled(folder: Path, folds: Sequence[Fold], total: int, missing: Mapping[str, str], row: str) -> None:
    """Write ``metrics.json``, ``predictions/<view>.json`` and ``folds.csv`` from the folds' own.

    Args:
        folder: run folder of the cross-validation, with a run folder for each fold.
        folds: that finished.
        total: folds that the data has.
        missing: titles of the folds that did not finish, and why.
        row: name in tables.

    Raises:
        DataError: folds that were scored in different ways, or that share an item.
    """
    found = {fold.number: read_json(folder / fold.name / "metrics.json") for fold in folds}
    shared = _shared(folder, folds, found)
    actions, fps = tuple(shared["actions"]), shared["fps"]
    background = [actions.index(name) for name in shared["background"]]
    views: dict[str, Any] = {}
    for view, kind in {v: of["kind"] for metrics in found.values() for v, of in metrics["views"].items()}.items():
        having = [fold for fold in folds if view in found[fold.number]["views"]]
        scored = pooled_items(folder, having, view)
        views[view] = summary(scored, actions, shared["protocol"], background) | {"kind": kind}
        said = [found[fold.number]["views"][view].get("reliability", {}) for fold in having]
        views[view]["reliability"] = pooled_confidence(said)
        write_json(predictions_file(folder, view), predictions(scored, actions, fps))
    each = [_fold_scores(fold, found[fold.number]) for fold in folds]
    metrics = shared | {
        "row": row,
        "warnings": [*_warnings(folds, total, missing), *_warnings_of_folds(folder, folds, found)],
        "views": views,
        "learned": _learned(found),
        CALIBRATION: shared.get(CALIBRATION) or _calibration(found),
        "folds": {"known": total, "each": each, "missing": dict(missing), "over_folds": over_folds(each)},
    }
    write_csv(folder / "folds.csv", ("fold", "group", "view", "recordings", "items", *SCORES), csv_rows(metrics))
    write_json(folder / "metrics.json", metrics)


def _shared(folder: Path, folds: Sequence[Fold], found: Mapping[int, Any]) -> dict[str, Any]:
    """What all folds say alike; `DataError` where they differ in what can't be pooled."""
    first = found[folds[0].number]
    for fold in folds:
        differing = [name for name in SHARED if found[fold.number].get(name) != first.get(name)]
        if differing:
            raise DataError(
                f"{folder / fold.name} and {folder / folds[0].name} differ in {', '.join(differing)}, so their scores "
                "can't be pooled. Remove the metrics.json of both, and run the command again."
            )
    alike = {name: value for name, value in first.items() if all(of.get(name) == value for of in found.values())}
    return {name: value for name, value in alike.items() if name not in ("views", "row", "warnings")}


def _learned(found: Mapping[int, Any]) -> dict[str, list[str]]:
    """Recordings that some fold's run learned from though it is scored on them, by role."""
    learned: dict[str, list[str]] = {}
    for metrics in found.values():
        for role, names in metrics.get("learned", {}).items():
            learned[role] = sorted({*learned.get(role, []), *names})
    return learned


def _calibration(found: Mapping[int, Any]) -> dict[str, Any]:
    """Where all folds have a temperature, each its own."""
    fitted = [metrics.get(CALIBRATION, {}).get("views", []) for metrics in found.values()]
    return {"temperature": None, "views": [view for view in fitted[0] if all(view in views for views in fitted)]}


def _warnings(folds: Sequence[Fold], total: int, missing: Mapping[str, str]) -> list[str]:
    """What a reader of the pooled scores should know, in words."""
    warnings = [f"{title} did not finish, and the scores lack its recordings: {why}" for title, why in missing.items()]
    if len(folds) + len(missing) < total:
        warnings.append(f"the scores are of {', '.join(fold.name for fold in folds)} only, of {total} folds")
    return warnings


def _warnings_of_folds(folder: Path, folds: Sequence[Fold], found: Mapping[int, Any]) -> list[str]:
    """What the folds' own scores and pre-trainings warn of, a collapse above all."""
    warnings = []
    for fold in folds:
        path = folder / fold.name / "pretrain" / "invariance.json"
        pretraining = read_json(path)["warnings"] if path.exists() else []
        warnings += [f"{fold.title}: {warning}" for warning in (*found[fold.number].get("warnings", []), *pretraining)]
    return warnings


def pooled_items(folder: Path, folds: Sequence[Fold], view: str) -> list[Scored]:
    """Truth and prediction of every test item that some fold scored in a view, in order of name."""
    items: dict[str, Scored] = {}
    for fold in folds:
        run = folder / fold.name
        results = read_predictions(predictions_file(run, view), read_metrics(run / "metrics.json"))
        for name, result in results.items():
            if name in items:
                raise DataError(f"{name} was tested in two folds, {fold.name} and one before. Choose other --folds.")
            item = Item(name, result.recording, result.start, result.end)
            prediction, truth = (s.frame_labels(item.start, item.end) for s in (result.prediction, result.truth))
            items[name] = Scored(item, prediction, truth)
    return [items[name] for name in sorted(items)]


def _fold_scores(fold: Fold, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """One fold's own scores, by view."""
    items = {entry["item"]: entry["recording"] for view in metrics["views"].values() for entry in view["per_item"]}
    scores = {name: view["scores"] for name, view in metrics["views"].items()}
    size = {"items": len(items), "recordings": len(set(items.values()))}
    return {"fold": fold.number, "group": fold.group, **size, "scores": scores}


def over_folds(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and sample deviation (n - 1) of each score over folds, by view, and the number of folds that have it."""
    views = dict.fromkeys(view for fold in each for view in fold["scores"])
    return {
        view: {
            name: spread([fold["scores"][view][name] for fold in each if view in fold["scores"]]).as_dict()
            for name in SCORES
        }
        for view in views
    }


def csv_rows(metrics: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """``folds.csv``: the scores of every fold and view, then mean and deviation over folds, then the pooled ones."""
    for fold in metrics["folds"]["each"]:
        for view, scores in fold["scores"].items():
            yield fold["fold"], fold["group"] or "", view, fold["recordings"], fold["items"], *_numbers(scores)
    for what in ("mean", "deviation"):
        for view, spreads in metrics["folds"]["over_folds"].items():
            values = {name: spreads[name][what] for name in SCORES}
            yield f"{what} over folds", "", view, "", "", *_numbers(values)
    for view, result in metrics["views"].items():
        recordings = len({entry["recording"] for entry in result["per_item"]})
        yield "pooled", "", view, recordings, len(result["per_item"]), *_numbers(result["scores"])


def _numbers(values: Mapping[str, float | None]) -> Iterator[str]:
    for name in SCORES:
        value = values[name]
        yield "" if value is None else f"{value:.4f}"


def over_folds_table(folder: Path) -> "Table":
    """Mean and deviation over folds, for the console."""
    from rich.table import Table

    folds = read_json(folder / "metrics.json")["folds"]
    title = f"Mean ± deviation over {len(folds['each'])} folds, as papers print them (above: all recordings pooled)"
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("scored on")
    for name in ("Edit", "F1@10", "F1@25", "F1@50", "MoF", "Total"):
        table.add_column(name, justify="right", no_wrap=True)
    for view, spreads in folds["over_folds"].items():
        deviations = [spreads[name]["deviation"] for name in SCORES]
        means = [f"{spreads[name]['mean']:.1f}" for name in SCORES]
        table.add_row(view, *(m if d is None else f"{m} ± {d:.1f}" for m, d in zip(means, deviations, strict=True)))
    return table
