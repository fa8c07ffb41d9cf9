"""Settings from keywords: lists of names, and nested ones as dictionaries, checked as the command line checks them."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.settings import DataConfig
from viewloom.errors import ConfigError, listed
from viewloom.identity import has_type
from viewloom.registry import OPTIONS

C = TypeVar("C", bound=DataConfig)


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
    """Settings of a command on an opened data set.

    Settings of the method or head may stand among the others (``stem="cca"``), where no other has their name.

    Raises:
        ConfigError: a setting of the data set, which is open already; or see `built`.
    """
    shared = {entry.name: getattr(dataset.config, entry.name) for entry in fields(DataConfig)}
    late = [name for name in values if name in shared]
    if late:
        raise ConfigError(
            f"{listed(late)} can't be set any more: the data set is open. Pass it to open_dataset, or a folder here."
        )
    config: C = built(cls, shared | _options_apart(cls, values))
    return config


def _options_apart(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords with those of the method or head in a dictionary of their own."""
    own = {entry.name: entry for entry in fields(cls)}
    found = dict(values)
    for option, (registry, chooser) in OPTIONS.items():
        if option in own:
            inner = {
                entry.name for entry in fields(registry.settings(str(values.get(chooser) or own[chooser].default)))
            }
            moved = {name: found.pop(name) for name in values if name in inner and name not in own}
            if moved:
                found[option] = as_dict(found.get(option)) | moved
    return found


def built(cls: Any, values: Mapping[str, Any]) -> Any:
    """A settings dataclass from keywords: lists of names joined, dictionaries made what their setting holds."""
    hints, entries = get_type_hints(cls), {entry.name: entry for entry in fields(cls)}
    unknown = [name for name in values if name not in entries]
    if unknown:
        near = get_close_matches(unknown[0], entries, 3)
        hint = f" Did you mean {listed(near)}?" if near else ""
        raise ConfigError(f"There is no setting {unknown[0]!r} here.{hint} There are: {listed(sorted(entries), 40)}.")
    required = [name for name, entry in entries.items() if entry.default is entry.default_factory is MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigError(f"The setting {missing[0]!r} is missing here, and has no default. Set it.")
    built = {}
    for name, value in values.items():
        value = value.item() if isinstance(value, np.generic) else value
        if name in OPTIONS:
            registry, chooser = OPTIONS[name]
            value = _nested(name, registry.settings(values.get(chooser, entries[chooser].default)), value)
        elif entries[name].default_factory is not MISSING and is_dataclass(hints[name]):
            value = _nested(name, hints[name], value)
        elif not isinstance(value, str) and has_type("", hints[name]) and isinstance(value, list | tuple):
            value = ",".join(map(str, value))
        elif isinstance(value, Path):
            value = str(value)
        if name not in OPTIONS and not is_dataclass(value) and not has_type(value, hints[name]):
            wanted = str(hints[name]).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
            raise ConfigError(f"The setting {name!r} must be {wanted}, but is {value!r}.")
        built[name] = value
    return cls(**built)


def _nested(name: str, cls: Any, value: Any) -> Any:
    """Settings that another holds, from a dictionary or as they are; None leaves them open."""
    if isinstance(value, Mapping):
        return built(cls, value)
    if value is not None and not isinstance(value, cls):
        raise ConfigError(f"The setting {name!r} must be a dictionary of settings, but is {value!r}.")
    return value


def as_dict(options: Any) -> dict[str, Any]:
    """Options as a dictionary."""
    if options is None or isinstance(options, Mapping):
        return dict(options or {})
    return {entry.name: getattr(options, entry.name) for entry in fields(options)}
