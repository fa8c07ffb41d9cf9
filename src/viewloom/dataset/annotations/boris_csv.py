"""Tables of events that BORIS exports (``.csv``, ``.tsv``): all recordings in one file, times in milliseconds.

Source: BORIS user guide, Export events, https://www.boris.unito.it/user_guide/export_events/. Aggregated events have
a row a state event, from ``Start (s)`` to ``Stop (s)``; they are what is written. Tabular events, which are read too,
have a row a beginning and a row an end. Point events have no length and are refused. Subjects are tiers; how sure a
prediction is stands in the comment on its beginning.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from viewloom.dataset.boris_events import CONFIDENCE, NOBODY, Event, confidence_in, paired, subject_of
from viewloom.dataset.formats import AnnotationFormat, Writing
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, number_in
from viewloom.dataset.source_file import SourceFile
from viewloom.dataset.text_files import CsvTable, read_csv
from viewloom.errors import DataError
from viewloom.registry import FORMATS

OBSERVATION, SUBJECT, BEHAVIOUR, KIND = "Observation id", "Subject", "Behavior", "Behavior type"
START, STOP, TIME, STATUS = "Start (s)", "Stop (s)", "Time", "Status"
COLUMNS = (
    *(OBSERVATION, "Observation date", "Description", "Observation type", "Source", "Time offset (s)"),
    *("Coding duration", "Media duration (s)", "FPS (frame/s)", SUBJECT),
    *("Observation duration by subject by observation", BEHAVIOUR, "Behavioral category", KIND, START, STOP),
    *("Duration (s)", "Media file name", "Image index start", "Image index stop", "Image file path start"),
    *("Image file path stop", "Comment start", "Comment stop"),
)
BEGINS = {"START": True, "STOP": False, "STATE": None, "STATE EVENT": None, "": None}
"""Whether an event begins something, by its status or type; None: beginnings and ends take turns."""
PREAMBLE = 60
"""Lines in which the header of a table is looked for: older exports describe the observation first."""
Row = tuple[int, dict[str, str]]


@FORMATS.register("boris_csv")
class BorisCsv(AnnotationFormat):
    """``.csv``."""

    title = "BORIS, aggregated or tabular events"
    suffixes = (".csv", ".tsv")
    whole = True
    tiers = True
    confidences = True

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """Its columns tell."""
        return _header(source) is not None

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """The state events of every observation."""
        header = _header(source)
        assert header is not None, "`matches` was asked"
        table = read_csv(source.path, source.lines[header:])
        rows = [(line + header, fields) for line, fields in table.rows]
        only = _only_observation(source, header)
        named = [(line, {OBSERVATION: only, **fields}) for line, fields in rows]
        if START in table.columns:
            return list(each(named, lambda row: _aggregated(source, clock, table, row), fault))
        found: dict[str, list[Event]] = {}
        for line, fields in named:
            try:
                found.setdefault(fields[OBSERVATION], []).append(_event(source, table, line, fields))
            except DataError as error:
                fault(error)
        return [s for name, events in found.items() for s in paired(events, name, source, clock, header + 1, fault)]

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """Aggregated events."""
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for s in segments:
            start, stop = (writing.clock.milliseconds(frame) / 1000 for frame in (s.start, s.end))
            named = {OBSERVATION: s.recording, SUBJECT: s.tier or NOBODY, BEHAVIOUR: s.label, KIND: "STATE"}
            times = {START: f"{start:.3f}", STOP: f"{stop:.3f}", "Duration (s)": f"{stop - start:.3f}"}
            frames = {"Image index start": s.start, "Image index stop": s.end, "FPS (frame/s)": writing.clock.fps}
            sure = {} if s.confidence is None else {"Comment start": f"{CONFIDENCE} {s.confidence:.4f}"}
            video = {"Media file name": writing.video(s.recording, s.tier) or ""}
            table.writerow({**named, **times, **frames, **sure, **video, "Observation type": "MEDIA"})
        return text.getvalue()


def _header(source: SourceFile) -> int | None:
    """How many lines stand before the header; None where there is none."""
    for place, line in enumerate(source.lines[:PREAMBLE]):
        names = {name.strip().strip('"') for sign in ",;\t" for name in line.split(sign)}
        if BEHAVIOUR in names and ({START, STOP} <= names or (TIME in names and names & {STATUS, KIND})):
            return place
    return None


def _only_observation(source: SourceFile, header: int) -> str:
    """The observation of a table that says it once, before its header; else the file's name."""
    rows = (line.replace("\t", ",").replace(";", ",").split(",") for line in source.lines[:header])
    found = (row[1].strip().strip('"') for row in rows if row[0].strip().strip('"') == OBSERVATION and len(row) > 1)
    return next(found, source.stem)


def _checked(source: SourceFile, table: CsvTable, line: int, fields: Mapping[str, str], wanted: Sequence[str]) -> str:
    """The place of a row for messages; `DataError` for a row that is too short, or of a point event."""
    where = f"{source.path}, line {line}"
    table.check_length(where, dict(fields), tuple(wanted))
    if fields.get(KIND, "").upper() == "POINT" or fields.get(STATUS, "").upper() == "POINT":
        raise DataError(
            f"{where}: {fields[BEHAVIOUR]!r} is a point event, without a length. Leave point events out of the export."
        )
    return where


def _aggregated(source: SourceFile, clock: Clock, table: CsvTable, row: Row) -> Iterator[NamedSegment]:
    line, fields = row
    where = _checked(source, table, line, fields, (BEHAVIOUR, START, STOP))
    start_s, stop_s = (number_in(where, fields[name], "a number of seconds") for name in (START, STOP))
    span, tier = clock.span(where, start_s, stop_s), subject_of(fields.get(SUBJECT)) or source.tier
    confidence = confidence_in(where, fields.get("Comment start", ""))
    yield NamedSegment(fields[OBSERVATION], *span, cleaned(fields[BEHAVIOUR]), tier, confidence, line)


def _event(source: SourceFile, table: CsvTable, line: int, fields: Mapping[str, str]) -> Event:
    """A row of tabular events."""
    where = _checked(source, table, line, fields, (BEHAVIOUR, TIME))
    status = (fields.get(STATUS) or fields.get(KIND) or "").upper()
    if status not in BEGINS:
        raise DataError(f"{where}: {status[:40]!r} is neither START nor STOP. Correct it, or export the table again.")
    time_s = number_in(where, fields[TIME], "a number of seconds")
    modifiers = "|".join(value for name, value in fields.items() if name.startswith("Modifier"))
    own = subject_of(fields.get(SUBJECT)), fields[BEHAVIOUR], modifiers, fields.get("Comment", "")
    return Event(time_s, *own, BEGINS[status], line)
