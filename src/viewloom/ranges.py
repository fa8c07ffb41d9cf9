"""The range of every setting: it stands beside the setting's default, and is checked here, whenever one is set.

Settings of the command line, of `--config` files, of Python's keywords and of recipes all become a dataclass of
`Settings`, and that looks at the ranges of its fields before anything else does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

from viewloom.errors import ConfigError
from viewloom.outputs import refuse_blank

RANGE = "range"
"""What the metadata of a field calls its range."""
HUGE = 2**63
"""Whole numbers from here on don't fit where libraries keep them."""
BOUNDS = ("at_least", "above", "at_most", "below")
SEED: Mapping[str, float] = {"at_least": 0, "at_most": 2**32 - 1}
"""Bounds of a seed: what numpy takes."""
SHARE: Mapping[str, float] = {"at_least": 0, "at_most": 1}
"""Bounds of a share, a probability, a quantile."""
DROPPED: Mapping[str, float] = {"at_least": 0, "below": 1}
"""Bounds of a share of which something must be left."""
RATE: Mapping[str, float] = {"at_least": 0.001, "at_most": 10_000}
"""Bounds of frames per second."""
PROCESSES: Mapping[str, float] = {"at_least": 0, "at_most": 1024}
"""Bounds of processes where 0 stands for none besides this one."""
LAYERS: Mapping[str, float] = {"at_least": 1, "at_most": 1000}
"""Bounds of layers, stages and blocks."""
WIDTH: Mapping[str, float] = {"at_least": 1, "at_most": 65_536}
"""Bounds of channels and features."""
FRAMES: Mapping[str, float] = {"at_least": 1, "at_most": 10_000_000}
"""Bounds of frames and of steps: days of a recording."""
SECONDS: Mapping[str, float] = {"at_least": 0, "at_most": 86_400}
"""Bounds of a time (s): a day."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers that a setting can be; not-a-number, infinity and whole ones that 64 bits don't hold never are.

    Attributes:
        at_least: the least of them.
        above: what they are all greater than.
        at_most: the greatest of them.
        below: what they are all less than.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (abs(number) < HUGE or not isinstance(number, int))
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.at_most is None or number <= self.at_most)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f"from {_plain(self.at_least)} to {_plain(self.at_most)}"
        low = f"{_plain(self.at_least)} or more" if self.at_least is not None else ""
        low = f"above {_plain(self.above)}" if self.above is not None else low
        high = f"{_plain(self.at_most)} at most" if self.at_most is not None else ""
        high = f"below {_plain(self.below)}" if self.below is not None else high
        return " and ".join(filter(None, (low, high))) or "a finite number"


ANY = Range()


def bounded(metadata: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `dataclasses.field` from those of a function that makes one: bounds go into its metadata.

    Args:
        metadata: what else the field says of itself.
        arguments: bounds, as `Range` takes them, among those of `dataclasses.field`.
    """
    bounds = {name: arguments[name] for name in BOUNDS if name in arguments}
    others = {name: value for name, value in arguments.items() if name not in bounds}
    return {**others, "metadata": {**metadata, **({RANGE: Range(**bounds)} if bounds else {})}}


def ranged(default: Any = MISSING, **arguments: Any) -> Any:
    """A dataclass field for a setting that is a number, or several, within bounds; None is no number.

    Args:
        default: its default; without one it has to be set.
        arguments: bounds, as `Range` takes them; a ``default_factory``.
    """
    return field(default=default, **bounded({}, arguments))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every dataclass of settings is. Numbers outside their ranges, and files and folders without a name, are
    refused before a class checks what else it has to, also where its ``__post_init__`` doesn't call that of the class
    above it.
    """

    called = ""  # no annotation: it is no setting
    """What holds these settings in a command, before their names in messages; empty: their room."""

    def __init_subclass__(cls, called: str | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        cls.called = cls.called if called is None else called
        own = vars(cls).get("__post_init__")
        if own is not None:
            cls.__post_init__ = _behind_ranges(own)  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        refuse_outside(self)

    def _settle(self, **values: Any) -> None:
        """Put settings into the form that code takes, while they are made; their ranges hold for that too."""
        for name, value in values.items():
            object.__setattr__(self, name, value)
        refuse_outside(self, *values)


def _behind_ranges(own: Any) -> Any:
    """A ``__post_init__`` that comes after the ranges have been looked at."""

    @wraps(own)
    def checked(self: Settings) -> None:
        refuse_outside(self)
        own(self)

    return checked


def refuse_outside(settings: Settings, *names: str) -> None:
    """Compare settings with their ranges.

    Args:
        settings: a dataclass of settings.
        names: those to look at; none: all.

    Raises:
        ConfigError: see `refuse`; or a file or folder without a name.
    """
    place = settings.called or _room(type(settings))
    for entry in fields(settings):
        if not names or entry.name in names:
            refuse(entry.name, getattr(settings, entry.name), entry.metadata.get(RANGE, ANY), place)
            refuse_blank(entry.name, getattr(settings, entry.name), place)


def refuse(name: str, value: Any, allowed: Range, place: str) -> None:
    """Compare a value with a range.

    Args:
        name: what it is called.
        value: a number, or several in a list or a table; anything else, such as text and None, is let be.
        allowed: the range.
        place: what it is a setting of.

    Raises:
        ConfigError: a number lies outside.
    """
    numbers = tuple(_numbers(value))
    if not all(number in allowed for number in numbers):
        finite = all(map(math.isfinite, numbers))
        more = (
            ""
            if all(abs(number) < HUGE for number in numbers)
            else ", and fit into 64 bits"
            if finite
            else ", and finite"
        )
        raise ConfigError(f"{name} is {', '.join(map(str, numbers))}: it has to be {allowed}{more} ({place}.{name}).")


def ranges_of(settings: type, before: str = "") -> dict[str, Range]:
    """The ranges of a class's settings by their names, dotted where one holds others.

    Args:
        settings: the class.
        before: what stands before the names.
    """
    found, hints = dict[str, Range](), get_type_hints(settings)
    for entry in fields(settings):
        if RANGE in entry.metadata:
            found[f"{before}{entry.name}"] = entry.metadata[RANGE]
        elif is_dataclass(hints[entry.name]):
            found |= ranges_of(hints[entry.name], f"{before}{entry.name}.")
    return found


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a setting's value: itself, or its entries."""
    entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else (value,)
    return (entry for entry in entries if isinstance(entry, int | float) and not isinstance(entry, bool))


def _plain(number: float) -> str:
    """A bound as people write it."""
    return f"{number:,}" if isinstance(number, int) and number < 2**31 else f"{number:.10g}"


def _room(settings: type) -> str:
    """The room that a class is in, or its package where that isn't viewloom."""
    return settings.__module__.removeprefix("viewloom.").partition(".")[0]
