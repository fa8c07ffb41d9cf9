"""Named methods, heads, data-set layouts and feature stores, each found in its folder by itself.

Adding one is adding one file: put it in the folder, decorate the class with ``@HEADS.register("name")`` (or
``METHODS``, ``LAYOUTS``, ``STORES``), and every command, test and page that goes over the registry has it. A method or
head nests its settings, a frozen dataclass, as ``Config``; those that come with viewloom have theirs in the folder's
``settings.py``, and the methods' table of them in ``all_settings.py``, so that ``--help`` need not wait for torch.
Other packages add theirs as `viewloom.plugins` says.
"""

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

from viewloom.errors import ConfigError, listed
from viewloom.plugins import FAULTS, import_group

T = TypeVar("T", bound=type)


class Registry:
    """Names to classes; nothing is imported before the first look-up.

    Args:
        kind: what the entries are called in messages ("head").
        package: dotted name of the folder whose modules register entries.
        group: entry-point group by which other packages add theirs.
        settings: module with the table ``SETTINGS`` of the built-in entries' settings, if they have any.
    """

    def __init__(self, kind: str, package: str, group: str, settings: str | None = None) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._settings = settings
        self._entries: dict[str, type] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[T], T]:
        """Class decorator that files the class under ``name``; a name can be taken once."""

        def file(cls: T) -> T:
            if not self._is_own(cls) and self._has(name):
                raise ConfigError(f"{cls.__module__} can't add the {self.kind} {name!r}: viewloom has one. Rename it.")
            other = self._entries.get(name)
            if other is not None and other.__qualname__ != cls.__qualname__:
                raise ConfigError(f"{other.__module__} and {cls.__module__} both add the {self.kind} {name!r}.")
            self._entries[name] = cls
            return cls

        return file

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted."""
        self._import_all()
        return tuple(sorted(self._entries))

    def get(self, name: str) -> Any:
        """The class registered as ``name``; `ConfigError` that lists the names there are."""
        self._import_all()
        if name not in self._entries:
            broken = f" {listed(FAULTS)} can't be imported." if FAULTS else ""
            raise ConfigError(
                f"There is no {self.kind} {name!r}; there are: {listed(self.names(), 30)}. For one of another package "
                f"install that package, or pass --plugins MODULE.{broken}"
            )
        return self._entries[name]

    def settings(self, name: str) -> Any:
        """The settings class of an entry, its ``Config``; for a built-in one without importing what it computes."""
        table = self._table()
        return table[name] if name in table else self.get(name).Config

    def ordered(self) -> list[Any]:
        """All classes in the order in which they are asked whether a folder is theirs: by `precedence`, then name."""
        self._import_all()
        return [cls for _, cls in sorted(self._entries.items(), key=lambda entry: (entry[1].precedence, entry[0]))]  # type: ignore[attr-defined]

    def name_of(self, cls: type) -> str:
        """The name ``cls`` is registered under."""
        self._import_all()
        return next(name for name, entry in self._entries.items() if entry is cls)

    def _table(self) -> Mapping[str, type]:
        """Settings of the built-in entries; empty where they have none."""
        return import_module(self._settings).SETTINGS if self._settings else {}

    def _is_own(self, cls: type) -> bool:
        return cls.__module__.startswith(f"{self.package}.")

    def _has(self, name: str) -> bool:
        """Whether viewloom itself has an entry of that name; entries without settings are imported fast."""
        if self._settings is None:
            self._import_built_in()
        return name in self._table() or (name in self._entries and self._is_own(self._entries[name]))

    def _import_built_in(self) -> None:
        for module in pkgutil.iter_modules(import_module(self.package).__path__, f"{self.package}."):
            import_module(module.name)

    def _import_all(self) -> None:
        if self._complete:
            return
        self._import_built_in()
        self._complete = True
        import_group(self.group)


HEADS = Registry("head", "viewloom.heads", "viewloom.heads", "viewloom.heads.settings")
METHODS = Registry("method", "viewloom.methods", "viewloom.methods", "viewloom.methods.all_settings")
LAYOUTS = Registry("data-set layout", "viewloom.dataset.layouts", "viewloom.layouts")
STORES = Registry("feature store", "viewloom.features", "viewloom.stores")
FORMATS = Registry("annotation format", "viewloom.dataset.annotations", "viewloom.formats")

OPTIONS: Mapping[str, tuple[Registry, str]] = {"head_options": (HEADS, "head"), "method_options": (METHODS, "method")}
"""Settings whose class is an entry's of a registry, and the setting that names the entry."""
