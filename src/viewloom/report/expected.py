"""What a JSON file of a run must look like: shapes to compare a value with, and what differs, in words.

A shape is a type; `NUMBER` or `COUNT`; a list of one shape, for a list of such; an object of shapes by key, where a key
that ends in ``?`` may be left out and ``*`` stands for all others; or `Maybe`, a shape or null.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewloom.errors import DataError, listed

LARGEST = 1e15
"""Of a number: figures, frames and seconds of recordings stay far below."""
ROUNDED = 1e-6
"""By how much a sum of shares may miss."""


@dataclass(frozen=True)
class Kind:
    """A kind of value: words for a message, and the test."""

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Maybe:
    """A shape, or null."""

    shape: Any


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST and math.isfinite(value)


NUMBER = Kind("a number", _number)
SHARE = Kind("a number from 0 to 1", lambda value: _number(value) and -ROUNDED <= value <= 1 + ROUNDED)
PERCENT = Kind("a number from 0 to 100", lambda value: _number(value) and -ROUNDED <= value <= 100 + ROUNDED)
COUNT = Kind("a whole number, 0 or more", lambda value: type(value) is int and 0 <= value < LARGEST)
RATE = Kind("a number above 0", lambda value: _number(value) and value > 0)
TEXT = Kind("a text", lambda value: isinstance(value, str))
TEXTS = [TEXT]
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
FIGURES = Kind("an object whose numbers are finite", lambda value: isinstance(value, dict) and _finite(value))


def _finite(value: Any) -> bool:
    """Whether all numbers in a value are."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict | list):
            todo += one.values() if isinstance(one, dict) else one
        elif type(one) in (int, float) and not _number(one):
            return False
    return True


def expect(value: Any, shape: Any, path: Path, remedy: str) -> None:
    """`DataError` that names the place where a value isn't as the shape asks."""
    found = misfit(value, shape, "")
    if found:
        raise DataError(f"{path}: {found}. {remedy}")


def refuse_twice(names: Sequence[str], what: str, path: Path, remedy: str) -> None:
    """`DataError` where one of the names that ``what`` lists is there twice."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(f"{path}: {what} has {listed([name[:80] for name in twice], 3)} twice. {remedy}")


def misfit(value: Any, shape: Any, where: str) -> str:
    """The first difference in words; empty where there is none."""
    if isinstance(shape, Maybe):
        return "" if value is None else misfit(value, shape.shape, where)
    if isinstance(shape, Kind):
        return "" if shape.fits(value) else f"{where or 'it'} must be {shape.words}, but is {_shown(value)}"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where or 'it'} must be a list, but is {_shown(value)}"
        return _first(misfit(one, shape[0], f"{where}[{place}]") for place, one in enumerate(value))
    if not isinstance(value, Mapping):
        return f"{where or 'it'} must be an object, but is {_shown(value)}"
    return _misfit_of_keys(value, shape, where)


def _misfit_of_keys(value: Mapping[str, Any], shape: Mapping[str, Any], where: str) -> str:
    named = {key.removesuffix("?"): of for key, of in shape.items() if key != "*"}
    lacking = [key for key in shape if key != "*" and not key.endswith("?") and key not in value]
    if lacking:
        return f"{where or 'it'} has no {', '.join(lacking[:8])}"
    return _first(
        misfit(one, named.get(key, shape.get("*")), f"{where}.{key[:40]}".lstrip("."))
        for key, one in value.items()
        if key in named or "*" in shape
    )


def _first(texts: Any) -> str:
    return next((text for text in texts if text), "")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "null" if value is None else repr(value)[:60]
