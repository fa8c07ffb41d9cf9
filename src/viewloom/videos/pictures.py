"""Pictures of a clip at the moments of a clock, fitted into a box."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.videos.clips import Clip
from viewloom.videos.files import TimedFrame
from viewloom.videos.moments import moments

Picture = NDArray[np.uint8]


def pictures(clip: Clip, fps: float, frames: range, box: tuple[int, int]) -> Iterator[Picture | None]:
    """A picture for each of the frames of a clock with ``fps`` frames a second; None where the clip shows nothing.

    Args:
        clip: the clip.
        fps: frames per second of the clock.
        frames: frame numbers, rising.
        box: width and height that each picture is fitted into.

    Raises:
        DataError: for a clip that can't be decoded, or has no frame on the clock.
        ConfigError: without PyAV.
    """
    found = moments(clip, fps)
    number, shown = next(found)
    last: tuple[TimedFrame, Picture] | None = None
    for wanted in frames:
        while number < wanted:
            number, shown = next(found, (frames.stop, None))
        if number > wanted or shown is None:
            yield None
            continue
        if last is None or last[0] is not shown:
            last = shown, fitted(shown.load(), box)
        yield last[1]


def fitted(frame: Any, box: tuple[int, int]) -> Picture:
    """A decoded frame as RGB (H, W, 3), turned upright, as large as fits into the box; H and W even."""
    quarters = round(frame.rotation / 90)
    wide, high = (frame.height, frame.width) if quarters % 2 else (frame.width, frame.height)
    scale = min(box[0] / wide, box[1] / high)
    width, height = (max(2, 2 * round(scale * length / 2)) for length in (wide, high))
    across, down = (height, width) if quarters % 2 else (width, height)
    rgb: Picture = frame.reformat(width=across, height=down, format="rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, quarters))
