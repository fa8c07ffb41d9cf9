"""IKEA ASM (Ben-Shabat et al., WACV 2021): furniture assembled before three cameras, with atomic actions of each frame.

``gt_segments.json`` (the action annotations) has ``{"database": {"<furniture>/<scan>": {"subset": "training" |
"testing", "annotation": [{"label", "segment": [first, last]}]}}}`` in video frames; ``indexing_files/
atomic_action_list.txt`` names the actions, and "NA" stands for none of them (github.com/IkeaASM/IKEA_ASM_Dataset,
action/IKEAActionDataset.py). No features are given out: yours lie in ``features/<furniture>/<scan>/<camera>.npy``, or
in any store whose recordings are called ``<furniture>__<scan>``. The paper says 24 frames a second, while released
videos were found to have 25: pass ``--fps``, which only durations rest on.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset.json_files import entry, first_there, read_json, refuse_second, safe_name
from viewloom.dataset.label_files import Parsed, read_rows
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles, folder_if_there
from viewloom.dataset.named_files import npy_files
from viewloom.dataset.settings import settled
from viewloom.dataset.splits import Splits
from viewloom.dataset.text_files import read_lines
from viewloom.errors import DataError
from viewloom.features.places import FeatureFile
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

SEGMENTS, ACTIONS = "gt_segments.json", "indexing_files/atomic_action_list.txt"
PLACES = ("", "annotations/", "action_annotations/", "annotations/action_annotations/", "ANU_ikea_dataset/")
"""Folders in which these files are looked for."""
NONE = "NA"
"""What stands for no action."""
SUBSETS = ("training", "testing")
"""What the authors' split calls its two roles."""
VIEWS = ViewTable(tuple(View(camera, "exo", (camera,)) for camera in ("dev1", "dev2", "dev3")))


@LAYOUTS.register("ikea_asm")
class IkeaAsm(Layout):
    """One JSON of segments, three fixed cameras (dev3 above), features of your own."""

    expects = f"{SEGMENTS}, indexing_files/, features/<furniture>/<scan>/<camera>.npy"

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The JSON of segments tells."""
        return first_there(root, [f"{place}{SEGMENTS}" for place in PLACES]) is not None

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """The annotations wherever they were unpacked, and features in the data set's own tree or in a store."""
        path = Path(config.labels) if config.labels else first_there(root, [f"{place}{SEGMENTS}" for place in PLACES])
        assert path is not None
        names = first_there(root, [f"{place}{ACTIONS}" for place in PLACES])
        folder = Path(config.features) if config.features else folder_if_there(root / "features")
        files = [] if folder is None else _files(folder)

        def read(fps: float | None, fault: Fault) -> LabelSet:
            database = _database(path)
            return read_rows(path, _rows(path, database), _actions(database, names), fault, settled(config.labels_mode))

        return LayoutFiles(
            features=folder,
            labels=read,
            splits=folder_if_there(root / "splits"),
            views=VIEWS if files else None,
            opens=npy_files(folder, files, "auto") if folder is not None and files else None,
            lists=lambda labels, recordings: _splits(path, recordings),
        )


def _files(folder: Path) -> list[FeatureFile]:
    """npy files in the data set's own tree."""
    return [
        FeatureFile(f"{path.parents[1].name}__{path.parents[0].name}", path.stem, path)
        for path in sorted(folder.glob("*/*/dev[123].npy"))
    ]


def _database(path: Path) -> dict[str, Any]:
    """{recording: its entry}, the names checked; `DataError` where two scans would be one recording."""
    found: dict[str, str] = {}
    database: dict[str, Any] = entry(path, "the file", read_json(path), "database", dict)
    for name in database:
        recording = "__".join(safe_name(path, part) for part in name.split("/"))
        refuse_second(path, recording, name, found.get(recording))
        found[recording] = name
    return {recording: database[name] for recording, name in found.items()}


def _rows(path: Path, database: dict[str, Any]) -> Iterator[Parsed]:
    """Segments; the last frame belongs to one, unless the next begins with it."""
    for recording, value in database.items():
        segments = []
        for number, one in enumerate(entry(path, recording, value, "annotation", list), 1):
            where = f"{recording}, segment {number},"
            segments.append((*_bounds(path, where, one), entry(path, where, one, "label", str).strip()))
        segments.sort()
        for (start, end, label), (after, _, _) in zip(segments, [*segments[1:], (1 << 50, 0, "")], strict=False):
            yield recording, start, end if after == end else end + 1, label


def _bounds(path: Path, where: str, segment: Any) -> tuple[int, int]:
    """First and last frame of a segment; `DataError` where they are no two whole numbers."""
    bounds = entry(path, where, segment, "segment", list)
    start, end = (entry(path, where, dict(enumerate(bounds)), place, (int, float)) for place in (0, 1))
    if len(bounds) > 2 or start != int(start) or end != int(end):
        shown = f"{bounds!r}"[:60]
        raise DataError(f"{path}: {where} must be of two whole frames, but has {shown}. Download the file again.")
    return int(start), int(end)


def _actions(database: dict[str, Any], names: Path | None) -> tuple[str, ...]:
    """NA, then the list's actions in order of their names, as the authors number them; without it those that occur."""
    if names is not None:
        found = {line.strip() for line in read_lines(names) if line.strip()}
    else:
        found = {str(one.get("label")).strip() for value in database.values() for one in value.get("annotation", ())}
    return (NONE, *sorted(found - {NONE}))


def _splits(path: Path, recordings: Collection[str]) -> Splits:
    """The authors' split across environments; all that isn't tested can serve as pairs."""
    subsets = {name: entry(path, name, value, "subset", str) for name, value in _database(path).items()}
    odd = next((name for name, subset in subsets.items() if subset not in SUBSETS), None)
    if odd is not None:
        wanted = f"must be of the subset {' or '.join(SUBSETS)}, but is of {subsets[odd][:60]!r}"
        raise DataError(f"{path}: {odd} {wanted}. Download the file again.")
    train, test = (tuple(name for name in subsets if subsets[name] == subset) for subset in SUBSETS)
    pairs = tuple(name for name in sorted(recordings) if subsets.get(name) != "testing")
    return Splits(pairs=pairs, train=train, test=test)
