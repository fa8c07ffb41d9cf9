"""What Lightning logs, as a CSV file that a resumed run goes on with: Lightning's own logger deletes what was there."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from viewloom.files import write_csv


class ResumedCSV(Logger):
    """Rows of values by step, written whole at each `save`; what is saved before each checkpoint is what it rests on.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._rows: list[dict[str, Any]] | None = None

    @property
    def name(self) -> str:
        """None: the folder is the run's."""
        return ""

    @property
    def version(self) -> str:
        """Folder in the run's."""
        return self.path.parent.name

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they stand in the run's config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values of a step; before the first, take over the rows of the epochs before it."""
        if self._rows is None:
            self._rows = self._before(metrics.get("epoch"))
        self._rows.append(_row(metrics, len(self._rows) if step is None else step))

    def _before(self, epoch: float | None) -> list[dict[str, Any]]:
        if epoch is None or not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [row for row in rows if (row.get("epoch") or "").isdigit() and int(row["epoch"]) < epoch]

    @rank_zero_only
    def save(self) -> None:
        """Write all rows."""
        self._write(self._rows or [])

    @rank_zero_only
    def save_with(self, metrics: Mapping[str, Any], step: int) -> None:
        """Write all rows and one that is still to be logged: Lightning logs an epoch's after its checkpoint."""
        before = self._before(metrics.get("epoch")) if self._rows is None else self._rows
        self._write([*before, _row(metrics, step)])

    def _write(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            columns = sorted({name for row in rows for name in row})
            write_csv(self.path, columns, ([row.get(name, "") for name in columns] for row in rows))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()


def _row(metrics: Mapping[str, Any], step: int) -> dict[str, Any]:
    whole = {"epoch": int(metrics["epoch"])} if "epoch" in metrics else {}
    return {name: float(value) for name, value in metrics.items()} | whole | {"step": step}
