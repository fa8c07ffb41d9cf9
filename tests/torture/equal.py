"""Whether what a killed command left in the end is what an undisturbed one left, to the bit."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import torch

MAY_DIFFER = {
    "environment.json": ("created", "resumed", "command", "seconds", "processor", "gpu", "commit"),
    "auto.json": ("seconds",),
    "transfer.json": ("seconds",),
    "made.json": ("seconds", "all_seconds", "seconds_of", "created", "command"),
    "outcomes": ("seconds",),
}
"""{file, or its folder: keys of its JSON}, at any depth, that may differ: wall times, dates, the host and how often it
was resumed."""
IN_PAGES = re.compile(
    rb"<dt>(commit|created|command|seconds|resumed)</dt><dd>[^<]*</dd>\s*"
    rb"|\b\d+(\.\d+)? (s|min)\b"
    rb"|\d+(\.\d+)?(?=</td></tr>| \|\n| *\\\\)"
)
"""What pages and tables say of that; wall times stand in the last cell of a row."""
PATHS = ("dirpath", "best_model_path", "last_model_path", "kth_best_model_path", "best_k_models")
"""Keys of checkpoints that name folders."""
LEFT_OUT = re.compile(r"^(.*/)?logs/[^/]+\.log: |^$")
"""Files that may be otherwise: what the runs of a comparison said, which goes on in the same file."""
RESUMED = re.compile(rb"^resume: (true|false)$", re.MULTILINE)
"""In a run's settings: whether it was begun or gone on with when they were written."""


def tree(root: Path) -> dict[str, Path]:
    """{place: file} of a folder; what it links to is left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[path.relative_to(root).as_posix()] = path
    return found


def differences(reference: Path, found: Path) -> list[str]:
    """What differs, a line each."""
    one, other = tree(reference), tree(found)
    lines = [f"missing: {name}" for name in one if name not in other]
    lines += [f"not in the reference: {name}" for name in other if name not in one]
    for name in one.keys() & other.keys():
        lines += [f"{name}: {line}" for line in _of_files(one[name], other[name])]
    return [line for line in lines if not LEFT_OUT.search(line)]


def _of_files(one: Path, other: Path) -> Iterator[str]:
    first, second = one.read_bytes(), other.read_bytes()
    if first == second:
        return
    if one.suffix == ".ckpt":
        yield from list(_of_values(_checkpoint(one), _checkpoint(other), PATHS))[:3]
    elif one.suffix == ".json" and {one.name, one.parent.name} & {*MAY_DIFFER}:
        keys = MAY_DIFFER.get(one.name) or MAY_DIFFER[one.parent.name]
        yield from list(_of_values(json.loads(first), json.loads(second), keys))[:3]
    elif not _same_but_for_times(one, first, second, other):
        at = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
        yield f"{len(first)} and {len(second)} bytes, from byte {at}: {first[at : at + 60]!r}, {second[at : at + 60]!r}"


def _same_but_for_times(one: Path, first: bytes, second: bytes, other: Path) -> bool:
    """Whether pages, tables and settings differ in wall times and in being resumed alone, and stores not in content."""
    if one.suffix in (".html", ".md", ".tex"):
        return IN_PAGES.sub(b"", first) == IN_PAGES.sub(b"", second)
    if one.name == "config.yaml":
        return RESUMED.sub(b"", first) == RESUMED.sub(b"", second)
    if one.suffix == ".mdb":
        return list(_records(one)) == list(_records(other))
    return one.name == "table.csv" and _without_times(one) == _without_times(other)


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of an LMDB, whose pages lie otherwise after more transactions."""
    with lmdb.open(str(path.parent), readonly=True, lock=False) as store, store.begin() as transaction:
        yield from transaction.cursor()


def _without_times(path: Path) -> list[list[str]]:
    """A table without its columns of wall times."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    kept = [column for column, name in enumerate(lines[0]) if "seconds" not in name]
    return [[line[column] for column in kept] for line in lines]


def _checkpoint(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=False)


def _of_values(one: Any, other: Any, skipped: tuple[str, ...], where: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (*one, *(key for key in other if key not in one)):
            if key in skipped:
                continue
            if key in one and key in other:
                yield from _of_values(one[key], other[key], skipped, f"{where}/{key}")
            else:
                yield f"{where}/{key} is in one only"
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _of_values(first, second, skipped, f"{where}/{place}")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.dtype != other.dtype or not torch.equal(_bits(one), _bits(other)):
            yield f"{where}: tensors differ"
    elif isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if not np.array_equal(one, other, equal_nan=True):
            yield f"{where}: arrays differ"
    elif not _same(one, other):
        yield f"{where}: {str(one)[:80]} and {str(other)[:80]}"


def _bits(value: torch.Tensor) -> torch.Tensor:
    return value.contiguous().view(-1).view(torch.uint8) if value.numel() else value.reshape(-1).to(torch.uint8)


def _same(one: Any, other: Any) -> bool:
    """Equal values; of objects without an equality of their own, those of one class and content."""
    if type(one) is type(other) and hasattr(one, "__dict__") and type(one).__eq__ is object.__eq__:
        return not list(_of_values(vars(one), vars(other), PATHS))
    return bool(one == other) or (one != one and other != other)
