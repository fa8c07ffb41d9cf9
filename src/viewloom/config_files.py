"""`--config FILE`: read once before the parser does, so that a file from elsewhere sets values and nothing else.

A file may have a table in a file of its own (``trainer: other.yaml``), and so may the line (``--trainer other.yaml``);
those are the parser's to open, and what it reads goes through the same check.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import ConfigError

CLASS = "class_path"
"""What the parser would import whatever module follows it for."""
CONFIG = "config"
"""A file that names another one instead of its settings."""
PLUGINS, BACKBONE, OF_A_MODULE = "plugins", "backbone", "py:"
"""Settings that name modules, which only who types the command may."""
OWN_FILE = (".yaml", ".yml", ".json")
"""How the name of a file ends that holds a table of another."""


def read_config(path: Path | str) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        ConfigError: no such file, no YAML, a key twice, no table, or code that would have to be imported.
    """
    from viewloom.yaml_files import read_yaml

    found = read_yaml(Path(path), "Pass a YAML file with settings.", ConfigError, "--config ")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"--config {path} must hold a table of settings, such as `epochs: 40`.")
    if code := code_in(found):
        raise ConfigError(f"--config {path} names {code}.")
    return {str(key): value for key, value in found.items()}


def code_in(found: Any) -> str | None:
    """What a file has besides values, code to import or another file, and what to do; None where it has none."""
    if CLASS in _keys(found):
        return (
            f"a class ({CLASS}), which would be imported. Settings are plain values; modules that add methods or heads "
            "are named by --plugins"
        )
    table = found if isinstance(found, dict) else {}
    if table.get(CONFIG):
        return f"another file ({CONFIG}). Write that file's settings into this one"
    if table.get(PLUGINS):
        return f"modules to import ({PLUGINS}). If you trust them, leave that out and put --plugins on the line"
    if str(table.get(BACKBONE, "")).startswith(OF_A_MODULE):
        return f"a module to import ({BACKBONE}). If you trust it, leave that out and put --backbone on the line"
    return None


def refuse_unusable(args: Sequence[str], settings: type) -> None:
    """`ConfigError` for a file that a line names and that can't be used: see `read_config`, and where one value stands
    for a group of a verb's settings."""
    guard_parser()
    for word, following in zip(args, [*args, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if name == "--config" and (value or following):
            _refuse_no_groups(value if equals else following, settings)


def _refuse_no_groups(path: str, settings: type) -> None:
    found = read_config(path)
    for entry in fields(settings):
        group = is_dataclass(entry.default_factory) or is_dataclass(entry.default)
        given = found.get(entry.name, {})
        own_file = isinstance(given, str) and given.endswith(OWN_FILE)
        if group and not isinstance(given, dict) and not own_file:
            raise ConfigError(
                f"--config {path}: {entry.name} must hold settings, such as `{entry.name}: {{...}}`, but is {given!r}."
            )


def guard_parser() -> None:
    """Have the parser look at every text before it reads it: limits of `load_yaml`, and no code."""
    import yaml
    from jsonargparse import get_loader, set_loader

    from viewloom.yaml_files import load_yaml

    given = get_loader("yaml")
    if getattr(given, "looks_first", False):
        return

    def load(text: str) -> Any:
        if code := code_in(load_yaml(text)):
            raise yaml.YAMLError(f"names {code}")
        return given(text)

    load.looks_first = True  # type: ignore[attr-defined]
    set_loader("yaml", load, (yaml.YAMLError,))


def _keys(value: Any) -> Iterator[Any]:
    """Keys of a table and of all tables in it."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    yield from value if isinstance(value, dict) else ()
    for one in inside:
        yield from _keys(one)
