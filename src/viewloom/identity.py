"""What a run is: every setting that changes its result, and the data it rests on, in one place.

Resuming, packing, experiments, result folders and refusals all compare identities and nothing else. A setting
changes the result unless its own definition says otherwise (`free`); data counts by its content, wherever it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from viewloom.errors import listed
from viewloom.ranges import bounded

Facts = Mapping[str, Any]
"""Names and JSON values."""

SHOWN = 4
"""Names that a message lists of one kind."""


def free(**kwargs: Any) -> Any:
    """A dataclass field for a setting that does not change a result, or whose content is compared instead.

    Args:
        kwargs: as `dataclasses.field` takes them, and the bounds of a number (`viewloom.ranges.Range`).
    """
    return field(**bounded({"changes_result": False}, kwargs))


def added(default: Any, **bounds: float) -> Any:
    """A dataclass field for a setting that runs may have been begun without: they did as its default does.

    Args:
        default: its default, which must never change.
        bounds: of a number, as `viewloom.ranges.Range` takes them.
    """
    return field(default=default, **bounded({"added": True}, bounds))


def added_settings(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Names, dotted where nested, and defaults, as JSON has them, of the settings that `added` marks."""
    found: dict[str, Any] = {}
    for entry in fields(settings):
        if entry.metadata.get("changes_result") is False:
            continue
        value = getattr(settings, entry.name)
        if is_dataclass(value):
            found |= added_settings(value, f"{prefix}{entry.name}.")
        elif entry.metadata.get("added", False):
            found[f"{prefix}{entry.name}"] = _as_json(entry.default)
    return found


def settings_of(settings: Any) -> dict[str, Any]:
    """Names, dotted where nested, and values of the settings that change a result; values as JSON has them."""
    found: dict[str, Any] = {}
    for entry in fields(settings):
        if not entry.metadata.get("changes_result", True):
            continue
        value = getattr(settings, entry.name)
        if is_dataclass(value):
            found |= {f"{entry.name}.{name}": inner for name, inner in settings_of(value).items()}
        else:
            found[entry.name] = _as_json(value)
    return found


def _as_json(value: Any) -> Any:
    """A setting's value as JSON has it."""
    return json.loads(json.dumps(value, default=str))


def digest(value: Any) -> str:
    """Hash of a JSON value, 40 hexadecimal digits; the order of names doesn't matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:40]


@dataclass(frozen=True)
class Identity:
    """What a run is.

    Attributes:
        groups: facts by kind: ``settings`` and kinds of content (``features``, ``labels``, ``items`` ...).
    """

    groups: Mapping[str, Facts]

    @property
    def key(self) -> str:
        """Ten hexadecimal digits that two runs share only if they are the same."""
        return digest(self.groups)[:10]

    def differences(self, begun: Identity) -> list[str]:
        """What differs from a run that was begun before, in words; empty where they are the same."""
        names = dict.fromkeys([*begun.groups, *self.groups])
        return [text for name in names for text in _differences(name, self._of(name), begun._of(name))]

    def _of(self, group: str) -> Facts:
        return self.groups.get(group, {})

    def to_json(self) -> dict[str, Any]:
        """JSON values for ``identity.json``."""
        return {"key": self.key, "groups": json.loads(json.dumps(self.groups))}

    @classmethod
    def from_json(cls, value: Any) -> Identity:
        """The identity from its JSON values; KeyError, IndexError, TypeError, ValueError or AttributeError where they
        are none."""
        found = {str(name): dict(facts) for name, facts in value["groups"].items()}
        items = {role: [[str(item[0]), *item[1:]] for item in rows] for role, rows in found.get("items", {}).items()}
        return cls(found | ({"items": items} if "items" in found else {}))


def _differences(group: str, now: Facts, then: Facts) -> list[str]:
    """Differences in one kind of facts: settings with both values, content by what it belongs to."""
    changed = [name for name in dict.fromkeys([*then, *now]) if now.get(name) != then.get(name)]
    if group == "settings":
        return [f"{name} {now.get(name)!r} instead of {then.get(name)!r}" for name in changed]
    if group == "items":
        return [_item_difference(name, now.get(name) or [], then.get(name) or []) for name in changed]
    # Hashes say nothing to anyone; rates, starts and sizes do.
    shown = [name for name in changed if not all(isinstance(facts.get(name), str | None) for facts in (now, then))]
    hashed = [name for name in changed if name not in shown]
    values = [f"{group}: {name} {now.get(name)!r} instead of {then.get(name)!r}" for name in shown]
    return values + ([f"{group} of {listed(hashed, SHOWN)}"] if hashed else [])


def _item_difference(role: str, now: Sequence[Any], then: Sequence[Any]) -> str:
    """How the items of a role differ: which came, which went, or only their order or frames."""
    new, old = ({item[0]: item for item in items} for items in (now, then))
    came, went = [name for name in new if name not in old], [name for name in old if name not in new]
    moved = [name for name in new if name in old and new[name] != old[name]]
    parts = [f"{what} {listed(names, SHOWN)}" for what, names in (("with", came), ("without", went)) if names]
    parts += [f"other frames of {listed(moved, SHOWN)}"] if moved else []
    return f"the {role} items ({'; '.join(parts) or 'in another order'})"


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value is of a setting's type; hints other than those that settings have take any value."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if origin in (Union, UnionType):
        return any(has_type(value, one) for one in inner)
    if origin in (tuple, list):
        return isinstance(value, list | tuple) and all(has_type(entry, inner[0]) for entry in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in (bool, int, str, type(None)) else True
