"""The rows of the report's tables as recipes, and beside them the rows that keep the comparison honest."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from viewloom.errors import ConfigError, listed
from viewloom.names import names_in
from viewloom.recipes.published import PUBLISHED, Figures


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """What --rows calls it."""
        ...


R = TypeVar("R", bound=Named)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: what --rows calls it.
        title: what the table calls it.
        recipe: pre-training recipe of its refiner, or None.
        labels: views that the head has labels of.
        front: the refiner is put before the head that was trained without one.
    """

    name: str
    title: str
    recipe: str | None = None
    labels: Literal["exo", "ego", "all"] = "exo"
    front: bool = False


NAIVE = Row("naive", "naive: no pre-training")
ORACLE = Row("oracle", "oracle: ego labels", labels="ego")
HONEST = (Row("ridge", "ridge", "ridge"), Row("cca", "CCA", "cca"), ORACLE)
SYNC_KD = Row("sync_kd", "sync KD", "sync_kd")
TWO_STREAM = Row("two_stream", "two streams", "two_stream")
SIMPLE = Row("two_stream_simple", "simple stream", "two_stream_simple")


def _front(row: Row) -> Row:
    return Row(f"front_{row.name}", f"{row.title}, put before", row.recipe, front=True)


def _three(row: Row, recipe: str | None) -> Row:
    return Row(f"{row.name}3", f"{row.title}, three views", recipe, labels="all")


TABLES: dict[str, tuple[Row, ...]] = {
    "table1": (NAIVE, SYNC_KD, TWO_STREAM, *HONEST),
    "table2": (NAIVE, SYNC_KD, TWO_STREAM, *HONEST),
    "table3": (TWO_STREAM, SIMPLE, NAIVE, *HONEST),
    "table4": (_front(SYNC_KD), _front(TWO_STREAM), NAIVE, *map(_front, HONEST[:2]), ORACLE),
    # With labels of all views the baseline is an oracle; CCA shares a map over three views.
    "table5": (
        Row("naive3", "naive: no pre-training, three views", labels="all"),
        _three(TWO_STREAM, "two_stream3"),
        _three(HONEST[0], "ridge"),
        _three(HONEST[1], "cca"),
    ),
}


def table_rows(table: str, names: str | None) -> tuple[Row, ...]:
    """The rows of a table, or those of them that a comma-separated list names, in the table's order."""
    if table not in TABLES:
        raise ConfigError(f"There is no table {table!r}; there are: {listed(TABLES)}.")
    return pick_rows(table, TABLES[table], names)


def pick_rows(table: str, rows: tuple[R, ...], names: str | None) -> tuple[R, ...]:
    """All rows, or those of them that a comma-separated list names, in their order."""
    if names is None:
        return rows
    wanted = names_in(names)
    unknown = [name for name in wanted if name not in {row.name for row in rows}]
    if unknown or not wanted:
        raise ConfigError(f"--rows names {listed(unknown)}, but {table} has: {listed(row.name for row in rows)}.")
    return tuple(row for row in rows if row.name in wanted)


def published(table: str, row: str, view: str) -> Figures | None:
    """The report's figures of a row for a kind of view (ego, exo, mean), or None where it prints none."""
    return PUBLISHED.get(table, {}).get(row, {}).get(view)
