"""Scores of a head on every view, as they are written, shown and taken on from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.durable import gathered
from viewloom.files import write_json
from viewloom.metrics.multilabel import TITLES as MULTI_TITLES
from viewloom.metrics.segmentation import TITLES
from viewloom.names import predictions_file
from viewloom.training.error_figures import FILE as ERRORS
from viewloom.training.error_figures import tidy_rows
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
        what_went_wrong: as in ``errors.json``: wrong seconds and errors of each kind.
    """

    metrics: dict[str, Any]
    predictions: dict[str, dict[str, Any]]
    what_went_wrong: dict[str, Any] = field(default_factory=dict)

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

    def errors(self) -> DataFrame:
        """One line a view, group of actions and kind of error: wrong seconds and errors.

        ``by`` says what groups actions (all, action, verb, noun, or part, which is head or tail), ``name`` the group.
        """
        from pandas import DataFrame

        table: DataFrame = DataFrame(
            tidy_rows(self.what_went_wrong), columns=["view", "by", "name", "kind", "seconds", "errors"]
        )
        return table

    def write(self, out: Path | str) -> Scores:
        """Write ``metrics.json``, ``errors.json`` and ``predictions/<view>.json`` into a folder; what is there is
        replaced. Returns itself."""
        with gathered():
            for view, found in self.predictions.items():
                write_json(predictions_file(Path(out), view), found)
            if self.what_went_wrong:
                write_json(Path(out) / ERRORS, self.what_went_wrong)
        write_json(Path(out) / "metrics.json", self.metrics)
        return self

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
    predictions = {view: read_json(predictions_file(folder, view)) for view in metrics["views"]}
    return Scores(metrics, predictions, read_json(folder / ERRORS) if (folder / ERRORS).exists() else {})
