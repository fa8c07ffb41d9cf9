"""Segments to files of annotation tools: planned, checked by reading them back, and written whole or not at all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from viewloom.dataset.formats import AnnotationFormat, Writing, by_recording, by_tier
from viewloom.dataset.labels import stop
from viewloom.dataset.named_segments import NamedSegment
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import ConfigError, DataError
from viewloom.files import write_text
from viewloom.outputs import refuse_file

SEVERAL = "labels"
"""What a file of all recordings is called, where only its folder is named."""


def planned_files(
    segments: Sequence[NamedSegment], form: type[AnnotationFormat], out: Path
) -> dict[Path, list[NamedSegment]]:
    """The files that segments go to.

    Formats with all recordings in one file have ``out`` as that file if it has their ending, else ``out/labels.*``;
    others have a file a recording in the folder ``out``, or ``out`` where that is called as the only one. Formats that
    can't hold several tiers have a folder for each.

    Raises:
        ConfigError: a file where a folder is needed.
        DataError: names that can't be files.
    """
    ordered = sorted(segments, key=lambda s: (s.recording, s.tier, s.start, s.end, s.label))
    tiers = by_tier(ordered) if not form.tiers else {"": ordered}
    if out.suffix.lower() in form.suffixes:
        if any(tiers) or not (form.whole or set(by_recording(ordered)) == {out.stem}):
            raise ConfigError(
                f"{out} is a file, but this format needs several, or one that is called as its recording. Pass a "
                f"folder, such as {out.with_suffix('')}."
            )
        return {out: ordered}
    found: dict[Path, list[NamedSegment]] = {}
    for tier, own in tiers.items():
        folder = out / _safe(tier) if tier else out
        parts = {SEVERAL: own} if form.whole else by_recording(own)
        found |= {folder / f"{_safe(name)}{form.suffixes[0]}": part for name, part in parts.items()}
    return found


def write_labels(
    segments: Sequence[NamedSegment],
    form: type[AnnotationFormat],
    out: Path,
    writing: Writing,
    overwrite: bool = False,
) -> list[Path]:
    """Write segments in a format; returns the files, those for the program beside them last.

    Every file is read back before it is written: what a format can't hold is refused, never lost.

    Args:
        segments: of all recordings.
        form: the format.
        out: file or folder, see `planned_files`.
        writing: clock, actions and options.
        overwrite: replace files that are there.

    Raises:
        ConfigError: files that are there already, or settings that the format can't have.
        DataError: no segment, or some that the format can't hold.
    """
    if not segments:
        raise DataError("There is no segment to write. Label some recordings first.")
    files = planned_files(segments, form, out)
    texts = {path: checked_text(own, form, replace(writing, path=path)) for path, own in files.items()}
    for path in files:
        others = form.beside(files[path], replace(writing, path=path))
        texts |= {path.parent / name: text for name, text in others.items()}
    for path in texts:
        refuse_file(path, overwrite)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def checked_text(segments: Sequence[NamedSegment], form: type[AnnotationFormat], writing: Writing) -> str:
    """The text of a file, read back; `DataError` with the first segment that doesn't come back as it was."""
    text = form.write(segments, writing)
    tier = "" if form.tiers else segments[0].tier
    source = SourceFile(writing.path, text.encode(), tier)
    held = form.read(source, writing.clock, stop) if form.matches(source) else []
    wanted = sorted(_held(segment, form) for segment in segments)
    found = sorted(_held(segment, form) for segment in held)
    lost = next((a for a, b in zip(wanted, [*found, None], strict=False) if a != b), None)
    if lost is None and len(found) == len(wanted):
        return text
    recording, view, start, end, label, _ = lost or found[-1]
    raise DataError(
        f"{form.title} can't hold the segment {label!r} of {recording}{f' ({view})' if view else ''} from frame "
        f"{start} to {end} as it is. Choose another --format, or correct the names."
    )


def _held(segment: NamedSegment, form: type[AnnotationFormat]) -> tuple[str, str, int, int, str, float]:
    """What must come back of a segment."""
    sure = segment.confidence if form.confidences and segment.confidence is not None else -1.0
    return segment.recording, segment.tier, segment.start, segment.end, segment.label, round(sure, 4)


def _safe(name: str) -> str:
    """A name that may be a file's or a folder's; `DataError` for one that would lead elsewhere."""
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0") or len(name) > 200:
        raise DataError(
            f"{name[:60]!r} can't be the name of a file. Rename it, or choose a format with all recordings in one "
            "file, such as csv."
        )
    return name
