"""Segments as annotation files have them: with the names of recording, tier and action, on one clock of frames."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from viewloom.dataset.labels import Fault
from viewloom.errors import ConfigError, DataError
from viewloom.limits import FARTHEST_FRAME

T = TypeVar("T")

BREAKS = re.compile(r"[\r\n\t\v\f\x85\u2028\u2029]+")
"""What ends a line or cuts fields, so that labels in text files can't have it."""
MOST_FPS_IN_MILLISECONDS = 500
"""Up to this rate a frame is two milliseconds long or more, so that times rounded to whole ones say which it is."""


@dataclass(frozen=True)
class NamedSegment:
    """A labelled stretch of a recording.

    Attributes:
        recording: its name.
        start: first frame.
        end: frame after the last.
        label: name of the action, as `cleaned`.
        tier: what it was labelled in, or by whom: a view, an annotator, a subject; empty where nobody says.
        confidence: of a prediction, from 0 to 1; None of labels.
        line: of the file, from 1; 0 where it has none.
    """

    recording: str
    start: int
    end: int
    label: str
    tier: str = ""
    confidence: float | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Clock:
    """Frames to times and back.

    Attributes:
        fps: frames per second; None where nobody said, which times don't allow.
    """

    fps: float | None

    def span(self, where: str, start_s: float, end_s: float) -> tuple[int, int]:
        """First frame, and the frame after the last, of a stretch in seconds; each the nearest.

        Raises:
            DataError: no frame rate, times that are no times, or a stretch without a frame.
        """
        if self.fps is None:
            raise DataError(f"{where} gives times, but nobody says the features' frame rate. Pass --fps.")
        if not 0 <= start_s <= end_s or end_s * self.fps > FARTHEST_FRAME:
            raise DataError(f"{where}: a segment can't run from {start_s:g} s to {end_s:g} s. Correct the times.")
        start, end = round(start_s * self.fps), round(end_s * self.fps)
        if start >= end:
            raise DataError(
                f"{where}: from {start_s:g} s to {end_s:g} s there is no frame (at {self.fps:g} fps). Segments need a "
                "length; remove a mark of one moment, or give it one."
            )
        return start, end

    def seconds(self, frame: int) -> float:
        """Time of a frame's beginning (s); `ConfigError` without a frame rate."""
        if self.fps is None:
            raise ConfigError("This format has times, but nobody says the frame rate of the labels. Pass --fps.")
        return frame / self.fps

    def milliseconds(self, frame: int) -> int:
        """The same in whole milliseconds; `ConfigError` where they don't tell frames apart."""
        found = round(self.seconds(frame) * 1000)
        if self.fps is not None and self.fps > MOST_FPS_IN_MILLISECONDS:
            raise ConfigError(
                f"This format has whole milliseconds, which tell frames apart up to {MOST_FPS_IN_MILLISECONDS} fps, "
                f"but the rate is {self.fps:g}. Choose csv."
            )
        return found


def cleaned(text: str) -> str:
    """A label on one line: without spaces around it, line breaks and tabs a space each."""
    return " ".join(part.strip(" ") for part in BREAKS.split(text.strip()) if part.strip(" "))


def number_in(where: str, text: object, what: str = "a number") -> float:
    """A finite number from a field, a decimal comma allowed; `DataError` for anything else."""
    try:
        found = float(str(text).strip().replace(",", ".")) if not isinstance(text, bool) else math.nan
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where}: {str(text)[:40]!r} is not {what}. Correct it.")
    return found


def whole_in(where: str, text: object, what: str = "a frame number") -> int:
    """A whole number of 0 or more that can be a frame; `DataError` for anything else."""
    found = number_in(where, text, what)
    if not 0 <= found <= FARTHEST_FRAME or found != int(found):
        raise DataError(f"{where}: {str(text)[:40]!r} is not {what}. Correct it.")
    return int(found)


def share_in(where: str, text: object) -> float | None:
    """A confidence; None of nothing. `DataError` for one that isn't from 0 to 1."""
    if text is None or not str(text).strip():
        return None
    found = number_in(where, text, "a confidence")
    if not 0 <= found <= 1:
        raise DataError(f"{where}: {str(text)[:40]!r} is not a confidence from 0 to 1. Correct it.")
    return found


def each(items: Iterable[T], parse: Callable[[T], Iterable[NamedSegment]], fault: Fault) -> Iterator[NamedSegment]:
    """The segments that each part of a file gives; what is wrong with one goes to ``fault``, and the others count."""
    for item in items:
        try:
            yield from parse(item)
        except DataError as error:
            fault(error)
