"""Ego-Exo4D (Grauman et al., CVPR 2024): keysteps of takes seen by a worn camera and four or five fixed ones.

``annotations/keystep_train.json`` and ``keystep_val.json`` have ``annotations``, {take uid: {"segments":
[{"start_time", "end_time" (s), "step_unique_id", "step_name"}]}}, and ``vocabulary``, {step_unique_id: step_name};
``annotations/splits.json`` has ``split_to_take_uids`` (docs.ego-exo4d-data.org/annotations/keystep). Features are
``features/<model>/<take uid>_<camera>_<stream>.pt``: of ``omnivore_video`` one row every 16/30 s for the 32/30 s that
follow, of ``maws_clip_2b`` one a frame (docs.ego-exo4d-data.org/data/features). Labels of test takes are withheld.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.console import note
from viewloom.dataset.json_files import entry, first_there, ordered_by_id, read_json
from viewloom.dataset.label_files import Parsed, read_rows
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles
from viewloom.dataset.settings import LabelsMode, settled
from viewloom.dataset.splits import Splits
from viewloom.errors import DataError, listed
from viewloom.features.catalog import DEFAULT_FPS, CatalogSource
from viewloom.features.settings import Axes
from viewloom.features.torch_files import SUFFIX, TorchSource, find_tensors
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

KEYSTEPS = tuple(f"annotations/keystep_{role}.json" for role in ("train", "val", "test"))
LISTS = "annotations/splits.json"
RATES: Mapping[str, tuple[float, float]] = {"omnivore": (30 / 16, 16 / 30), "maws": (30.0, 0.0)}
"""By how a model's folder begins: rows per second, and the middle (s) of what the first row is of."""
AGAIN = "Download the file again."
_EGO, _EXO = re.compile(r"aria\d+_\w+", re.ASCII), re.compile(r"(?:cam|gp)0*(\d+)_\w+", re.ASCII)


@LAYOUTS.register("egoexo4d")
class EgoExo4D(Layout):
    """JSONs of keysteps in seconds, one tensor file a take and camera; views ego and exo1, exo2, ..."""

    expects = f"{KEYSTEPS[0]}, features/<model>/<take uid>_<camera>_<stream>.pt"

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The JSONs of keysteps tell."""
        return first_there(root, KEYSTEPS) is not None

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Features of the one model that is there; the authors' takes of each role."""
        folder = Path(config.features) if config.features else _features(root)
        tensors = find_tensors(folder) if folder is not None and any(folder.glob(f"*{SUFFIX}")) else ()
        rate, start_s = _timing(folder) if tensors and folder is not None else (None, 0.0)
        views = _views({file.camera for file in tensors}, rate, start_s) if tensors else None
        return LayoutFiles(
            features=folder,
            labels=_labels([root / name for name in KEYSTEPS if (root / name).is_file()], config),
            splits=None,
            views=views,
            fps=rate,
            opens=_opens(folder) if tensors and folder is not None else None,
            lists=_splits(root / LISTS) if (root / LISTS).is_file() else None,
        )


def _features(root: Path) -> Path | None:
    """The folder of tensors: ``features/`` or the one model in it."""
    folder = root / "features"
    if not folder.is_dir():
        return None
    models = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    if any(folder.glob(f"*{SUFFIX}")) or not models:
        return folder
    if len(models) > 1:
        names = listed(child.name for child in models)
        raise DataError(f"{folder} holds features of several models: {names}. Pass --features {models[0]}, or another.")
    return models[0]


def _timing(folder: Path) -> tuple[float | None, float]:
    """Rows per second of a model's features, and when on the videos' clock the first is; (None, 0) of another model."""
    name = folder.name if folder.name != "features" else "omnivore"  # the first release had this model alone
    return next((timing for start, timing in RATES.items() if name.startswith(start)), (None, 0.0))


def _views(cameras: Collection[str], rate: float | None, start_s: float) -> ViewTable:
    """ego: the worn camera, of whichever rig; exo1, exo2, ...: fixed ones by their number; others as they are named."""
    groups: dict[str, list[str]] = {}
    for camera in sorted(cameras):
        exo = _EXO.fullmatch(camera)
        name = "ego" if _EGO.fullmatch(camera) else f"exo{exo[1]}" if exo else camera
        groups.setdefault(name, []).append(camera)
    kind = {name: "ego" if name == "ego" else "exo" if name.startswith("exo") else "other" for name in groups}
    return ViewTable(
        tuple(View(name, kind[name], tuple(groups[name]), rate, start_s) for name in sorted(groups))  # type: ignore[arg-type]
    )


def _opens(folder: Path) -> Callable[[ViewTable | None, float | None, Axes], CatalogSource]:
    return lambda views, fps, axes: TorchSource(folder, views, fps, axes)


