"""Names: several in one setting, and one as the name of a file."""

import hashlib
from pathlib import Path

SEPARATORS = frozenset('/\\:*?"<>|%')
"""What a file system, or a shell's pattern, takes for something else than part of a name; and what marks these."""
LONGEST = 200
"""Bytes of a file's name, without its suffix; most file systems take 255."""


def names_in(text: str | None) -> tuple[str, ...]:
    """Comma-separated names, in order, without the spaces around them; none of None."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def file_name(name: str) -> str:
    """A view's or recording's name as that of a file: itself where it can be one, and never a path.

    Separators, control characters, and a dot or space at an end are written as %2F and the like, so that different
    names stay different. One that is too long is cut, and ends in a hash of the whole.
    """
    ends = (0, len(name) - 1)
    quoted = "".join(_quoted(c) if _must_be(c, place in ends) else c for place, c in enumerate(name)) or "%"
    if len(quoted.encode("utf-8", "surrogatepass")) <= LONGEST:
        return quoted
    mark = "%" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    kept = quoted.encode("utf-8", "surrogatepass")[: LONGEST - len(mark)].decode("utf-8", "ignore")
    return kept + mark


def predictions_file(folder: Path, view: str) -> Path:
    """Where a run folder, or another one with scores, has truth and predictions of a view's items."""
    return folder / "predictions" / f"{file_name(view)}.json"


def _must_be(char: str, at_an_end: bool) -> bool:
    """Whether a character can't stand as it is."""
    return char in SEPARATORS or not char.isprintable() or (at_an_end and char in ". ")


def _quoted(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
