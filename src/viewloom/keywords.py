"""Settings from keywords: lists of names, and nested ones as dictionaries, checked as the command line checks them."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, listed
from viewloom.identity import has_type
from viewloom.registry import HEADS, METHODS, Registry

C = TypeVar("C", bound=DataConfig)
OPTIONS: Mapping[str, tuple[Registry, str]] = {"head_options": (HEADS, "head"), "method_options": (METHODS, "method")}
"""Settings whose class is an entry's of a registry, and the setting that names the entry."""


def own_settings(config: DataConfig, *without: str, **renamed: str) -> dict[str, Any]:
    """Settings of a command that are not its data set's: what its function here takes as keywords.

    Args:
        config: settings of a command.
        without: settings to leave out.
        renamed: what the function calls a setting.
    """
    names = {entry.name for entry in fields(config)} - {entry.name for entry in fields(DataConfig)} - set(without)
    return {renamed.get(name, name): getattr(config, name) for name in sorted(names)}


def settings_on(cls: type[C], dataset: MultiViewDataset, values: Mapping[str, Any]) -> C:
    """Settings of a command on an opened data set."""
    shared = {entry.name: getattr(dataset.config, entry.name) for entry in fields(DataConfig)}
    config: C = built(cls, shared | dict(values))
    return config


def built(cls: Any, values: Mapping[str, Any]) -> Any:
    """A settings dataclass from keywords: lists of names joined, dictionaries made what their setting holds."""
    hints, entries = get_type_hints(cls), {entry.name: entry for entry in fields(cls)}
    unknown = [name for name in values if name not in entries]
    if unknown:
        near = get_close_matches(unknown[0], entries, 3)
        hint = f" Did you mean {listed(near)}?" if near else ""
        raise ConfigError(f"There is no setting {unknown[0]!r} here.{hint} There are: {listed(sorted(entries), 40)}.")
    built = {}
    for name, value in values.items():
        if name in OPTIONS:
            registry, chooser = OPTIONS[name]
            value = _nested(registry.settings(values.get(chooser, entries[chooser].default)), value)
        elif entries[name].default_factory is not MISSING and is_dataclass(hints[name]):
            value = _nested(hints[name], value)
        elif not isinstance(value, str) and has_type("", hints[name]) and isinstance(value, list | tuple):
            value = ",".join(map(str, value))
        elif isinstance(value, Path):
            value = str(value)
        if name not in OPTIONS and not is_dataclass(value) and not has_type(value, hints[name]):
            wanted = str(hints[name]).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
            raise ConfigError(f"The setting {name!r} must be {wanted}, but is {value!r}.")
        built[name] = value
    return cls(**built)


def _nested(cls: Any, value: Any) -> Any:
    return built(cls, value) if isinstance(value, Mapping) else value


def as_dict(options: Any) -> dict[str, Any]:
    """Options as a dictionary."""
    if options is None or isinstance(options, Mapping):
        return dict(options or {})
    return {entry.name: getattr(options, entry.name) for entry in fields(options)}
