"""Ways to spoil a file, each drawn from a generator of random numbers: by bytes, by lines, by fields, by the tree."""

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Rng = np.random.Generator
ABSOLUTE = "/viewloom-fuzz/outside"
"""A path that nothing may ever be written to."""
NUMBERS: tuple[Any, ...] = (0, -1, float("nan"), float("inf"), -float("inf"), 1e13, 1e308, 0.5, 2**31, 2**63, 10**40)
TEXTS = (
    *("", " ", "../../x", ABSOLUTE, "a\0b", "x" * 255, "y" * 5000, "\u202etxt\u202c", "=cmd()", "+1", "-1"),
    *("\ud800", "\ufeffname", "line\nbreak", "tab\there", "nan", "inf", "1e400", "1,5", "0x10", "9" * 400),
    *("ä", "拧紧", "\x1b[31mred", "null", "true", "~", "CON", ".", "..", "'", '"', "\\", "%00", "*"),
)
TYPES: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"a": 1}, "text", 1, 1.5, [1, 2], "")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def pick(rng: Rng, options: Any) -> Any:
    """One of several."""
    return options[int(rng.integers(len(options)))]


def mutated(path: Path, rng: Rng) -> str:
    """Spoil a file where it stands; what was done, in words."""
    if rng.random() < 0.02:
        return _replaced(path, rng)
    data, done = path.read_bytes(), []
    for _ in range(int(pick(rng, (1, 1, 1, 1, 2, 3)))):
        change = pick(rng, _changes(path, data))
        data = change(data, rng)
        done.append(change.__name__.strip("_"))
    path.write_bytes(data)
    return f"{path.name}: {', '.join(done)}"


def _changes(path: Path, data: bytes) -> list[Callable[[bytes, Rng], bytes]]:
    """What can be done with a file: half of it by its structure, where it is text."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return list(BYTES)
    kind = {".json": _json, ".yaml": _yaml, ".csv": _cells, ".txt": _cells, ".tsv": _cells, ".bundle": _cells}
    own = kind.get(path.suffix) or (_json if data[:1] in (b"{", b"[") else None)
    return [*BYTES, *TEXT, *([own] * (len(BYTES) + len(TEXT)) if own else [])]


def _replaced(path: Path, rng: Rng) -> str:
    """Something else where the file stood."""
    what = pick(rng, ("pipe", "folder", "loop", "gone", "empty"))
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "empty":
        path.write_bytes(b"")
    return f"{path.name}: {what}"


def _place(data: bytes, rng: Rng) -> int:
    return int(rng.integers(len(data) + 1))


def _flipped(data: bytes, rng: Rng) -> bytes:
    """Up to eight bits."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        found[int(rng.integers(len(found)))] ^= 1 << int(rng.integers(8))
    return bytes(found)


def _cut(data: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)]


def _zeros(data: bytes, rng: Rng) -> bytes:
    """A page, or less of a small file."""
    size = min(4096, max(1, len(data) // 4))
    at = _place(data, rng) // size * size
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]


def _inserted(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]


def _removed(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 60)) :]


