"""GTEA (Fathi, Ren and Rehg, CVPR 2011) as the MS-TCN family gives it out, and Hugging Face's dinggd/gtea.

28 videos, ``S1_Cheese_C1`` to ``S4_...``, of four people with a camera on the cap; 11 actions, one of them
``background``; features (2048, T) and labels at 15 frames a second; four folds, each of which leaves one person out.
"""

import re

from viewloom.dataset.layouts.mstcn import OneView
from viewloom.features.views import View
from viewloom.registry import LAYOUTS


@LAYOUTS.register("gtea")
class Gtea(OneView):
    """MS-TCN's files, of one worn camera, at 15 frames a second."""

    expects = "groundTruth/S1_Cheese_C1.txt, ..., features/ and mapping.txt"
    videos = re.compile(r"S\d_[A-Za-z]+_C\d", re.ASCII)
    view = View("ego", "ego", ("ego",))
    fps = 15.0
