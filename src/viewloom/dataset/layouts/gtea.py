"""GTEA (Fathi, Ren and Rehg, CVPR 2011) as the MS-TCN family gives it out, and Hugging Face's dinggd/gtea.

28 videos, ``S1_Cheese_C1`` to ``S4_...``, of four people with a camera on the cap; 11 actions, one of them
``background``; features (2048, T) and labels at 15 frames a second; four folds, each of which leaves one person out.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.layouts.mstcn import MsTcn
from viewloom.dataset.named_files import flat_videos
from viewloom.features.views import View, ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.dataset.settings import DataConfig

FPS = 15.0
"""Frames per second of features and labels."""
VIEWS = ViewTable((View("ego", "ego", ("ego",)),))


@LAYOUTS.register("gtea")
class Gtea(MsTcn):
    """MS-TCN's files, of one worn camera, at 15 frames a second."""

    expects = "groundTruth/S1_Cheese_C1.txt, ..., features/ and mapping.txt"
    precedence = -1
    videos = re.compile(r"S\d_[A-Za-z]+_C\d", re.ASCII)

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """MS-TCN's folders, and what is known of them."""
        files = super().find(root, config)
        opens = flat_videos(files.features, cls.videos, lambda video: (video, "ego"))
        return replace(files, opens=opens, views=VIEWS if opens else None, fps=FPS)
