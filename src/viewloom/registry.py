"""Named parts: methods, heads and data-set layouts, each found in its folder by itself.

Adding a part is adding one file: put it in the folder, decorate the class with ``@HEADS.register("name")``
(or ``METHODS``, ``DATASETS``), and every command, test and page that goes over the registry knows it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

from viewloom.errors import ConfigError, listed

T = TypeVar("T", bound=type)


class Registry:
    """Names to classes; the modules of ``package`` are imported at the first look-up, not before.

    Args:
        kind: what the entries are called in messages ("head").
        package: dotted name of the folder whose modules register entries.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, type] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[T], T]:
        """Class decorator that files the class under ``name``; a name can be taken once."""

        def file(cls: T) -> T:
            known = self._entries.get(name)
            assert known is None or known.__qualname__ == cls.__qualname__, f"{self.kind} {name!r} is taken"
            self._entries[name] = cls
            return cls

        return file

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted."""
        self._import_all()
        return tuple(sorted(self._entries))

    def get(self, name: str) -> Any:
        """The class registered as ``name``; raises `ConfigError` naming the known ones."""
        self._import_all()
        if name not in self._entries:
            raise ConfigError(f"There is no {self.kind} {name!r}; known: {listed(self.names(), 30)}.")
        return self._entries[name]

    def name_of(self, cls: type) -> str:
        """The name ``cls`` is registered under."""
        self._import_all()
        return next(name for name, entry in self._entries.items() if entry is cls)

    def _import_all(self) -> None:
        if self._complete:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, f"{self.package}."):
            importlib.import_module(module.name)
        self._complete = True


HEADS = Registry("head", "viewloom.heads")
METHODS = Registry("method", "viewloom.methods")
DATASETS = Registry("data-set layout", "viewloom.dataset.layouts")