def _repeated(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    piece = data[at : at + int(rng.integers(1, 200))]
    return data[:at] + piece * int(rng.integers(2, 5)) + data[at + len(piece) :]


def _counts(data: bytes, rng: Rng) -> bytes:
    """Four or eight bytes that may be a length or an offset."""
    size = int(pick(rng, (4, 8)))
    at = _place(data, rng) // 4 * 4
    value = int(pick(rng, (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)))
    return data[:at] + value.to_bytes(8, "little")[:size] + data[at + size :]


def _lines(data: bytes, rng: Rng) -> bytes:
    """A line twice, gone, exchanged with another, empty, or cut."""
    lines = data.split(b"\n")
    at, other = (int(rng.integers(len(lines))) for _ in range(2))
    what = pick(rng, ("twice", "gone", "exchanged", "empty", "cut", "last"))
    if what == "exchanged":
        lines[at], lines[other] = lines[other], lines[at]
    else:
        own = {
            "twice": [lines[at]] * 2,
            "gone": [],
            "empty": [b"", lines[at]],
            "cut": [lines[at][: len(lines[at]) // 2]],
        }
        lines[at : at + 1] = own.get(what, [lines[at], b"x"])
    return b"\n".join(lines)


def _number(data: bytes, rng: Rng) -> bytes:
    """One of its numbers another."""
    text = data.decode("utf-8", "surrogateescape")
    found = list(NUMBER.finditer(text))
    if not found:
        return data
    one, value = pick(rng, found), pick(rng, (*NUMBERS, "", "9" * 5000, "1.5", "-0"))
    return (text[: one.start()] + str(value) + text[one.end() :]).encode("utf-8", "surrogateescape")


def _word(data: bytes, rng: Rng) -> bytes:
    """One of its words another."""
    text = data.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r"\w+", text))
    if not found:
        return data
    one = pick(rng, found)
    return (text[: one.start()] + pick(rng, TEXTS) + text[one.end() :]).encode("utf-8", "surrogatepass")


def _sign(data: bytes, rng: Rng) -> bytes:
    """A mark that has a meaning somewhere."""
    at = _place(data, rng)
    sign = pick(
        rng, ('"', "'", ",", ";", "\t", "\r", "\n\n", "{", "]", "<", "&", "#", "\0", "\ufeff", "\u2028", "*a", "\f")
    )
    return data[:at] + sign.encode() + data[at:]


def _encoded(data: bytes, rng: Rng) -> bytes:
    """In another encoding, or marked as one."""
    text = data.decode("utf-8", "replace")
    how = pick(rng, ("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32", "crlf", "bom16"))
    if how == "crlf":
        return text.replace("\n", "\r\n").encode()
    return b"\xff\xfe" + data if how == "bom16" else text.encode(how, "replace")


def _deep(data: bytes, rng: Rng) -> bytes:
    """Thousands of brackets or elements inside each other, somewhere or instead."""
    depth = int(pick(rng, (90, 1000, 20000, 100000)))
    begin, end = pick(rng, ((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"- ", b"")))
    inside = begin * depth + b"1" + end * depth
    at = _place(data, rng)
    return inside if rng.random() < 0.5 else data[:at] + inside + data[at:]


def _cells(data: bytes, rng: Rng) -> bytes:
    """Cells, columns and rows of a table."""
    text = data.decode("utf-8", "replace")
    sign = max(",\t; ", key=text.split("\n")[0].count)
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=sign)) or [[""]]
    except csv.Error:  # a field beyond its limit
        return _flipped(data, rng)
    at = int(rng.integers(len(rows)))
    cell = int(rng.integers(max(1, len(rows[at]))))
    value = str(pick(rng, (*NUMBERS, *TEXTS)))
    what = pick(
        rng, ("cell", "cell", "cell", "column gone", "column twice", "field more", "field less", "exchanged", "name")
    )
    if what == "cell":
        rows[at][cell : cell + 1] = [value]
    elif what == "column gone":
        rows = [row[:cell] + row[cell + 1 :] for row in rows]
    elif what == "column twice":
        rows = [row[: cell + 1] + row[cell:] for row in rows]
    elif what == "field more":
        rows[at].append(value)
    elif what == "field less":
        rows[at] = rows[at][:-1]
    elif what == "exchanged":
        rows[at] = rows[at][::-1]
    else:
        rows[0][cell % max(1, len(rows[0])) : cell + 1] = [pick(rng, (value, *rows[0]))]
    out = io.StringIO()
    try:
        csv.writer(out, delimiter=sign, lineterminator="\n").writerows(rows)
    except csv.Error:
        return data
    return out.getvalue().encode("utf-8", "surrogatepass")


DOUBLED = "\u0001"
"""Marks a key that is written as the one before it, once more."""


def _tree(value: Any, rng: Rng) -> Any:
    """A tree of values with one place changed."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(value)
    if not places or rng.random() < 0.03:
        return pick(rng, (*NUMBERS, *TEXTS, *TYPES))
    node, key = pick(rng, places)
    what = pick(rng, ("number", "text", "type", "gone", "twice", "renamed", "wrapped", "exchanged", "deep", "negative"))
    if what == "gone":
        del node[key]
    elif what == "twice" and isinstance(node, list):
        node.insert(key, node[key])
    elif what == "twice":
        node[f"{key}{DOUBLED}"] = pick(rng, (node[key], *NUMBERS, *TYPES))
    elif what == "renamed" and isinstance(node, dict):
        node[pick(rng, TEXTS)] = node.pop(key)
    elif what == "exchanged":
        other, place = pick(rng, places)
        if isinstance(node.get(key) if isinstance(node, dict) else node[key], int | float | str):
            node[key] = other[place] if isinstance(other[place], int | float | str) else node[key]
    elif what == "negative" and isinstance(node[key], int | float):
        node[key] = -node[key]
    else:
        options = {"number": NUMBERS, "text": TEXTS, "type": TYPES, "wrapped": ([node[key]], {"a": node[key]})}
        node[key] = "DEEP" if what == "deep" else pick(rng, options.get(what, TYPES))
    return value


def _finished(text: str, rng: Rng) -> bytes:
    """A tree's text with doubled keys and deep places written out."""
    depth = int(pick(rng, (90, 150, 2000, 100000)))
    text = re.sub(r"(\\u0001|\\x01)", "", text).replace('"DEEP"', "[" * depth + "]" * depth)
    return text.encode("utf-8", "surrogatepass")


def _json(data: bytes, rng: Rng) -> bytes:
    """A JSON file with one place of its tree changed."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _flipped(data, rng)
    return _finished(json.dumps(_tree(value, rng), ensure_ascii=bool(rng.random() < 0.5), indent=1), rng)


def _yaml(data: bytes, rng: Rng) -> bytes:
    """A YAML file with one place of its tree changed, or with an alias, a tag, a merge."""
    if rng.random() < 0.1:
        extra = (
            b"\na: &a [1]\nb: [*a, *a]\n",
            b"\n<<: {fps: 3}\n",
            b"\nx: !!python/object:os.system {}\n",
            b"\n...\n---\na: 1\n",
        )
        return data + pick(rng, extra)
    try:
        value = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        return _flipped(data, rng)
    dump = json.dumps(_tree(value, rng), ensure_ascii=False) if rng.random() < 0.5 else None
    text = yaml.safe_dump(_tree(value, rng), sort_keys=False) if dump is None else dump
    return _finished(text, rng)


BYTES = (_flipped, _cut, _zeros, _inserted, _removed, _repeated, _counts)
TEXT = (_lines, _lines, _number, _number, _word, _sign, _encoded, _deep)
