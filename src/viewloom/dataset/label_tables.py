"""Labels of annotation tools as tables, for notebooks: the columns that `viewloom.predict` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset import label_writing
from viewloom.dataset.annotation_files import format_named, read_files
from viewloom.dataset.convert_labels import occurring
from viewloom.dataset.formats import Writing
from viewloom.dataset.named_segments import Clock, NamedSegment, cleaned, share_in, whole_in
from viewloom.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("recording", "view", "start", "end", "label", "confidence")


def read_labels(path: str | Path, fps: float | None = None, tier: str | None = None) -> DataFrame:
    """The segments in a file of an annotation tool, or in a folder of them; the format is recognised.

    Args:
        path: file or folder; see ``viewloom convert-labels --help``.
        fps: frames per second, which formats with times need.
        tier: the only view, annotator or subject to read; None: all.

    Returns:
        One line a segment: recording, view (the tier, empty where there is none), start and end (frames, end
        exclusive), label, confidence (of predictions).

    Raises:
        DataError: files that can't be read, with the line.
    """
    from pandas import DataFrame

    found = [segment for file in read_files(Path(path), fps, tier=tier) for segment in file.segments]
    rows = [(s.recording, s.tier, s.start, s.end, s.label, s.confidence) for s in found]
    table: DataFrame = DataFrame(rows, columns=list(COLUMNS))
    table["confidence"] = table["confidence"].astype(float)
    return table


def write_labels(
    table: DataFrame,
    out: str | Path,
    format: str,
    fps: float | None = None,
    *,
    actions: Sequence[str] | None = None,
    videos: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a table of segments, such as `viewloom.predict` or `read_labels` gives, for an annotation tool.

    Args:
        table: columns recording, start, end (frames, end exclusive), label, and perhaps view and confidence.
        out: file or folder.
        format: name of the format: elan, label_studio, ...
        fps: frames per second, which formats with times need.
        actions: all actions, for the tool's vocabulary; None: those that occur.
        videos: where the videos are, with ``{recording}`` and ``{view}``.
        overwrite: replace files that are there.

    Returns:
        The files written.

    Raises:
        DataError: segments that can't be, or that the format can't hold.
        ConfigError: no such format, or files that are there.
    """
    missing = [name for name in ("recording", "start", "end", "label") if name not in table.columns]
    if missing:
        raise DataError(
            f"The table of segments has no column {missing[0]!r}; it has: {', '.join(map(str, table.columns))}."
        )
    segments = list(_segments(table.to_dict("records")))
    names = tuple(actions) if actions is not None else occurring(segments)
    writing = Writing(Clock(fps), names, Path(out), videos)
    return label_writing.write_labels(segments, format_named(format), Path(out), writing, overwrite)


def _segments(rows: Sequence[dict[Any, Any]]) -> Iterator[NamedSegment]:
    for place, row in enumerate(rows):
        where, sure = f"row {place} of the table", row.get("confidence")
        start, end = (whole_in(where, row[name]) for name in ("start", "end"))
        label, tier = cleaned(str(row["label"])), row.get("view")
        if start >= end or not label:
            raise DataError(f"{where}: a segment needs an action, and an end behind its start ({start} to {end}).")
        confidence = None if sure is None or sure != sure else share_in(where, sure)
        yield NamedSegment(str(row["recording"]), start, end, label, str(tier or ""), confidence)
