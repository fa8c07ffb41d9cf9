"""EgoExoLearn (Huang et al., CVPR 2024): people film how they follow demonstrations, which others filmed before.

The temporal action segmentation benchmark: ``tas_annotation/gts_fps25/<video>.txt`` has the id of the action of each
frame, 25 a second, 0 (none of them) to 27; ``tas_annotation/splits/{ego,exo}_{train,val,test}_annotations.bundle``
list videos; ``tas_annotation/semantic_en.json`` names the actions; I3D features are ``<video>.pt``, (T, D), one a
frame, of a third axis the mean is taken (temporal_action_segmentation_benchmark/ of github.com/OpenGVLab/EgoExoLearn).
Ego and exo videos are of other moments, so that a recording has one view, ``ego`` or ``exo``, and there are no pairs.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from viewloom.dataset.json_files import entry, first_there, ordered_by_id, read_json
from viewloom.dataset.label_files import read_frame_folder
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles
from viewloom.dataset.splits import Role, Splits, read_list
from viewloom.errors import DataError, listed
from viewloom.features.catalog import CatalogSource
from viewloom.features.places import FeatureFile
from viewloom.features.settings import Axes
from viewloom.features.torch_files import SUFFIX, TorchSource
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

FPS = 25.0
"""Frames per second of labels and features."""
ROLES: tuple[Role, ...] = ("train", "val", "test")
CLASSES = 28
"""Ids of actions, none of them (0) included."""
NOTHING = "background"
"""What id 0 is called."""
FOLDERS = ("tas_annotation", ".")
FEATURES = ("features", "i3d_rgb_features", "I3D_RGB_features")
VIEW_NAMES: tuple[Literal["ego", "exo"], ...] = ("ego", "exo")
VIEWS = ViewTable(tuple(View(view, view, (view,)) for view in VIEW_NAMES))


@LAYOUTS.register("egoexolearn")
class EgoExoLearn(Layout):
    """An id a frame, bundles by view, one tensor file a video; 25 frames a second."""

    expects = f"tas_annotation/gts_fps25/<video>.txt, tas_annotation/splits/*.bundle, {FEATURES[0]}/<video>{SUFFIX}"

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The folder of labels tells, by its rate in the name."""
        return any((root / folder / "gts_fps25").is_dir() for folder in FOLDERS)

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Features of videos that a bundle lists, with the view that the bundle is of."""
        base = next(root / folder for folder in FOLDERS if (root / folder / "gts_fps25").is_dir())
        labels = Path(config.labels) if config.labels else base / "gts_fps25"
        folder = Path(config.features) if config.features else first_there(root, FEATURES)
        flat = folder is not None and any(folder.glob(f"*{SUFFIX}"))
        return LayoutFiles(
            features=folder,
            labels=_labels(labels, base / "semantic_en.json"),
            splits=None,
            views=VIEWS if flat else None,
            fps=FPS,
            opens=_opens(folder, base / "splits") if flat and folder is not None else None,
            lists=lambda labels, recordings: _splits(base / "splits"),
        )


def _labels(folder: Path, names: Path) -> Callable[[float | None, Fault], LabelSet]:
    def read(fps: float | None, fault: Fault) -> LabelSet:
        found = read_frame_folder(folder, [str(number) for number in range(CLASSES)], fault)
        return replace(found, actions=_actions(names) if names.is_file() else found.actions)

    return read


def _actions(path: Path) -> tuple[str, ...]:
    """Names of the ids; the file begins at 1."""
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DataError(f"{path} must hold a list of actions. Download the file again.")
    named = [
        (entry(path, "an action", one, "key", str), entry(path, "an action", one, "value", str)) for one in entries
    ]
    ids = dict(named)
    names = (NOTHING, *ordered_by_id(ids))
    if (
        len(ids) < len(named)
        or len(names) != CLASSES
        or [ids[name] for name in names[1:]] != [str(number) for number in range(1, CLASSES)]
    ):
        raise DataError(f"{path} must name the actions 1 to {CLASSES - 1}, each once. Download the file again.")
    return names


def _bundles(folder: Path) -> dict[tuple[str, Role], tuple[str, ...]]:
    """{(view, role): videos} of the bundles that are there; `DataError` for a video that is in those of both views."""
    found: dict[tuple[str, Role], tuple[str, ...]] = {}
    bundle_of: dict[str, tuple[str, Path]] = {}
    for view, role in product(VIEW_NAMES, ROLES):
        path = folder / f"{view}_{role}_annotations.bundle"
        if path.is_file():
            found[view, role] = read_list(path)
        for video in found.get((view, role), ()):
            other, there = bundle_of.setdefault(video, (view, path))
            if other != view:
                raise DataError(
                    f"{folder}: the video {video} is in {there.name} and in {path.name}. Remove it from one."
                )
    return found


def _opens(folder: Path, splits: Path) -> Callable[[ViewTable | None, float | None, Axes], CatalogSource]:
    def opens(views: ViewTable | None, fps: float | None, axes: Axes) -> CatalogSource:
        view_of = {video: view for (view, _), videos in _bundles(splits).items() for video in videos}
        paths = sorted(folder.glob(f"*{SUFFIX}"))
        files = [FeatureFile(path.stem, view_of[path.stem], path) for path in paths if path.stem in view_of]
        if not files:
            names = listed((path.name for path in paths), 3)
            raise DataError(f"{splits} lists none of the videos in {folder}: {names}. Bring the bundles of both views.")
        return TorchSource(folder, views, fps, axes, files, mean_last=True)

    return opens


def _splits(folder: Path) -> Splits:
    """The authors' videos of each role, of both views."""
    found: dict[str, list[str]] = {}
    for (_, role), videos in _bundles(folder).items():
        found.setdefault(role, []).extend(videos)
    return Splits(**{role: tuple(videos) for role, videos in found.items()})
