"""Breakfast (Kuehne, Arslan, Serre, CVPR 2014) as the MS-TCN family and dinggd/breakfast of Hugging Face have it.

1712 videos, ``P03_cam01_P03_cereals``: person, camera, person again, dish. Up to five cameras show one person at one
dish at once, so that these are one recording, ``P03_cereals``, in several views. 48 actions, of which ``SIL`` is
background in some papers; features (2048, T) and labels at 15 frames a second; four folds by person.

``--layout mstcn`` takes each video as a recording of its own, as published scores do (``viewloom experiment``).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewloom.console import note
from viewloom.dataset.actions import read_mapping
from viewloom.dataset.label_files import read_frame_folder
from viewloom.dataset.labels import Annotation, Fault, LabelSet
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.layouts.mstcn import MsTcn
from viewloom.dataset.named_files import flat_videos
from viewloom.errors import listed
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

FPS = 15.0
"""Frames per second of features and labels."""
CAMERAS = ("cam01", "cam02", "stereo01", "webcam01", "webcam02")
VIEWS = ViewTable(tuple(View(camera, "exo", (camera,)) for camera in CAMERAS))
VIDEO = re.compile(rf"(?P<person>P\d\d)_(?P<camera>{'|'.join(CAMERAS)})_(?P=person)_(?P<dish>\w+)", re.ASCII)
LEAST_AGREEMENT = 0.95
"""Share of the frames that two cameras' labels have in common, below which it is said that they differ."""


def recording_and_camera(video: str) -> tuple[str, str]:
    """What a video's name tells; a name of another kind is a recording of its own."""
    match = VIDEO.fullmatch(video)
    return (f"{match['person']}_{match['dish']}", match["camera"]) if match else (video, CAMERAS[0])


@LAYOUTS.register("breakfast")
class Breakfast(MsTcn):
    """MS-TCN's files, in which several cameras show one recording, at 15 frames a second."""

    expects = "groundTruth/P03_cam01_P03_cereals.txt, ..., features/ and mapping.txt"
    precedence = -1
    videos = VIDEO

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """MS-TCN's folders; labels of a recording are those of its first camera."""
        files = super().find(root, config)
        opens = flat_videos(files.features, VIDEO, recording_and_camera)
        labels = Path(config.labels) if config.labels else root / "groundTruth"
        return replace(
            files,
            opens=opens,
            views=VIEWS if opens else None,
            fps=FPS,
            labels=_labels_of_first_cameras(labels, root / "mapping.txt"),
            item_of=lambda video: recording_and_camera(video)[0],
        )


def _labels_of_first_cameras(folder: Path, mapping: Path) -> Callable[[float | None, Fault], LabelSet]:
    """Reads the label files of a folder, and keeps one a recording."""

    def read(fps: float | None, fault: Fault) -> LabelSet:
        every = read_frame_folder(folder, read_mapping(mapping), fault)
        found: dict[str, Annotation] = {}
        differ = []
        for video in sorted(every.annotations, key=lambda name: recording_and_camera(name)[::-1]):
            name, one = recording_and_camera(video)[0], every.annotations[video]
            first = found.setdefault(name, replace(one, name=name, recording=name))
            if _agreement(first, one) < LEAST_AGREEMENT:
                differ.append(f"{first.path.name}, {one.path.name}")
        if differ:
            note(
                f"{len(differ)} label files differ from those of their recording's first camera, which count, in more "
                f"than {1 - LEAST_AGREEMENT:.0%} of their frames: {listed(differ, 3)}."
            )
        return LabelSet(every.actions, found)

    return read


def _agreement(one: Annotation, other: Annotation) -> float:
    """Share of the frames of both on which two annotations agree."""
    start, end = max(one.start, other.start), min(one.end, other.end)
    return float(np.mean(one.frame_labels(start, end) == other.frame_labels(start, end))) if start < end else 0.0
