"""`--config FILE`: read once before the parser does, so that a file from elsewhere sets values and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import ConfigError

CLASS = "class_path"
"""What the parser would import whatever module follows it for."""


def read_config(path: Path | str) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        ConfigError: no such file, no YAML, a key twice, no table, or a class that would have to be imported.
    """
    from viewloom.yaml_files import read_yaml

    found = read_yaml(Path(path), "Pass a YAML file with settings.", ConfigError, "--config ")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"--config {path} must hold a table of settings, such as `epochs: 40`.")
    if CLASS in _keys(found):
        raise ConfigError(
            f"--config {path} names a class ({CLASS}), which would be imported. Settings are plain values; modules "
            "that add methods or heads are named by --plugins."
        )
    return {str(key): value for key, value in found.items()}


def refuse_unusable(args: Sequence[str], settings: type) -> None:
    """`ConfigError` for a file that a line names and that can't be used: see `read_config`, and where one value stands
    for a group of a verb's settings."""
    for word, following in zip(args, [*args, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if name == "--config" and (value or following):
            _refuse_no_groups(value if equals else following, settings)


def _refuse_no_groups(path: str, settings: type) -> None:
    found = read_config(path)
    for entry in fields(settings):
        group = is_dataclass(entry.default_factory) or is_dataclass(entry.default)
        if group and entry.name in found and not isinstance(found[entry.name], dict):
            raise ConfigError(
                f"--config {path}: {entry.name} must hold settings, such as `{entry.name}: {{...}}`, but is "
                f"{found[entry.name]!r}."
            )


def _keys(value: Any) -> Iterator[Any]:
    """Keys of a table and of all tables in it."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    yield from value if isinstance(value, dict) else ()
    for one in inside:
        yield from _keys(one)
