"""viewloom's own CSV: all recordings in one table, in frames, seconds or milliseconds.

Columns: ``recording``, ``view`` (where segments have a tier), ``start,end`` (or ``start_s,end_s``,
``start_ms,end_ms``), ``label``, and ``confidence`` (of predictions). Read as
`viewloom.dataset.label_files.read_table` says.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence

from viewloom.dataset.formats import AnnotationFormat, Unit, Writing
from viewloom.dataset.label_files import table_parser
from viewloom.dataset.labels import Fault
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, each, share_in
from viewloom.dataset.source_file import SourceFile
from viewloom.dataset.text_files import read_csv
from viewloom.files import in_cell
from viewloom.registry import FORMATS

COLUMNS: dict[Unit, tuple[str, str]] = {
    "frames": ("start", "end"),
    "seconds": ("start_s", "end_s"),
    "milliseconds": ("start_ms", "end_ms"),
}


@FORMATS.register("csv")
class Csv(AnnotationFormat):
    """``.csv``."""

    title = "CSV"
    suffixes = (".csv", ".tsv")
    whole = True
    tiers = True
    confidences = True
    timed = False
    precedence = 1

    @classmethod
    def matches(cls, source: SourceFile) -> bool:
        """Any table that isn't another program's; the reader says which columns it misses."""
        return True

    @classmethod
    def read(cls, source: SourceFile, clock: Clock, fault: Fault) -> list[NamedSegment]:
        """A segment a row; a column ``view`` or ``tier`` says its tier."""
        table = read_csv(source.path, source.lines)
        parse = table_parser(source.path, table, clock.fps)

        def segment(row: tuple[int, dict[str, str]]) -> Iterator[NamedSegment]:
            line, fields = row
            where = f"{source.path}, line {line}"
            recording, start, end, label = parse(where, fields)
            tier = fields.get("view") or fields.get("tier") or source.tier
            confidence = share_in(where, fields.get("confidence"))
            yield NamedSegment(recording, start, end, cleaned(label), tier, confidence, line)

        return list(each(table.rows, segment, fault))

    @classmethod
    def write(cls, segments: Sequence[NamedSegment], writing: Writing) -> str:
        """A row a segment; columns of tiers and confidences only where there are any."""
        tiers, sure = any(s.tier for s in segments), any(s.confidence is not None for s in segments)
        time, text = _times(writing), io.StringIO()
        table = csv.writer(text, lineterminator="\n", delimiter=writing.delimiter)
        own = ["view"] if tiers else []
        table.writerow(["recording", *own, *COLUMNS[writing.unit], "label", *(["confidence"] if sure else [])])
        for s in segments:
            tail = [_decimal(f"{s.confidence:.4f}" if s.confidence is not None else "", writing)] if sure else []
            names = [in_cell(name) for name in (s.recording, *([s.tier] if tiers else []))]
            table.writerow([*names, time(s.start), time(s.end), in_cell(s.label), *tail])
        return text.getvalue()


def _times(writing: Writing) -> Callable[[int], str]:
    """How a frame is written, by the unit."""
    if writing.unit == "frames":
        return str
    if writing.unit == "milliseconds":
        return lambda frame: _decimal(f"{writing.clock.seconds(frame) * 1000:.3f}".rstrip("0").rstrip("."), writing)
    return lambda frame: _decimal(f"{writing.clock.seconds(frame):.6f}", writing)


def _decimal(number: str, writing: Writing) -> str:
    """A number as spreadsheets read it that separate fields by semicolons: with a comma."""
    return number.replace(".", ",") if writing.delimiter == ";" else number
