"""Reading the files of a run folder: each is checked, and errors name the file and the place in it."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom import reading
from viewloom.errors import DataError, listed
from viewloom.limits import LONGEST_FRAMES, MOST_FRAMES
from viewloom.logged import read_logged
from viewloom.metrics.multilabel import NAMES as MULTI_NAMES
from viewloom.metrics.segmentation import NAMES, Counts
from viewloom.metrics.segments import Segments
from viewloom.report.expected import (
    COUNT,
    FIGURES,
    FLAG,
    NUMBER,
    OBJECT,
    PERCENT,
    RATE,
    TEXT,
    TEXTS,
    Kind,
    Maybe,
    expect,
    refuse_twice,
)

Labels = NDArray[np.int64]
Points = list[tuple[float, float]]
"""(epoch counted from 1, value); a value may be NaN or infinite."""

AGAIN = "Run `viewloom evaluate` again with --overwrite true."


@dataclass(frozen=True)
class Written:
    """Names of the scores that ``metrics.json`` holds of a view, of a class and of an item."""

    scores: tuple[str, ...]
    of_class: tuple[str, ...]
    of_item: tuple[str, ...]


SCORES = {
    "single": Written(NAMES, ("precision", "recall", "f1_50", "mof"), NAMES),
    "multi": Written(MULTI_NAMES, ("precision", "recall", "f1", "frame_ap", "ap_50"), ("f1_micro", "f1_macro")),
}
"""By ``labels_mode``."""
MODE = Kind("single or multi", lambda value: isinstance(value, str) and value in SCORES)


@dataclass(frozen=True)
class ItemResult:
    """Truth and prediction of one item in one view, over the frames [start, end)."""

    name: str
    recording: str
    start: int
    end: int
    truth: Segments
    prediction: Segments
    ignored: tuple[tuple[int, int], ...] = ()
    """Start and end of stretches without a label, where a frame may have several: what isn't true there isn't false."""


@dataclass(frozen=True)
class ViewResult:
    """One run's results in one view.

    Attributes:
        name: of the view.
        kind: exo, ego or other.
        scores: percent, by name, with the total.
        per_class: rows as `viewloom evaluate` writes them.
        per_item: the same, per item.
        items: truth and prediction of each item; empty where predictions were not kept.
        counts: what the scores are made of, item by item; None where there are no predictions, or where
            they are not those that were scored.
        reliability: how sure the run was and how often right, as `viewloom evaluate` writes it; empty where unknown.
    """

    name: str
    kind: str
    scores: dict[str, float]
    per_class: list[dict[str, Any]]
    per_item: list[dict[str, Any]]
    items: dict[str, ItemResult] = field(default_factory=dict)
    counts: Counts | None = None
    reliability: dict[str, Any] = field(default_factory=dict)

    @property
    def clusters(self) -> list[str]:
        """Recording of each item, in order."""
        return [item.recording for item in self.items.values()]

    def truths(self) -> list[Labels]:
        """True label of every frame, item by item."""
        return [item.truth.frame_labels(item.start, item.end) for item in self.items.values()]

    def predictions(self) -> list[Labels]:
        """Predicted label of every frame, item by item."""
        return [item.prediction.frame_labels(item.start, item.end) for item in self.items.values()]


@dataclass(frozen=True)
class Metrics:
    """What ``metrics.json`` holds; scores in percent."""

    protocol: str
    split: str
    fps: float
    actions: list[str]
    background: list[str]
    trained_on: list[str]
    simulated: bool
    run: str | None
    """Name of the run; the file calls it row."""
    warnings: list[str]
    learned: dict[str, list[str]]
    """Recordings among the scored ones that the run learned from, by role."""
    labels_mode: str
    """Whether a frame has one label (single), or any number (multi): then segments overlap, and scores are others."""
    views: dict[str, ViewResult]
    """Without their predictions, which lie in files of their own."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """The run's temperature, and the views it was fitted in."""
    decoding: str = "argmax"
    """How probabilities became segments."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a run; `DataError` when the file isn't one."""
    value = reading.read_json(path, AGAIN)
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__} where an object is expected. {AGAIN}")
    return value


