"""Lists of actions: names by class id, in the three ways in which data sets write them."""

from collections.abc import Iterable
from pathlib import Path

from viewloom.dataset.text_files import is_number, numbered, read_csv
from viewloom.errors import DataError, listed


def read_actions(path: Path) -> tuple[str, ...]:
    """Action names by id from Assembly101's ``actions.csv`` (columns action_id and action_cls)."""
    table, wanted = read_csv(path), ("action_id", "action_cls")
    if not table.rows or not set(wanted) <= set(table.columns):
        raise DataError(f"{path} must be a CSV with the columns action_id and action_cls, and hold actions.")
    for line, fields in table.rows:
        table.check_length(f"{path}, line {line}", fields, wanted)
    return _by_id(path, ((line, fields["action_id"], fields["action_cls"]) for line, fields in table.rows))


def read_mapping(path: Path) -> tuple[str, ...]:
    """Action names by id from an MS-TCN ``mapping.txt`` (lines ``id name``)."""
    rows = [(line, text.split(maxsplit=1)) for line, text in numbered(path)]
    bad = [f"{path}, line {line}," for line, fields in rows if len(fields) != 2]
    if bad or not rows:
        where = bad[0] if bad else f"{path} is empty, but"
        raise DataError(f"{where} must hold an id and a name a line, such as `0 background`.")
    return _by_id(path, ((line, number, name.strip()) for line, (number, name) in rows))


def read_action_list(path: Path) -> tuple[str, ...]:
    """Action names from a list, one a line; the id is the place."""
    rows = [(line, str(place), name.strip()) for place, (line, name) in enumerate(numbered(path))]
    if not rows:
        raise DataError(f"{path} is empty. Name one action a line, or remove the file.")
    return _by_id(path, rows)


def _by_id(path: Path, rows: Iterable[tuple[int, str, str]]) -> tuple[str, ...]:
    """Names in the order of their ids, which must be 0, 1, 2, ... each once; rows are (line, id, name)."""
    actions: dict[int, str] = {}
    for line, number, name in rows:
        if not is_number(number) or int(number) in actions or not name or name in actions.values():
            raise DataError(
                f"{path}, line {line}: id {number!r} with name {name!r}; ids must be whole numbers, and ids and "
                "names must not repeat."
            )
        actions[int(number)] = name
    holes = sorted(set(range(len(actions))) - set(actions))
    if holes:
        raise DataError(
            f"{path}: ids must run from 0 to {len(actions) - 1}, but {listed(holes)} are not there. Number the "
            "actions without holes."
        )
    return tuple(actions[i] for i in range(len(actions)))
