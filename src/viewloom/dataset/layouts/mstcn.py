"""The layout of MS-TCN (Farha and Gall, CVPR 2019), which 50Salads, GTEA and Breakfast come in."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from viewloom.dataset.actions import read_mapping
from viewloom.dataset.label_files import read_frame_folder
from viewloom.dataset.labels import Fault, LabelSet
from viewloom.dataset.layout import Layout, LayoutFiles, folder_if_there
from viewloom.dataset.named_files import flat_videos
from viewloom.dataset.named_labels import is_of_tools, read_labels
from viewloom.dataset.settings import settled
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig


@LAYOUTS.register("mstcn")
class MsTcn(Layout):
    """One npy file per video, (D, T); the action of each frame on a line of its own."""

    expects = "features/, groundTruth/ and mapping.txt"
    videos: ClassVar[re.Pattern[str] | None] = None
    """Names of all videos of a data set that comes so; None: any."""

    @classmethod
    def matches(cls, root: Path) -> bool:
        """The mapping and the ground truth tell, and the names of the videos where they are known."""
        if not (root / "mapping.txt").is_file() or not (root / "groundTruth").is_dir():
            return False
        if cls.videos is None:
            return True
        names = [path.stem for path in (root / "groundTruth").glob("*.txt") if not path.name.startswith(".")]
        return bool(names) and all(cls.videos.fullmatch(name) for name in names)

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """The folders by their usual names."""
        labels = Path(config.labels) if config.labels else root / "groundTruth"

        def read(fps: float | None, fault: Fault) -> LabelSet:
            names = read_mapping(root / "mapping.txt")
            if is_of_tools(labels):
                return read_labels(labels, fps, names, fault, settled(config.labels_mode), config.labels_tier)
            return read_frame_folder(labels, names, fault)

        return LayoutFiles(
            features=Path(config.features) if config.features else folder_if_there(root / "features"),
            labels=read,
            splits=folder_if_there(root / "splits"),
        )


class OneView(MsTcn):
    """MS-TCN's files of a public data set: videos of one view, whose frame rate is known."""

    precedence = -1
    view: ClassVar[View]
    """What all videos are of."""
    fps: ClassVar[float]
    """Frames per second of features and labels."""

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """MS-TCN's folders, and what is known of them."""
        files = super().find(root, config)
        opens = flat_videos(files.features, cls.videos, lambda video: (video, cls.view.name))
        return replace(files, opens=opens, views=ViewTable((cls.view,)) if opens else None, fps=cls.fps)
