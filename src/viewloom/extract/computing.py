"""Features of one clip: pictures in order, in windows, in batches, kept as they are made."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.extract.backbones.base import Backbone
from viewloom.extract.partial import PartialRows
from viewloom.extract.pictures import Picture, picture
from viewloom.videos.clips import Clip
from viewloom.videos.files import TimedFrame
from viewloom.videos.moments import moments

T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """A finished clip.

    Attributes:
        first: number of its first frame.
        x_TD: float32 rows; a lost frame is a row of NaN.
    """

    first: int
    x_TD: NDArray[np.float32]


class Stopped(Exception):
    """The run is being ended; what is computed is kept."""


def compute_clip(
    clip: Clip,
    backbone: Backbone,
    fps: float,
    batch: int,
    path: Path,
    dim: int,
    stopped: Callable[[], bool] = lambda: False,
    computed: Callable[[], None] = lambda: None,
) -> int:
    """Compute the features of all frames of a clip into ``path``, going on with the rows of a killed run.

    Args:
        clip: the video.
        backbone: what computes.
        fps: frames per second of the clock.
        batch: frames at a time; rounded up to whole calls of the backbone.
        path: file of the rows (`PartialRows`) until the clip is stored.
        dim: feature size D.
        stopped: asked between batches whether to give up.
        computed: called after each batch.

    Returns:
        Number of the clip's first frame.

    Raises:
        DataError: for a clip that can't be decoded, or features that aren't finite.
        Stopped: when asked to.
    """
    partial = PartialRows(path, clip.state, dim)
    batch = -(-batch // backbone.together) * backbone.together
    frames = moments(clip, fps, backbone.preprocessing.decoder)
    opening = next(frames)
    first, pending = opening[0], windows(chain([opening], frames), backbone, partial.count)
    while block := list(islice(pending, batch)):
        if stopped():
            raise Stopped
        rows_BD = features(backbone, block, dim)
        if not np.isfinite(rows_BD[[window is not None for window in block]]).all():
            raise DataError(f"{clip.path}: the backbone gave values that aren't finite near frame {partial.count}.")
        partial.add(rows_BD)
        computed()
    return first


def features(backbone: Backbone, block: list[list[Picture] | None], dim: int) -> NDArray[np.float32]:
    """Rows (B, D) of a batch of windows; a lost one is computed as black, to keep the others' places."""
    size = backbone.preprocessing.size
    pictures = np.zeros((len(block), backbone.clip, size, size, 3), np.uint8)
    for place, window in enumerate(block):
        if window is not None:
            pictures[place] = window
    rows_BD = backbone(pictures)
    assert rows_BD.shape == (len(block), dim)
    rows_BD[[window is None for window in block]] = np.nan
    return rows_BD


def windows(
    frames: Iterator[tuple[int, TimedFrame | None]], backbone: Backbone, skipped: int
) -> Iterator[list[Picture] | None]:
    """The pictures around each frame from number ``skipped`` of the clip on; None where one of them is lost.

    A window begins ``clip // 2`` frames before its own; beyond the clip's ends the outermost frames are repeated.
    """
    before, after = backbone.clip // 2, backbone.clip - backbone.clip // 2 - 1
    wanted = skipped - before
    shown = (
        picture(frame.load(), backbone.preprocessing) if frame is not None and number >= wanted else None
        for number, (_, frame) in enumerate(frames)
    )
    for window in islice(sliding(shown, before, after), skipped, None):
        pictures = [entry for entry in window if entry is not None]
        yield pictures if len(pictures) == len(window) else None


def sliding(items: Iterator[T], before: int, after: int) -> Iterator[list[T]]:
    """Each item with those before and after it, the first and the last repeated beyond the ends."""
    window: deque[T] = deque(maxlen=before + 1 + after)
    for item in items:
        if not window:
            window.extend([item] * before)
        window.append(item)
        if len(window) == window.maxlen:
            yield list(window)
    for _ in range(after if window else 0):
        window.append(window[-1])
        if len(window) == window.maxlen:
            yield list(window)
