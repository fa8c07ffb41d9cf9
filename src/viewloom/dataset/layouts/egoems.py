"""EgoEMS (Weerasinghe et al., AAAI 2026): emergency care before a worn and often a fixed camera, with keysteps.

``Annotations/aaai26_main_annotation_segmentation.json`` lists subjects, scenarios and trials; a trial has ``keysteps``
with ``start_t`` and ``end_t`` in seconds, ``label`` and ``class_id``, and ``streams`` whose npy files, (T, D), one row
a video frame, lie in ``<subject>/<scenario>/<trial>/<stream>/``. ``Annotations/splits/trials`` has the same for the
trials of each role (README and Dataset/ of github.com/UVA-DSA/EgoEMS, which reads frames at 29.97 a second). A trial
is a recording, ``P0_cardiac_arrest_s11``; a stream is a view, such as ``clip_ego`` and ``clip_exo``.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.console import note
from viewloom.dataset.json_files import entry, first_there, ordered_by_id, read_json, refuse_second, safe_name
from viewloom.dataset.label_files import Parsed, read_rows
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles
from viewloom.dataset.named_files import npy_files
from viewloom.dataset.settings import settled
from viewloom.dataset.splits import Role, Splits
from viewloom.errors import listed
from viewloom.features.places import FeatureFile
from viewloom.features.views import Kind, View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

FPS = 29.97
"""Frames per second of videos and features."""
MAIN = ("Annotations/aaai26_main_annotation_segmentation.json", "Annotations/main_annotation_segmentation.json")
LISTS = "Annotations/splits/trials/{before}{role}_split_segmentation.json"
ROLES: tuple[Role, ...] = ("train", "val", "test")


@LAYOUTS.register("egoems")
class EgoEms(Layout):
    """One JSON of subjects, scenarios and trials; npy files a stream; 29.97 frames a second."""

    expects = f"{MAIN[0]}, <subject>/<scenario>/<trial>/<stream>/*.npy"

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The JSON of annotations tells."""
        return first_there(root, MAIN) is not None

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Keysteps of the segmentation task, and the streams that are on disk."""
        path = Path(config.labels) if config.labels else first_there(root, MAIN)
        assert path is not None
        trials = _trials(path)
        files = [] if config.features else [file for name in trials for file in _files(path, root, name, trials[name])]

        def read(fps: float | None, fault: Fault) -> LabelSet:
            rate = fps or FPS
            short: list[str] = []
            rows = _rows(path, trials, rate, short)
            found = read_rows(path, rows, _actions(path, trials), fault, settled(config.labels_mode))
            if short:
                note(f"{len(short)} keysteps are shorter than a frame at {rate:g} a second, and left out.")
            return found

        return LayoutFiles(
            features=Path(config.features) if config.features else root if files else None,
            labels=read,
            splits=None,
            views=_views(files) if files else None,
            fps=FPS,
            opens=npy_files(root, files, "td") if files else None,
            lists=(lambda labels, recordings: _splits(root, recordings)) if _list(root, "train") else None,
        )


def _trials(path: Path) -> dict[str, tuple[tuple[str, str, str], Any]]:
    """{recording: ((subject, scenario, trial), its entry)}; `DataError` where two trials would be one recording."""
    found: dict[str, tuple[tuple[str, str, str], Any]] = {}
    for subject in entry(path, "the file", read_json(path), "subjects", list):
        one = safe_name(path, entry(path, "a subject", subject, "subject_id", str))
        for scenario in entry(path, one, subject, "scenarios", list):
            two = safe_name(path, entry(path, one, scenario, "scenario_id", str))
            for trial in entry(path, f"{one}, {two}", scenario, "trials", list):
                three = safe_name(path, entry(path, f"{one}, {two}", trial, "trial_id", str))
                name, parts = f"{one}_{two}_{three}", (one, two, three)
                refuse_second(path, name, "/".join(parts), "/".join(found[name][0]) if name in found else None)
                found[name] = (parts, trial)
    return found


def _files(path: Path, root: Path, recording: str, trial: tuple[tuple[str, str, str], Any]) -> Iterator[FeatureFile]:
    """npy files of a trial's streams that are on disk; of the listed paths, which are of another machine, the name."""
    for stream, value in sorted(entry(path, recording, trial[1], "streams", dict).items()):
        listed = value.get("file_path") if isinstance(value, Mapping) else None
        if isinstance(listed, str) and listed.endswith(".npy"):
            file = root.joinpath(*trial[0], safe_name(path, stream), safe_name(path, listed.split("/")[-1]))
            if file.is_file():
                yield FeatureFile(recording, stream, file)


def _views(files: Collection[FeatureFile]) -> ViewTable:
    """A view for each stream: exo where its name ends so, else of the responder's camera."""
    kinds: dict[bool, Kind] = {True: "exo", False: "ego"}
    streams = sorted({file.camera for file in files})
    return ViewTable(tuple(View(stream, kinds[stream.endswith("exo")], (stream,)) for stream in streams))


def _keysteps(path: Path, trials: Mapping[str, tuple[Any, Any]]) -> Iterator[tuple[str, str, Any]]:
    """(recording, place, keystep) of every trial."""
    for recording, (_, trial) in trials.items():
        for number, keystep in enumerate(entry(path, recording, trial, "keysteps", list), 1):
            yield recording, f"{recording}, keystep {number},", keystep


def _rows(path: Path, trials: Mapping[str, tuple[Any, Any]], fps: float, short: list[str]) -> Iterator[Parsed]:
    """Segments in frames; ``short`` gets the recordings of those that are none, as the authors' pauses of 0.2 ms."""
    for recording, where, keystep in _keysteps(path, trials):
        start, end = (entry(path, where, keystep, name, (int, float)) for name in ("start_t", "end_t"))
        first, last = round(start * fps), round(end * fps)
        if first == last and start < end:
            short.append(recording)
        else:
            yield recording, first, last, entry(path, where, keystep, "label", str)


def _actions(path: Path, trials: Mapping[str, tuple[Any, Any]]) -> tuple[str, ...]:
    """Labels that occur, in the order of their class ids, of several the first; that one has several is said."""
    ids: dict[str, int | str] = {}
    odd: dict[str, None] = {}
    for _, where, keystep in _keysteps(path, trials):
        label, number = entry(path, where, keystep, "label", str), entry(path, where, keystep, "class_id", int)
        if ids.setdefault(label, number) != number:
            odd[label] = None
    shared = Counter(ids.values())
    odd |= {label: None for label, number in ids.items() if shared[number] > 1}
    if odd:
        note(f"{path}: these labels don't have one class_id each: {listed(odd)}. The labels count, not their ids.")
    return ordered_by_id(ids)


def _list(root: Path, role: str) -> Path | None:
    """The JSON of a role's trials, or None."""
    return first_there(root, [LISTS.format(before=before, role=role) for before in ("aaai26_", "")])


def _splits(root: Path, recordings: Collection[str]) -> Splits:
    """The authors' trials of each role; all that is neither tested nor chooses the epoch can serve as pairs."""
    named = {role: tuple(_trials(path)) for role in ROLES if (path := _list(root, role)) is not None}
    held = {name for role in ("val", "test") for name in named.get(role, ())}
    pairs = tuple(name for name in sorted(recordings) if name not in held)
    return Splits(pairs=pairs, **{str(role): names for role, names in named.items()})
