"""Every class of settings, found by itself, and one that can be made of each."""

import pkgutil
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from types import SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import viewloom
from viewloom.ranges import Settings

NAMED = (SimpleNamespace(name="x"),)
NEEDED = {
    "ExperimentConfig": {"table": "table1"},
    "PushConfig": {"to": "me/run", "licence": "mit"},
    "TransferConfig": {"from_views": "v3", "to_views": "e4"},
    "CurveConfig": {"kind": "pairs", "views": "v3,e4"},
    "ReportConfig": {"runs": "runs"},
    "ConvertConfig": {"kind": "head"},
    "LabelControlConfig": {"control": "clock"},
    "ControlEntry": {"control": "clock"},
    "TuningConfig": {"trials": 1},
    "Comparison": {"data": NAMED, "methods": NAMED, "heads": NAMED, "seeds": (0,), "controls": (), "jobs": 1},
}
"""What has to be set in some classes, and can't be just any text."""


def settings_classes() -> list[type[Settings]]:
    """All classes of settings in viewloom that can be made with what `NEEDED` and any text give."""
    for module in pkgutil.walk_packages(viewloom.__path__, "viewloom."):
        if module.name.endswith("settings"):
            import_module(module.name)
    found = [cls for cls in _below(Settings) if cls.__module__.startswith("viewloom.")]
    return sorted(dict.fromkeys(found), key=lambda cls: (cls.__module__, cls.__name__))


def _below(cls: type) -> list[type]:
    return [one for below in cls.__subclasses__() for one in (below, *_below(below))]


def made(cls: type[Settings], **values: Any) -> Any:
    """Settings of a class: defaults, what has to be set, and ``values``."""
    needed = {
        entry.name: 1.0 if get_type_hints(cls)[entry.name] is float else "x"
        for entry in fields(cls)
        if entry.init and entry.default is MISSING and entry.default_factory is MISSING
    }
    return cls(**needed | NEEDED.get(cls.__name__, {}) | values)


def has_numbers(hint: Any) -> bool:
    """Whether a setting can be a number, or hold some."""
    if get_origin(hint) in (Union, UnionType, tuple, list, dict):
        return any(has_numbers(inner) for inner in get_args(hint))
    return get_origin(hint) is not Literal and hint in (int, float)


def numeric(cls: type[Settings]) -> list[str]:
    """Names of a class's settings that are numbers, or hold some."""
    hints = get_type_hints(cls)
    return [entry.name for entry in fields(cls) if has_numbers(hints[entry.name])]


def is_nested(cls: type[Settings], name: str) -> bool:
    """Whether a setting holds others."""
    return is_dataclass(get_type_hints(cls)[name])
