"""``dataset.yaml`` at the root of a data set: its settings, said once instead of with every command."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from viewloom.data.splits import DRAWN
from viewloom.errors import DataError, listed

if TYPE_CHECKING:
    from viewloom.data.dataset import DataConfig

DATASET_FILE = "dataset.yaml"
PATHS = ("features", "labels", "splits", "views_file", "pool_cache")
"""Settings that are paths, relative to the data set's folder."""

C = TypeVar("C", bound="DataConfig")


def with_dataset_file(config: C, root: Path) -> tuple[C, str | None]:
    """Settings completed by the file where the command line left the default, and the data set's name.

    Raises:
        DataError: for a file that is not YAML, an unknown setting, or a value of the wrong kind.
    """
    path = root / DATASET_FILE
    found = _read(path) if path.is_file() else {}
    name = found.pop("name", None)
    from viewloom.data.dataset import DataConfig

    known = {field.name: field.default for field in fields(DataConfig) if field.default is not MISSING}
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise DataError(f"{path} sets {listed(unknown)}; known settings are: {listed(('name', *known), 20)}.")
    hints = get_type_hints(DataConfig)
    for key, value in found.items():
        if not _fits(value, hints[key]):
            raise DataError(f"{path}: {key} is {value!r}, but must be {_told(hints[key])}.")
        if key in PATHS and value is not None and value not in DRAWN:
            found[key] = str(root / value)
    changed = {key: value for key, value in found.items() if getattr(config, key) == known[key]}
    return replace(config, **changed), None if name is None else str(name)


def _read(path: Path) -> dict[str, Any]:
    """The file's table."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is not YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold a table of settings, such as `layout: table`.")
    return {str(key): value for key, value in found.items()}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a setting's type: a Literal's, or one of a union of plain types."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = get_args(hint) or (hint,)
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))


def _told(hint: Any) -> str:
    """A setting's type in words."""
    if get_origin(hint) is Literal:
        return f"one of {listed(get_args(hint))}"
    words = {str: "text", float: "a number", int: "a whole number", type(None): "empty"}
    return " or ".join(words[kind] for kind in get_args(hint) or (hint,))
