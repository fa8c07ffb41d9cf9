"""Events of BORIS, which its projects and its tables share: a beginning and an end make a segment."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, share_in
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError

CONFIDENCE = "confidence"
SURE = re.compile(rf"\b{CONFIDENCE} ([0-9.]+)")
NOBODY = "No focal subject"
"""What BORIS calls events of nobody in its tables."""


class Event(NamedTuple):
    """A moment in which a behaviour begins or ends.

    Attributes:
        time_s: from the beginning of the video.
        subject: whose; empty of nobody.
        code: the behaviour.
        modifiers: of it.
        comment: on the event.
        begins: whether it begins; None where nobody says: then they take turns.
        line: of the file; 0: that of the whole.
    """

    time_s: float
    subject: str
    code: str
    modifiers: str = ""
    comment: str = ""
    begins: bool | None = None
    line: int = 0


def subject_of(name: object) -> str:
    """A subject's name; empty for nobody."""
    text = str(name or "").strip()
    return "" if text == NOBODY else text


def confidence_in(where: str, comment: str) -> float | None:
    """The confidence that a comment holds, as those written here do."""
    found = SURE.search(comment)
    return share_in(where, found[1]) if found is not None else None


def paired(
    events: Iterable[Event], recording: str, source: SourceFile, clock: Clock, line: int, fault: Fault
) -> Iterator[NamedSegment]:
    """Segments of an observation from its events, by subject, behaviour and modifiers.

    Args:
        events: in any order; those of one moment in theirs.
        recording: name of the observation.
        source: the file.
        clock: frames of times.
        line: of the observation in the file, for events that have none.
        fault: is told of a beginning without an end, and the reverse.
    """
    open_at: dict[tuple[str, str, str], Event] = {}
    for event in sorted(events, key=lambda one: (one.time_s, one.begins is True)):
        key = event.subject, event.code, event.modifiers
        begun = open_at.pop(key, None)
        where = f"{source.path}, line {event.line or line}"
        try:
            if (begun is None and event.begins is False) or (begun is not None and event.begins is True):
                raise _unpaired(where, event, recording)
            if begun is None:
                open_at[key] = event
                continue
            confidence = confidence_in(where, begun.comment)
            span = clock.span(where, begun.time_s, event.time_s)
            label, tier = cleaned(event.code), event.subject or source.tier
            yield NamedSegment(recording, *span, label, tier, confidence, begun.line or line)
        except DataError as error:
            fault(error)
    for event in open_at.values():
        fault(_unpaired(f"{source.path}, line {event.line or line}", event, recording))


def _unpaired(where: str, event: Event, recording: str) -> DataError:
    return DataError(
        f"{where}: {event.code!r} of {recording} at {event.time_s:g} s has no other end. Fix it in BORIS "
        "(Observations, Check state events)."
    )
