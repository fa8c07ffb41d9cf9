"""Files of annotation tools: which format each is, and the segments in a file or a folder of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from viewloom.dataset.formats import DEFAULT_TIER, AnnotationFormat
from viewloom.dataset.labels import Fault, check_segment, stop
from viewloom.dataset.named_segments import Clock, NamedSegment
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import ConfigError, DataError, listed
from viewloom.registry import FORMATS


@dataclass(frozen=True)
class ReadFile:
    """A file that was read.

    Attributes:
        path: the file.
        form: its format.
        segments: what it holds, in its order.
    """

    path: Path
    form: type[AnnotationFormat]
    segments: list[NamedSegment]


def read_files(path: Path, fps: float | None, fault: Fault = stop, tier: str | None = None) -> list[ReadFile]:
    """The segments of a file, or of all files of a folder whose endings are known; each is recognised by its content.

    Files in the folder's subfolders are of the tier that the subfolder is called, as `viewloom predict` writes views.

    Args:
        path: file or folder.
        fps: frames per second; None where nobody said, which times don't allow.
        fault: what to do with a bad line or file.
        tier: the only one to read; None: all.

    Raises:
        DataError: no such file, none of a known format, no such tier, or a tier of a recording in two files.
    """
    found: list[ReadFile] = []
    for source in _sources(path):
        try:
            form = recognise_format(source)
            segments = form.read(source, Clock(fps), fault)
            found.append(ReadFile(source.path, form, [one for one in segments if _can_be(source.path, one, fault)]))
        except DataError as error:
            fault(error)
    return _of_one_file_each(found if tier is None else [_of_tier(found, path, tier, read) for read in found], fault)


def is_annotation_file(path: Path) -> bool:
    """Whether a path could be an annotation file: it isn't hidden, and a format has its ending."""
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in _suffixes()


def recognise_format(source: SourceFile) -> type[AnnotationFormat]:
    """The format of a file, by its ending and content; `DataError` where it is none that is known."""
    forms: list[type[AnnotationFormat]] = FORMATS.ordered()
    own = [form for form in forms if source.path.suffix.lower() in form.suffixes]
    found = next((form for form in own if form.matches(source)), None)
    if found is not None:
        return found
    if own:
        names = listed((form.title for form in own), 20)
        raise DataError(f"{source.path} is none of: {names}. Export it again, or leave it out of the folder.")
    unzip = " Unpack it first." if source.path.suffix.lower() == ".zip" else ""
    endings = listed(sorted(_suffixes()), 20)
    raise DataError(f"{source.path} has an ending that no annotation format has; known are {endings}.{unzip}")


def format_named(name: str) -> type[AnnotationFormat]:
    """The format of a name; `ConfigError` that lists those there are."""
    found: type[AnnotationFormat] = FORMATS.get(name)
    return found


def _can_be(path: Path, segment: NamedSegment, fault: Fault) -> bool:
    """Whether a segment has a name, a length and frames that can be; else the fault is told."""
    try:
        if not segment.label or not segment.recording:
            what = "recording" if segment.label else "action"
            raise DataError(f"{path}, line {segment.line}: the {what} has no name. Name it, or remove the segment.")
        check_segment(path, (segment.start, segment.end, 0, segment.line))
    except DataError as error:
        fault(error)
        return False
    return True


def _suffixes() -> set[str]:
    return {suffix for form in FORMATS.ordered() for suffix in form.suffixes}


def _sources(path: Path) -> Iterator[SourceFile]:
    """The file, or the files of a folder and of the folders in it."""
    if not path.is_dir():
        yield SourceFile.read(path)
        return
    folders = [child for child in sorted(path.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    files = [(child, "") for child in sorted(path.iterdir()) if is_annotation_file(child)]
    files += [
        (child, folder.name) for folder in folders for child in sorted(folder.iterdir()) if is_annotation_file(child)
    ]
    if not files:
        raise DataError(
            f"{path} holds no annotation file ({listed(sorted(_suffixes()), 20)}). Pass the folder that does."
        )
    for file, tier in files:
        yield SourceFile.read(file, tier)


def _of_one_file_each(files: list[ReadFile], fault: Fault) -> list[ReadFile]:
    """The files, each without what one before it labels: a tier of a recording comes from one file alone."""
    origins: dict[tuple[str, str], Path] = {}
    for file in files:
        for key in dict.fromkeys((segment.recording, segment.tier) for segment in file.segments):
            if key in origins:
                fault(DataError(f"{origins[key]} and {file.path} both label {key[0]}. Remove one of them."))
            origins.setdefault(key, file.path)
    return [
        ReadFile(file.path, file.form, [s for s in file.segments if origins[s.recording, s.tier] == file.path])
        for file in files
    ]


def _of_tier(all_files: list[ReadFile], path: Path, tier: str, read: ReadFile) -> ReadFile:
    """A file's segments of one tier."""
    own = "" if tier == DEFAULT_TIER else tier
    there = sorted({segment.tier or DEFAULT_TIER for file in all_files for segment in file.segments})
    if there and (own or DEFAULT_TIER) not in there:
        raise ConfigError(f"{path} has no tier {tier!r}; it has: {listed(there, 20)}.")
    return ReadFile(read.path, read.form, [segment for segment in read.segments if segment.tier == own])
