"""Measures of agreement as they are written, shown and taken on from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.files import write_json

if TYPE_CHECKING:
    from pandas import DataFrame

FILE = "measures.json"


def plain_values(value: Any) -> Any:
    """The same as JSON has it: what isn't finite is None."""
    if isinstance(value, dict):
        return {str(name): plain_values(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


@dataclass(frozen=True, repr=False)
class Measures:
    """What `viewloom.measure` gives.

    Attributes:
        facts: as in ``measures.json``: what was measured, and for each kind of features (plain, refined) the measures
            of every ordered pair of views and the matrices of probes. docs/measures.md defines every name.
    """

    facts: dict[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of features that were measured: plain, refined."""
        return tuple(self.facts["features"])

    def table(self) -> DataFrame:
        """One line a kind of features and ordered pair of views (query > gallery); a column a measure."""
        from pandas import DataFrame, MultiIndex

        found = {(kind, pair): v for kind, of in self.facts["features"].items() for pair, v in of["pairs"].items()}
        index = MultiIndex.from_tuples(list(found), names=["features", "pair"])
        table: DataFrame = DataFrame(list(found.values()), index=index)
        return table

    def matrix(self, score: str = "balanced_accuracy", kind: str | None = None) -> DataFrame:
        """What a probe trained in one view (lines) scores in each view (columns).

        Args:
            score: accuracy, balanced_accuracy (percent), segment_progress, item_progress (R^2); or, of the heads that
                were measured, f1_50, mof and the others of `viewloom evaluate` (percent).
            kind: plain or refined; None: the last there is. Heads have none.
        """
        from pandas import DataFrame

        of_probe = self.facts["features"][kind or self.kinds[-1]]["probe"]
        lines = of_probe.get(score) or {
            head["name"]: {view: scores[score] for view, scores in head["scores"].items()}
            for head in self.facts["heads"]
        }
        table: DataFrame = DataFrame.from_dict(lines, orient="index").rename_axis(index="from", columns="on")
        return table

    def write(self, out: Path | str) -> Path:
        """Write ``measures.json`` into a folder, atomically; returns its path."""
        path = Path(out) / FILE
        write_json(path, self.facts)
        return path

    def __repr__(self) -> str:
        marks = [self.facts["name"], f"{self.facts['split']} items"]
        marks += ["simulated features"] if self.facts["simulated"] else []
        learned = sum(map(len, self.facts["learned"].values()))
        marks += [f"learned from {learned} of the recordings"] if learned else []
        return f"{', '.join(marks)}\n{self.table().T.to_string(float_format='{:.2f}'.format)}"

    def _repr_html_(self) -> str:
        return str(self.table().T.to_html(float_format="{:.2f}".format))
