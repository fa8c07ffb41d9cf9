"""50Salads (Stein and McKenna, UbiComp 2013) as the MS-TCN family gives it out, and Hugging Face's dinggd/50salads.

50 videos, ``rgb-01-1`` to ``rgb-27-2``, of one camera above the work surface; 19 actions, two of which
(``action_start``, ``action_end``) are background in some papers; features (2048, T) and labels at 30 frames a second;
five folds.
"""

import re

from viewloom.dataset.layouts.mstcn import OneView
from viewloom.features.views import View
from viewloom.registry import LAYOUTS


@LAYOUTS.register("50salads")
class Salads50(OneView):
    """MS-TCN's files, of one view from above, at 30 frames a second."""

    expects = "groundTruth/rgb-01-1.txt, ..., features/ and mapping.txt"
    videos = re.compile(r"rgb-\d\d-\d", re.ASCII)
    view = View("top", "exo", ("top",))
    fps = 30.0
