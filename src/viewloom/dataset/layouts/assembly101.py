"""Assembly101 (Sener et al., CVPR 2022) as its authors give it out."""

from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.dataset.actions import read_actions
from viewloom.dataset.label_files import read_segment_folder, recording_of
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles, folder_if_there, only_store
from viewloom.dataset.named_labels import is_of_tools, read_labels
from viewloom.dataset.settings import LabelsMode, settled
from viewloom.features.opening import recognise
from viewloom.features.views import ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

FPS = 30.0
"""Frames per second of features and labels."""


@LAYOUTS.register("assembly101")
class Assembly101(Layout):
    """LMDB per camera, one label file per assembly or disassembly, published lists; 30 fps."""

    expects = "coarse_labels/ and actions.csv, beside TSM_features/<camera>/data.mdb"

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The folders of labels or features tell, or the action list."""
        folders = (root / "coarse_labels", root / "TSM_features")
        return any(folder.is_dir() for folder in folders) or (root / "actions.csv").is_file()

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """Features in TSM_features/, else in the one subfolder that is a feature store."""
        labels = Path(config.labels) if config.labels else folder_if_there(root / "coarse_labels")
        actions = root / "actions.csv"
        if labels is not None and not actions.is_file() and (labels.parent / "actions.csv").is_file():
            actions = labels.parent / "actions.csv"

        def read(fps: float | None, fault: Fault) -> LabelSet:
            assert labels is not None
            mode: LabelsMode = settled(config.labels_mode)
            if is_of_tools(labels):
                names = read_actions(actions) if actions.is_file() else None
                return read_labels(labels, fps or FPS, names, fault, mode, config.labels_tier, recording_of)
            return read_segment_folder(labels, read_actions(actions), fault, mode)

        return LayoutFiles(
            features=Path(config.features) if config.features else _features(root),
            labels=read if labels is not None else None,
            splits=folder_if_there(root / "coarse_splits"),
            views=None if config.features else ViewTable.assembly101(),
            fps=None if config.features else FPS,
        )


def _features(root: Path) -> Path | None:
    """The folder of the feature store inside a data set; `DataError` where it could be one of several."""
    return root / "TSM_features" if recognise(root / "TSM_features") else only_store(root)
