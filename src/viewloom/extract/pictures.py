"""A decoded frame as a picture of the size that a backbone wants."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.extract.preprocessing import Preprocessing

Picture = NDArray[np.uint8]


def picture(frame: Any, how: Preprocessing) -> Picture:
    """A decoded frame as RGB (size, size, 3), resized, cut and turned upright; grey is repeated in all three."""
    width, height = how.resized(frame.width, frame.height)
    rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation=how.interpolation.upper())
    array = rgb.to_ndarray()
    top, left = (height - how.size) // 2, (width - how.size) // 2
    cut = array[top : top + how.size, left : left + how.size]
    turned: Picture = np.rot90(cut, round(frame.rotation / 90)) if frame.rotation else cut
    return turned
