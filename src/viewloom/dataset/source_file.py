"""A file of another program, read once: its text, lines, JSON or XML, and nothing else that it may ask for."""

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from json.decoder import JSONObject  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any
from xml.parsers import expat

from viewloom.errors import DataError
from viewloom.reading import once, read_bytes, refuse_broken, refuse_nul

DEEPEST = 100
"""Elements inside each other in an XML file; formats have about five."""


class Element:
    """An element of an XML file.

    Attributes:
        tag: its name.
        attributes: by name.
        line: of the file, where it begins.
        children: elements in it, in order.
        text: characters in it, those of its children apart.
    """

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.tag, self.attributes, self.line = tag, attributes, line
        self.children: list[Element] = []
        self.text = ""

    def all(self, *tags: str) -> list["Element"]:
        """Children of these names."""
        return [child for child in self.children if child.tag in tags]

    def find(self, *way: str) -> "Element | None":
        """The first child of a name, in it the first of the next, and so on; None where one isn't there."""
        here: Element | None = self
        for tag in way:
            here = next(iter(here.all(tag)), None) if here is not None else None
        return here


class JsonObject(dict[str, Any]):
    """An object of a JSON file.

    Attributes:
        line: of the file, where it begins.
    """

    line: int = 0


@dataclass(frozen=True)
class SourceFile:
    """A file's bytes, and what they say.

    Attributes:
        path: the file.
        data: what is in it.
        tier: name of the folder that it lies in, where that is one of several for views or annotators; else empty.
    """

    path: Path
    data: bytes
    tier: str = ""

    @classmethod
    def read(cls, path: Path, tier: str = "") -> "SourceFile":
        """A file on disk; `DataError` where it can't be read."""
        return cls(path, read_bytes(path), tier)

    @property
    def stem(self) -> str:
        """Its name without the ending: the recording's, in formats with a file for each."""
        return self.path.stem

    @cached_property
    def text(self) -> str:
        """Its characters, UTF-8, or UTF-16 with a byte-order mark; `DataError` for anything else."""
        encoding = "utf-16" if self.data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            found = self.data.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
        refuse_nul(self.path, found)
        return found

    @cached_property
    def lines(self) -> list[str]:
        """Its lines without their ends (LF, CR LF or CR)."""
        found = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return found[:-1] if found[-1] == "" else found

    @cached_property
    def json(self) -> Any:
        """What a JSON file holds, objects as `JsonObject`; `DataError` with the line where it isn't JSON."""
        try:
            found = _LinedDecoder(self.text).decode(self.text.lstrip())
            refuse_broken(self.text, found)
            return found
        except json.JSONDecodeError as error:
            raise DataError(f"{self.path}, line {error.lineno}: no JSON ({error.msg}). Export it again.") from None
        except (ValueError, RecursionError) as error:
            reason = "too deep" if isinstance(error, RecursionError) else str(error)
            raise DataError(f"{self.path}: no JSON that can be read ({reason}). Export it again.") from None

    @cached_property
    def xml(self) -> Element:
        """The root of an XML file; `DataError` with the line where it isn't XML, and for one with a DOCTYPE: entities
        can grow without end and name other files, and no annotation tool writes them."""
        return _XmlReader(self.path).read(self.data)


class _LinedDecoder(json.JSONDecoder):
    """A JSON decoder whose objects know their lines.

    Args:
        text: the whole file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(parse_constant=_refuse_constant)
        skipped = len(text) - len(text.lstrip())
        self._breaks = [place - skipped for place, sign in enumerate(text) if sign == "\n"]
        self.parse_object = self._object
        self.scan_once = py_make_scanner(self)

    def _object(
        self, begun: tuple[str, int], strict: bool, scan_once: Any, _hook: Any, _pairs_hook: Any, memo: Any
    ) -> tuple[JsonObject, int]:
        line = bisect_right(self._breaks, begun[1] - 1) + 1
        pairs, end = JSONObject(begun, strict, scan_once, None, list, memo)
        try:
            found = JsonObject(once(pairs))
        except ValueError as error:
            raise ValueError(f"in the object that begins in line {line}, {error}") from None
        found.line = line
        return found, end


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


class _XmlReader:
    """Builds `Element` from the events of expat, which reads no other file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.open = [Element("", {}, 0)]

    def read(self, data: bytes) -> Element:
        try:
            self.parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            line = self.parser.CurrentLineNumber
            raise DataError(
                f"{self.path}, line {line}: no XML ({str(error).split(':')[0]}). Export it again."
            ) from None
        return self.open[0].children[0]

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.open) > DEEPEST:
            raise DataError(f"{self.path}, line {self.parser.CurrentLineNumber}: elements too deep. Export it again.")
        element = Element(tag, attributes, self.parser.CurrentLineNumber)
        self.open[-1].children.append(element)
        self.open.append(element)

    def _end(self, tag: str) -> None:
        self.open.pop()

    def _characters(self, text: str) -> None:
        self.open[-1].text += text

    def _refuse_doctype(self, *_: Any) -> None:
        raise DataError(
            f"{self.path}, line {self.parser.CurrentLineNumber}: a DOCTYPE, which no annotation tool writes, can make "
            "a file grow without end. Remove it, if you trust the file."
        )
