"""What is fuzzed: each reader of the project, with a small valid example, its real entry, and what can't be right.

Formats, layouts and stores come from their registries; one without an example fails `readers`.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Facts = Any
"""What a reader gives back, as JSON values."""
MODULES = ("text_readers", "data_readers", "run_readers")
"""Where readers are, in `tests.torture`."""


def _nothing_wrong(folder: Path, facts: Facts) -> str | None:
    return None


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        name: in tables and reproductions.
        make: writes the example into an empty folder.
        files: patterns of the files in it that are spoilt.
        read: the real entry; the folder is also the working directory.
        wrong: why what was read can't be right, as the folder shows by itself; None where nothing shows it.
        strict: whether each of ``files`` must be of its syntax for a success: what isn't read at all may be spoilt.
        weight: how often it is drawn, against others.
    """

    name: str
    make: Callable[[Path], object]
    files: tuple[str, ...]
    read: Callable[[Path], Facts]
    wrong: Callable[[Path, Facts], str | None] = _nothing_wrong
    strict: bool = True
    weight: float = 1.0
    binary: bool = field(default=False)


def readers() -> dict[str, Reader]:
    """All of them, by name."""
    from importlib import import_module

    found = [one for name in MODULES for one in import_module(f"tests.torture.{name}").readers()]
    names = [one.name for one in found]
    assert len(set(names)) == len(names), "each reader has a name of its own"
    return {one.name: one for one in found}


def examples(what: str, registered: Iterable[str], made: Mapping[str, Any]) -> list[str]:
    """The registered names; one without an example is an error that says where it goes."""
    names = list(registered)
    lacking = [name for name in names if name not in made]
    assert not lacking, f"{what} {lacking} have no small example for the fuzzer"
    return names


def badly_written(path: Path) -> str | None:
    """Why a file's text is against its own syntax; None where it isn't, or nobody knows."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix in (".json", ".boris"):
            json.loads(text, object_pairs_hook=_once)
        if path.suffix == ".yaml":
            _refuse_doubled(yaml.compose(text, yaml.SafeLoader), set())
        if path.suffix == ".csv":
            return _bad_table(text)
    except (UnicodeDecodeError, OSError, RecursionError):
        return None
    except (ValueError, yaml.YAMLError) as error:
        return f"{path.name}: {str(error).splitlines()[0][:80]}"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _refuse_doubled(node: Any, seen: set[int]) -> None:
    if node is None or isinstance(node, yaml.ScalarNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise ValueError("a key is there twice")
    for child in (child for entry in node.value for child in (entry if isinstance(entry, tuple) else (entry,))):
        _refuse_doubled(child, seen)


def _bad_table(text: str) -> str | None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    sign = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        rows = [row for row in csv.reader(lines, delimiter=sign, strict=True) if any(map(str.strip, row))]
    except csv.Error as error:
        return f"no table: {error}"
    head = [name.strip() for name in rows[0]] if rows else []
    if len(set(filter(None, head))) < len(list(filter(None, head))):
        return "a column is there twice"
    longer = next((row for row in rows if any(cell.strip() for cell in row[len(head) :])), None)
    return None if longer is None else "a row has more fields than the header"


def bad_segments(segments: Iterable[tuple[int, int]], overlap: bool = False) -> str | None:
    """Why spans can't be segments of one recording."""
    before = -1
    for start, end in sorted(segments):
        if not 0 <= start < end <= 1 << 41:
            return f"a segment from {start} to {end}"
        if start < before and not overlap:
            return f"a segment from {start} begins before {before}, where the one before ends"
        before = end
    return None


def bad_share(value: Any) -> bool:
    """Whether a number can't be a share."""
    return value is not None and not (math.isfinite(value) and 0 <= value <= 1)


def doubled_in(path: Path, pattern: str) -> bool:
    """Whether a text says the same thing twice, of things that are there once."""
    if not path.is_file():
        return False
    found = re.findall(pattern, path.read_text(encoding="utf-8", errors="replace"))
    return len(set(found)) < len(found)
