"""``dataset.yaml`` at the root of a data set: its settings, said once instead of with every command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from viewloom.dataset.settings import DEFAULTS, IN_MEMORY, DataConfig, SamplingConfig, filled
from viewloom.dataset.splits import DRAWN
from viewloom.errors import ConfigError, DataError, listed

DATASET_FILE = "dataset.yaml"
PATHS = ("features", "labels", "splits", "views_file", "pool_cache")
"""Settings that are paths, relative to the data set's folder."""

C = TypeVar("C", bound="DataConfig")
S = TypeVar("S")
T = TypeVar("T")


def complete(config: C, **defaults: Any) -> C:
    """The settings with all that the user left open: as ``dataset.yaml`` says, else the defaults (`DEFAULTS`).

    Args:
        config: settings.
        defaults: a command's own, which come before those.
    """
    return with_dataset_file(config, defaults)[0]


def with_dataset_file(config: C, defaults: Mapping[str, Any] = MappingProxyType({})) -> tuple[C, str | None]:
    """Settings that the user left open (None) as the file has them, else the defaults; and the data set's name.

    The file's ``sampling`` table completes that of a config that has one.

    Args:
        config: settings.
        defaults: as `complete`.

    Raises:
        DataError: for a folder that isn't there, a file that isn't YAML, an unknown setting, a wrong value.
    """
    defaults = {**DEFAULTS, **defaults}
    if config.data == IN_MEMORY:
        return replace(config, **{k: v for k, v in defaults.items() if getattr(config, k) is None}), None
    root = Path(config.data)
    if not root.is_dir():
        raise DataError(f"{root} is {'a file' if root.exists() else 'not there'}; pass the data set's folder.")
    path = root / DATASET_FILE
    found = _read(path) if path.is_file() else {}
    name, table = found.pop("name", None), found.pop("sampling", None)
    names = [field.name for field in fields(DataConfig) if field.default is not MISSING]
    _check_table(str(path), "", found, names, get_type_hints(DataConfig))
    _made(str(path), DataConfig, {"data": config.data, **found})
    for key, value in found.items():
        if key in PATHS and value is not None and value not in DRAWN:
            found[key] = str(root / value)
    below = {**defaults, **{key: value for key, value in found.items() if value is not None}}
    changed = {key: value for key, value in below.items() if getattr(config, key) is None}
    sampling = _sampling(str(path), table)
    own = getattr(config, "sampling", None)
    if isinstance(own, SamplingConfig):
        changed["sampling"] = filled(own, sampling)
    return replace(config, **changed), None if name is None else str(name)


def _sampling(path: str, table: Any) -> SamplingConfig:
    """The file's ``sampling`` table, checked."""
    if table is None:
        return SamplingConfig()
    if not isinstance(table, dict):
        raise DataError(f"{path}: sampling must hold a table of settings, such as `sampling: {{chunk_s: 0.5}}`.")
    hints = get_type_hints(SamplingConfig)
    _check_table(path, "sampling.", table, list(hints), hints)
    return _made(path, SamplingConfig, table)


def _made(path: str, cls: type[S], table: dict[str, Any]) -> S:
    """Settings of a table; `DataError` where they can't be."""
    try:
        return cls(**table)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from None


def _check_table(path: str, prefix: str, table: dict[Any, Any], names: list[str], hints: dict[str, Any]) -> None:
    """`DataError` for settings that aren't known, and for values of another type."""
    unknown = sorted(f"{prefix}{key}" for key in table if key not in names)
    if unknown:
        all_names = names if prefix else ["name", *names, "sampling"]
        raise DataError(f"{path} sets {listed(unknown)}; settings are: {listed(all_names, 30)}.")
    for key, value in table.items():
        if not _fits(value, hints[key]):
            raise DataError(f"{path}: {prefix}{key} is {value!r}, but must be {_in_words(hints[key])}.")


def _read(path: Path) -> dict[str, Any]:
    """The file's table."""
    from viewloom.yaml_files import read_yaml

    found = read_yaml(path)
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold a table of settings, such as `layout: table`.")
    return {str(key): value for key, value in found.items()}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a setting's type, which is a union of plain types, a Literal and a tuple at most."""
    if get_origin(hint) is Literal:
        return any(value == choice for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(entry, get_args(hint)[0]) for entry in value)
    if get_args(hint):
        return any(_fits(value, kind) for kind in get_args(hint))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, hint) or (hint is float and isinstance(value, int))


def _in_words(hint: Any) -> str:
    """A setting's type in words."""
    if get_origin(hint) is Literal:
        return f"one of {listed(get_args(hint))}"
    if get_origin(hint) is tuple:
        return "a list"
    words = {str: "text", float: "a number", int: "a whole number", type(None): "empty"}
    return " or ".join(words[kind] if kind in words else _in_words(kind) for kind in get_args(hint) or (hint,))
