"""What a report reads of a run folder: scores, predictions, curves, settings, environment."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, DataError, listed
from viewloom.metrics.segmentation import IGNORE, Counts, count

Segments = list[list[int]]


@dataclass(frozen=True)
class ViewResult:
    """One run's results in one view.

    Attributes:
        name: of the view.
        kind: exo, ego or other.
        scores: percent, by name, with the total.
        per_class: rows as `viewloom evaluate` writes them.
        per_item: the same, per item.
        items: truth and prediction of each item as segments; empty where predictions were not kept.
    """

    name: str
    kind: str
    scores: dict[str, float]
    per_class: list[dict[str, Any]]
    per_item: list[dict[str, Any]]
    items: dict[str, dict[str, Any]]

    @property
    def clusters(self) -> list[str]:
        """Recording of each item, in order."""
        return [item["recording"] for item in self.items.values()]

    def labels(self, which: str) -> list[NDArray[np.int64]]:
        """Frame labels of every item: ``truth`` or ``prediction``."""
        return [frame_labels(item[which], item["start"], item["end"]) for item in self.items.values()]

    def counts(self, protocol: str) -> Counts:
        """What the scores are made of."""
        return count(self.labels("prediction"), self.labels("truth"), protocol)


@dataclass(frozen=True)
class Run:
    """A run folder that was evaluated."""

    folder: Path
    metrics: dict[str, Any]
    environment: dict[str, Any]
    config: str

    @property
    def row(self) -> str:
        """Its name in tables."""
        return str(self.metrics.get("row") or self.folder.name)

    @property
    def actions(self) -> list[str]:
        """Class names by id."""
        return list(self.metrics["actions"])

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self.metrics["fps"])

    @cached_property
    def views(self) -> dict[str, ViewResult]:
        """Results by view."""
        found = {}
        for name, value in self.metrics["views"].items():
            path = self.folder / "predictions" / f"{name}.json"
            items = read_json(path)["items"] if path.exists() else {}
            found[name] = ViewResult(name, value["kind"], value["scores"], value["per_class"], value["per_item"], items)
        return found

    @cached_property
    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """(epoch, value) points of everything in ``metrics.csv``."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return {}
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in (rows[0] if rows else ()) if name not in ("epoch", "step")]
        return {name: [(float(row["epoch"]) + 1, float(row[name])) for row in rows if row.get(name)] for name in names}

    @property
    def warnings(self) -> list[str]:
        """What the run itself warned of."""
        path = self.folder / "invariance.json"
        more = read_json(path).get("warnings", []) if path.exists() else []
        return [*self.metrics.get("warnings", []), *self.environment.get("warnings", []), *more]


def frame_labels(segments: Segments, start: int, end: int) -> NDArray[np.int64]:
    """Class id of each frame in [start, end); `IGNORE` between segments."""
    labels = np.full(end - start, IGNORE, np.int64)
    for first, last, label in segments:
        labels[first - start : last - start] = label
    return labels


def read_json(path: Path) -> Any:
    """A JSON file of a run; `DataError` when it isn't one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} can't be read as JSON ({error}). Evaluate the run again.") from None


def load_runs(folders: Sequence[str | Path]) -> list[Run]:
    """The evaluated runs among folders; a folder without one of its own stands for the runs in it.

    Raises:
        ConfigError: a folder that isn't there, or no evaluated run at all.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a run folder. Pass the --run folders of `viewloom train`.")
        inside = sorted(path.parent for path in folder.glob("*/metrics.json"))
        found += [folder] if (folder / "metrics.json").exists() else inside
    if not found:
        raise ConfigError(f"No evaluated run in {listed(folders)}. Run `viewloom evaluate --run FOLDER` first.")
    return [_load(path) for path in found]


def _load(folder: Path) -> Run:
    environment = folder / "environment.json"
    config = folder / "config.yaml"
    return Run(
        folder,
        read_json(folder / "metrics.json"),
        read_json(environment) if environment.exists() else {},
        config.read_text(encoding="utf-8") if config.exists() else "",
    )