def _labels(paths: list[Path], config: "DataConfig") -> Callable[[float | None, Fault], LabelSet] | None:
    """Reads keysteps: of one JSON where the user names it, else of all that are there."""
    chosen = [Path(config.labels)] if config.labels else paths

    def read(fps: float | None, fault: Fault) -> LabelSet:
        values = {path: read_json(path) for path in chosen}
        _refuse_contradictions(values)
        actions = _actions(values)
        mode: LabelsMode = settled(config.labels_mode)
        short: list[str] = []
        sets = [
            read_rows(path, _rows(path, values[path], fps or DEFAULT_FPS, short), actions, fault, mode)
            for path in chosen
        ]
        if short:
            rate = f"{fps or DEFAULT_FPS:g}"
            note(
                f"{len(short)} keysteps are shorter than a row of features at {rate} a second, and left out (--fps 30 "
                "keeps them)."
            )
        return LabelSet(actions, {name: one for part in sets for name, one in part.annotations.items()}, mode)

    return read if chosen else None


def _refuse_contradictions(values: Mapping[Path, Any]) -> None:
    """`DataError` for a take that two files annotate, or that calls itself otherwise than its key."""
    files: dict[str, Path] = {}
    for path, value in values.items():
        for take, one in entry(path, "the file", value, "annotations", dict).items():
            other = files.setdefault(take, path)
            if other != path:
                raise DataError(f"{path} annotates the take {take}, and {other.name} does so too. Remove it from one.")
            own = one.get("take_uid", take) if isinstance(one, Mapping) else take
            if own != take:
                shown = f"{own!r}"[:60]
                raise DataError(f"{path}: the take {take} has take_uid {shown}, another one. {AGAIN}")


def _actions(values: Mapping[Path, Any]) -> tuple[str, ...]:
    """Names of the vocabulary by their ids; what files name twice counts once, if they name it alike."""
    names: dict[str, int | str] = {}
    name_of: dict[str, Any] = {}
    for path, value in values.items():
        for number, name in entry(path, "the file", value, "vocabulary", dict).items():
            if name_of.setdefault(number, name) != name:
                both = f"{name_of[number]!r}"[:60] + " and " + f"{name!r}"[:60]
                raise DataError(f"{path}: the step {number} has two names in these files, {both}. Download them again.")
            names.setdefault(str(name), str(number))
    return ordered_by_id(names)


def _rows(path: Path, value: Any, fps: float, short: list[str]) -> Iterator[Parsed]:
    """Keysteps in frames; ``short`` gets the takes of those that are none."""
    vocabulary = entry(path, "the file", value, "vocabulary", dict)
    for take, one in entry(path, "the file", value, "annotations", dict).items():
        for number, segment in enumerate(entry(path, take, one, "segments", list), 1):
            where = f"{take}, segment {number},"
            start, end = (entry(path, where, segment, name, (int, float)) for name in ("start_time", "end_time"))
            step = segment.get("step_unique_id")
            if step is not None and str(step) not in vocabulary:
                shown = f"{step!r}"[:60]
                raise DataError(f"{path}: {where} has step_unique_id {shown}, which isn't in the vocabulary. {AGAIN}")
            first, last = round(start * fps), round(end * fps)
            if first == last and start < end:
                short.append(take)
            else:
                yield str(take), first, last, entry(path, where, segment, "step_name", str)


def _refuse_contradicting_lists(path: Path, value: Any, lists: Mapping[str, list[str]]) -> None:
    """`DataError` for a take that a list names twice, or that ``take_uid_to_split`` gives another role."""
    for role, uids in lists.items():
        twice = [uid for uid, count in Counter(uids).items() if count > 1]
        if twice:
            raise DataError(f"{path} names {listed(twice, 3)} twice in {role}. {AGAIN}")
    roles = value.get("take_uid_to_split", {})
    for role, uids in lists.items() if isinstance(roles, Mapping) else ():
        odd = next((uid for uid in uids if roles.get(uid, role) != role), None)
        if odd is not None:
            shown = f"{roles[odd]!r}"[:60]
            raise DataError(
                f"{path}: the take {odd} is in the list {role}, but take_uid_to_split says {shown}. {AGAIN}"
            )


def _splits(path: Path) -> Callable[[LabelSet | None, Collection[str]], Splits]:
    """Takes with keysteps by role; pairs are all takes for training. Without labels of test takes those of val are
    tested, and no take chooses the epoch."""

    def read(labels: LabelSet | None, recordings: Collection[str]) -> Splits:
        value = read_json(path)
        uids = entry(path, "the file", value, "split_to_take_uids", dict)
        there = set(recordings)
        lists = {role: entry(path, "split_to_take_uids", uids, role, list) for role in uids}
        odd = next((uid for role in uids for uid in lists[role] if not isinstance(uid, str)), None)
        if odd is not None:
            raise DataError(f"{path}: a take is named {odd!r}, which is no text. {AGAIN}")
        _refuse_contradicting_lists(path, value, lists)
        known = {} if labels is None else labels.annotations
        roles = ("train", "val", "test")
        train, val, test = (tuple(uid for uid in lists.get(role, ()) if uid in known) for role in roles)
        pairs = tuple(uid for uid in lists.get("train", ()) if uid in there)
        return Splits(pairs, train, val, test) if test else Splits(pairs, train, (), val)

    return read