def read_environment(path: Path) -> dict[str, Any]:
    """``environment.json`` or another file of facts; empty where it isn't there."""
    value = read_json(path) if os.path.lexists(path) else {}
    expect(value, {"warnings?": TEXTS, "name?": Maybe(TEXT), "row?": Maybe(TEXT)}, path, "Restore or remove the file.")
    return value


def read_metrics(path: Path) -> Metrics:
    """``metrics.json`` of a run; `DataError` naming what is missing from it."""
    value = read_json(path)
    expect(value, _METRICS, path, AGAIN)
    mode = value.get("labels_mode", "single")
    expect(value, {"views": {"*": _view_shape(SCORES[mode])}}, path, AGAIN)
    _check_rows(value, path)
    views = {name: _view(name, view, SCORES[mode]) for name, view in value["views"].items()}
    if not views:
        raise DataError(f"{path} holds no view. {AGAIN}")
    return Metrics(
        protocol=f"multi-label (threshold {value.get('threshold')})" if mode == "multi" else value["protocol"],
        split=value["split"],
        fps=float(value["fps"]),
        actions=value["actions"],
        background=value.get("background", []),
        trained_on=value["trained_on"],
        simulated=value.get("simulated", False),
        run=value.get("row"),
        warnings=value.get("warnings", []),
        learned=value.get("learned", {}),
        labels_mode=mode,
        views=views,
        calibration=value.get("calibration", {}),
        decoding=value.get("decoding", "argmax"),
    )


_METRICS = {
    **{"protocol": TEXT, "split": TEXT, "fps": RATE, "actions": TEXTS, "trained_on": TEXTS, "views": OBJECT},
    **{"background?": TEXTS, "warnings?": TEXTS, "row?": Maybe(TEXT), "decoding?": TEXT, "simulated?": FLAG},
    **{"learned?": {"*": TEXTS}, "calibration?": FIGURES},
    "labels_mode?": MODE,
}


def _check_rows(value: Mapping[str, Any], path: Path) -> None:
    """`DataError` where two actions, or two rows of a view, have one name, or a row's action isn't listed."""
    refuse_twice(value["actions"], "actions", path, AGAIN)
    for name, view in value["views"].items():
        for rows, key in (("per_class", "action"), ("per_item", "item")):
            refuse_twice([row[key] for row in view[rows]], f"views.{name}.{rows}", path, AGAIN)
        known = set(value["actions"])
        if unknown := [row["action"] for row in view["per_class"] if row["action"] not in known]:
            raise DataError(
                f"{path}: views.{name}.per_class has {listed(unknown, 3)}, which is not among actions. {AGAIN}"
            )


def _view_shape(written: Written) -> dict[str, Any]:
    """What is written of a view."""
    return {
        "kind": TEXT,
        "scores": dict.fromkeys(written.scores, PERCENT) | {"total": NUMBER},
        "per_class": [
            {"action": TEXT, "segments": COUNT, "frames": COUNT} | dict.fromkeys(written.of_class, Maybe(PERCENT))
        ],
        "per_item": [
            {"item": TEXT, "recording": TEXT, "frames": COUNT} | dict.fromkeys(written.of_item, Maybe(PERCENT))
        ],
        "reliability?": FIGURES,
    }


def _view(name: str, value: Any, written: Written) -> ViewResult:
    scores = {score: float(value["scores"][score]) for score in (*written.scores, "total")}
    rows = value["per_class"], value["per_item"]
    return ViewResult(name, value["kind"], scores, *rows, reliability=value.get("reliability", {}))


