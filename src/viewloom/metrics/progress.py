"""Phase progression: how well a linear map of a step's features tells how far an action has come.

Dwibedi et al. (CVPR 2019) regress the time since, or until, key events of one action, over the length of the video, and
AE2 (Xue and Grauman, NeurIPS 2023) follows; the figure is R^2 on recordings that weren't trained on. Here recordings
hold many actions in any order, so there are two targets: how far its *segment* has come at a step (the key event is the
segment's own beginning, the length its own), and how far the *item* has (that is theirs, with the item's beginning as
the one key event).
"""

import numpy as np

from viewloom.metrics.segments import IGNORE, Floats, Ints, Segments


def segment_progress(labels_S: Ints) -> Floats:
    """How far the segment of each step has come at its middle, from 0 to 1, (S,); NaN where there is no label."""
    segments = Segments.of_frames(labels_S)
    lengths_S = np.repeat(segments.durations, segments.durations)
    since_S = np.arange(len(labels_S)) - np.repeat(segments.starts, segments.durations)
    return np.where(np.asarray(labels_S) == IGNORE, np.nan, (since_S + 0.5) / lengths_S)


def item_progress(steps: int) -> Floats:
    """How far an item of so many steps has come at the middle of each, from 0 to 1, (S,)."""
    return (np.arange(steps) + 0.5) / steps
