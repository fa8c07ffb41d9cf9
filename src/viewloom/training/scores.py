"""Scores of a head on every view, as they are written, shown and taken on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.files import write_json
from viewloom.metrics.multilabel import TITLES as MULTI_TITLES
from viewloom.metrics.segmentation import TITLES
from viewloom.training.runs import read_json

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Scores:
    """What `viewloom.evaluate` gives.

    Attributes:
        metrics: as in ``metrics.json``: protocol, split, actions, and for each view its scores (percent), pooled over
            items, of each class and of each item.
        predictions: {view: as in ``predictions/<view>.json``: truth and prediction of each item as segments}.
    """

    metrics: dict[str, Any]
    predictions: dict[str, dict[str, Any]]

    @property
    def views(self) -> tuple[str, ...]:
        """The views that were scored."""
        return tuple(self.metrics["views"])

    def __getitem__(self, view: str) -> dict[str, float]:
        """The pooled scores of a view, percent, by name (``f1_50``)."""
        return dict(self.metrics["views"][view]["scores"])

    def table(self) -> DataFrame:
        """One line a view: its kind, and its scores in percent."""
        from pandas import DataFrame

        lines = {view: {"kind": found["kind"]} | found["scores"] for view, found in self.metrics["views"].items()}
        named = TITLES | MULTI_TITLES
        table: DataFrame = DataFrame.from_dict(lines, orient="index").rename(columns=named).rename_axis("view")
        return table

    def per_item(self) -> DataFrame:
        """One line an item and view: recording, frames, and scores in percent."""
        from pandas import DataFrame

        lines = [{"view": v} | item for v, found in self.metrics["views"].items() for item in found["per_item"]]
        table: DataFrame = DataFrame(lines).rename(columns=TITLES | MULTI_TITLES)
        return table

    def confidence(self) -> DataFrame:
        """One line a view, frames: mean confidence, share right, expected calibration error (percent) before and after
        the temperature, and log-loss (nats a frame). docs/confidence.md says what they mean."""
        from pandas import DataFrame

        lines = {}
        for view, found in self.metrics["views"].items():
            if found.get("reliability"):
                before, after = (found["reliability"][side]["frames"] for side in ("before", "after"))
                names = {name: after[name] for name in ("confidence", "right")}
                pairs = {
                    f"{name}_{when}": side[name]
                    for name in ("ece", "log_loss")
                    for when, side in (("before", before), ("after", after))
                }
                lines[view] = names | pairs
        table: DataFrame = DataFrame.from_dict(lines, orient="index").rename_axis("view")
        return table

    def write(self, out: Path | str) -> None:
        """Write ``metrics.json`` and ``predictions/<view>.json`` into a folder; what is there is replaced."""
        for view, found in self.predictions.items():
            write_json(Path(out) / "predictions" / f"{view}.json", found)
        write_json(Path(out) / "metrics.json", self.metrics)

    def __repr__(self) -> str:
        metrics = self.metrics
        multi = metrics.get("labels_mode") == "multi"
        way = (
            f"several labels a frame, threshold {metrics['threshold']:g}"
            if multi
            else f"protocol {metrics['protocol']}"
        )
        marks = [metrics["row"], f"{metrics['split']} items", way]
        marks += ["simulated features"] if metrics["simulated"] else []
        learned = sum(map(len, metrics["learned"].values()))
        marks += [f"learned from {learned} of the recordings"] if learned else []
        return f"{', '.join(marks)}\n{self.table().to_string(float_format='{:.1f}'.format)}"

    def _repr_html_(self) -> str:
        return str(self.table().to_html(float_format="{:.1f}".format))


def read_scores(folder: Path) -> Scores:
    """Read what `Scores.write` wrote into a folder."""
    metrics = read_json(folder / "metrics.json")
    return Scores(metrics, {view: read_json(folder / "predictions" / f"{view}.json") for view in metrics["views"]})
