"""50Salads (Stein and McKenna, UbiComp 2013) as the MS-TCN family gives it out, and Hugging Face's dinggd/50salads.

50 videos, ``rgb-01-1`` to ``rgb-27-2``, of one camera above the work surface; 19 actions, two of which
(``action_start``, ``action_end``) are background in some papers; features (2048, T) and labels at 30 frames a second;
five folds.
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

FPS = 30.0
"""Frames per second of features and labels."""
VIEWS = ViewTable((View("top", "exo", ("top",)),))


@LAYOUTS.register("50salads")
class Salads50(MsTcn):
    """MS-TCN's files, of one view from above, at 30 frames a second."""

    expects = "groundTruth/rgb-01-1.txt, ..., features/ and mapping.txt"
    precedence = -1
    videos = re.compile(r"rgb-\d\d-\d", re.ASCII)

    @classmethod
    def find(cls, root: Path, config: "DataConfig") -> LayoutFiles:
        """MS-TCN's folders, and what is known of them."""
        files = super().find(root, config)
        opens = flat_videos(files.features, cls.videos, lambda video: (video, "top"))
        return replace(files, opens=opens, views=VIEWS if opens else None, fps=FPS)
