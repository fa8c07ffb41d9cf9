"""Methods, heads, layouts and stores of other packages: imported when they may be needed, never in the way of others.

A package adds its own by an entry point in the group ``viewloom.methods``, ``viewloom.heads``, ``viewloom.layouts``,
``viewloom.stores`` or ``viewloom.formats``, which names a module or class that registers itself; a module that isn't
installed as a package is named by ``--plugins``. One that can't be imported costs a note; only what needs it stops.
"""

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

GROUPS = ("viewloom.methods", "viewloom.heads", "viewloom.layouts", "viewloom.stores", "viewloom.formats")
"""Entry-point groups."""

FAULTS: dict[str, str] = {}
"""Plugins that couldn't be imported, and why."""


def import_modules(names: Iterable[str]) -> None:
    """Import modules that a user named, also from the current folder; ``times.py`` is a module by its file."""
    for name in names:
        path = Path(name)
        here, module = (path.parent, path.stem) if path.suffix == ".py" else (Path(), name)
        if str(here.resolve()) not in sys.path:
            sys.path.append(str(here.resolve()))  # a console script doesn't look where it is started
        _try(f"{name} (--plugins)", "Correct it, or leave it out of --plugins", import_module, module)


def import_group(group: str) -> None:
    """Import what installed packages offer in a group of entry points."""
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        package = "an unknown package" if point.dist is None else point.dist.name
        _try(f"{point.value} of {package}", f"Repair or uninstall {package}", point.load)


def _try(plugin: str, remedy: str, load: Any, *args: str) -> None:
    try:
        load(*args)
    except Exception as error:  # noqa: BLE001  # whatever foreign code does, other commands go on
        from viewloom.console import note

        FAULTS[plugin] = f"{type(error).__name__}: {error}".splitlines()[0]
        note(f"the plugin {plugin} can't be imported ({FAULTS[plugin]}), so what it adds is not there. {remedy}.")