def read_predictions(path: Path, metrics: Metrics) -> dict[str, ItemResult]:
    """``predictions/<view>.json``: items by name, their segments checked; `DataError` naming file and item."""
    value = read_json(path)
    expect(value, {"actions": TEXTS, "items": {"*": _ITEM}}, path, AGAIN)
    if value["actions"] != metrics.actions:
        raise DataError(f"{path} has other actions than the metrics.json beside it. {AGAIN}")
    frames = sum(item["end"] - item["start"] for item in value["items"].values())
    if frames > MOST_FRAMES:
        raise DataError(f"{path} tells of {frames:,} frames, and {MOST_FRAMES:,} is the most that is read. {AGAIN}")
    overlap, classes = metrics.labels_mode == "multi", len(metrics.actions)
    with reading.parsing(path, AGAIN):
        return {name: _item(name, item, classes, path, overlap) for name, item in sorted(value["items"].items())}


_PAIR = Kind("two whole numbers", lambda value: isinstance(value, list) and [type(one) for one in value] == [int, int])
_LIST = Kind("a list", lambda value: isinstance(value, list))
_ITEM = {"recording": TEXT, "start": COUNT, "end": COUNT, "truth": _LIST, "prediction": _LIST, "ignored?": [_PAIR]}


def _item(name: str, value: Any, classes: int, path: Path, overlap: bool) -> ItemResult:
    start, end = value["start"], value["end"]
    if end <= start:
        raise DataError(f"{path}: item {name} has no frames (start {start}, end {end}). {AGAIN}")
    if end - start > LONGEST_FRAMES:
        raise DataError(
            f"{path}: item {name} has {end - start:,} frames (start {start}, end {end}), and {LONGEST_FRAMES:,} is the "
            f"most that is read. {AGAIN}"
        )
    truth, prediction = (
        segments_in(value[kind], (start, end), classes, f"{path}: the {kind} of item {name}", overlap)
        for kind in ("truth", "prediction")
    )
    ignored = tuple((first, last) for first, last in value.get("ignored", ()))
    if any(not start <= first <= last <= end for first, last in ignored):
        raise DataError(f"{path}: item {name} ignores frames that it hasn't (it has {start} to {end}). {AGAIN}")
    return ItemResult(name, value["recording"], start, end, truth, prediction, ignored)


def segments_in(
    value: Any, span: tuple[int, int], classes: int, where: str, overlap: bool, remedy: str = AGAIN
) -> Segments:
    """Rows of start, end and class id inside a span of frames, in order, as segments.

    Args:
        value: as a JSON file has them.
        span: first frame and frame after the last.
        classes: number of classes.
        where: they stand, for messages.
        overlap: whether segments may, as where a frame may have several classes.
        remedy: what to do, for messages.

    Raises:
        DataError: other values, or segments that can't be.
    """
    start, end = span
    try:
        rows = np.array(value)
        if len(value) and (rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind != "i"):
            raise ValueError("other values")
        found = Segments.of_rows(value)
    except (ValueError, TypeError, OverflowError):
        raise DataError(f"{where} is not a list of [start, end, class id]. {remedy}") from None
    starts, ends, ids = found.starts, found.ends, found.labels
    for wrong, why in (
        (starts >= ends, "has no frames"),
        ((starts < start) | (ends > end), f"lies outside of the frames {start} to {end}"),
        ((ids < 0) | (ids >= classes), f"has a class id that is not below {classes}"),
        (np.append(False, starts[1:] < (starts if overlap else ends)[:-1]), "overlaps the one before"),
    ):
        if wrong.any():
            raise DataError(f"{where}: segment {found.select(wrong).rows[0]} {why}. {remedy}")
    return found


def read_curves(path: Path) -> dict[str, Points]:
    """Columns of ``metrics.csv`` against epochs; several values of an epoch are averaged, blanks left out."""
    if not path.exists():
        return {}
    found: dict[str, dict[float, list[float]]] = {}
    for row in read_logged(path):
        for name, text in row.items():
            if name not in ("epoch", "step") and text:
                found.setdefault(name, {}).setdefault(float(row["epoch"]) + 1, []).append(float(text))
    return {
        name: [(epoch, sum(values) / len(values)) for epoch, values in sorted(epochs.items())]
        for name, epochs in found.items()
    }


def finite(points: Points) -> bool:
    """Whether all values are."""
    return all(math.isfinite(value) for _, value in points)
