"""Segments of annotation files as the labels of a data set."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from viewloom.console import note
from viewloom.dataset.annotation_files import ReadFile, is_annotation_file, read_files, recognise_format
from viewloom.dataset.annotations.csv_table import Csv
from viewloom.dataset.formats import DEFAULT_TIER
from viewloom.dataset.label_files import class_of, read_table
from viewloom.dataset.labels import Annotation, Fault, LabelSet, Row, stop
from viewloom.dataset.multilabel import BUILDERS, class_ids, occurring_actions
from viewloom.dataset.named_segments import NamedSegment
from viewloom.dataset.settings import LabelsMode
from viewloom.dataset.source_file import SourceFile
from viewloom.errors import DataError, listed


def read_labels(
    path: Path,
    fps: float | None,
    actions: Sequence[str] | None = None,
    fault: Fault = stop,
    mode: LabelsMode = "single",
    tier: str | None = None,
    recording: Callable[[str], str] = str,
) -> LabelSet:
    """The labels in a CSV (`viewloom.dataset.label_files.read_table`), or in files of annotation tools.

    Args:
        path: a file, or a folder of them.
        fps: frames per second; None where nobody said, which times don't allow.
        actions: class names by id; None takes the labels that occur, sorted.
        fault: what to do with a bad line or file.
        mode: whether segments of a recording may overlap (multi).
        tier: the view, annotator or subject whose labels to read; None: all, which must agree unless they may overlap.
        recording: maps the name of an annotation to its recording's.

    Raises:
        DataError: nothing that can be read, or tiers that contradict each other.
    """
    if tier is None and path.is_file() and recognise_format(SourceFile.read(path)) is Csv:
        return read_table(path, fps, actions, fault, mode)
    files = read_files(path, fps, fault, tier)
    if actions is None:
        actions = occurring_actions((s.label for file in files for s in file.segments), mode)
    if not any(file.segments for file in files):
        fault(DataError(f"{path} holds no segment. Label some recordings, or pass other --labels."))
    ids, found = class_ids(actions, mode), {}
    for name, (origin, segments) in _by_recording(files).items():
        try:
            agreed = segments if mode == "multi" else agreeing(origin, segments)
            rows = list(_rows(origin, agreed, ids, fault))
            found[name] = BUILDERS[mode](origin, name, recording(name), rows) if rows else None
        except DataError as error:
            fault(error)
    there: dict[str, Annotation] = {name: one for name, one in found.items() if one is not None}
    return LabelSet(tuple(actions), there, mode)


def own_labels(root: Path) -> Path:
    """The labels of a data set in the `table` layout: ``labels.csv``, else the one file ``labels.*`` of an annotation
    tool, else the folder ``labels/``; ``labels.csv`` where there are none. Others beside them are not read, and said.

    Raises:
        DataError: several files, of which none is ``labels.csv``.
    """
    files = [path for path in sorted(root.glob("labels.*")) if is_annotation_file(path)]
    first = root / "labels.csv"
    others = [path for path in files if path != first] + [path for path in [root / "labels"] if path.is_dir()]
    if first in files:
        if others:
            note(
                f"{first} is read, and {listed(path.name for path in others)} beside it is not (--labels names others)."
            )
        return first
    if len(files) > 1:
        raise DataError(f"{root} has several files of labels: {listed(path.name for path in files)}. Pass --labels.")
    return others[0] if others else first


def is_of_tools(labels: Path) -> bool:
    """Whether labels are a file, or a folder of annotation tools' files and not of text files that layouts have."""
    if not labels.is_dir():
        return labels.is_file()
    endings = {path.suffix.lower() for folder in (labels, *labels.iterdir()) for path in _annotation_files(folder)}
    return bool(endings) and ".txt" not in endings


def _annotation_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if is_annotation_file(path)] if folder.is_dir() else []


def _by_recording(files: Sequence[ReadFile]) -> dict[str, tuple[Path, list[NamedSegment]]]:
    """Each recording's segments and the file that they came from; tiers may lie in several files."""
    found: dict[str, tuple[Path, list[NamedSegment]]] = {}
    for file in files:
        for segment in file.segments:
            found.setdefault(segment.recording, (file.path, []))[1].append(segment)
    return dict(sorted(found.items()))


def _rows(path: Path, segments: Sequence[NamedSegment], ids: dict[str, int], fault: Fault) -> list[Row]:
    rows = []
    for segment in segments:
        try:
            label = class_of(f"{path}, line {segment.line}", segment.label, ids)
            rows.append((segment.start, segment.end, label, segment.line))
        except DataError as error:
            fault(error)
    return rows


def agreeing(path: Path, segments: Sequence[NamedSegment]) -> list[NamedSegment]:
    """The segments of one recording, of which a frame may have one label: what several tiers say alike counts once, and
    a frame that two segments share goes to the later one (programs round times, or count the last frame in).

    Raises:
        DataError: tiers that say different things of the same frames.
    """
    said: dict[tuple[int, int, str], NamedSegment] = {}
    for segment in segments:
        key = segment.start, segment.end, segment.label
        if key not in said or said[key].tier == segment.tier:
            said[(*key[:2], f"{key[2]}\0{segment.line}") if key in said else key] = segment
    ordered = sorted(said.values(), key=lambda one: (one.start, one.end))
    cut, shared = [], 0
    for one, after in pairwise([*ordered, None]):
        assert one is not None
        if after is not None and after.start < one.end and one.tier != after.tier:
            raise _contradiction(path, one, after, segments)
        if after is not None and after.start == one.end - 1 > one.start:
            one, shared = NamedSegment(**{**vars(one), "end": after.start}), shared + 1
        cut.append(one)
    if shared:
        note(f"{path}: {shared} segment(s) share their last frame with the next one, to which it is given.")
    return cut


def _contradiction(path: Path, one: NamedSegment, after: NamedSegment, segments: Sequence[NamedSegment]) -> DataError:
    tiers = dict.fromkeys(segment.tier or DEFAULT_TIER for segment in segments)
    return DataError(
        f"{path}, line {after.line}: of frame {after.start} of {after.recording}, {after.tier or DEFAULT_TIER} says "
        f"{after.label!r}, but {one.tier or DEFAULT_TIER} says {one.label!r}. Pass --labels_tier with the one to read, "
        f"of: {listed(tiers, 20)}; or --labels_mode multi, if both are true."
    )
