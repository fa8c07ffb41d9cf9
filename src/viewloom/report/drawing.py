"""Words as pixels, in the type that matplotlib brings."""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (24, 30, 38)
INK: Colour = (230, 234, 240)


def rgb(colour: str) -> Colour:
    """``#rrggbb`` as numbers."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


@cache
def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


@lru_cache(maxsize=4096)
def label(text: str, size: int, ink: Colour, ground: Colour, widest: int) -> Pixels:
    """A line of text (H, W, 3) on its ground, cut off with an ellipsis where it is wider than ``widest`` pixels."""
    from PIL import Image, ImageDraw

    font = _font(size)
    while text and font.getlength(text) > widest - 6:
        text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""
    wide, high = max(1, min(widest, int(font.getlength(text)) + 6)), size + 6
    picture = Image.new("RGB", (wide, high), ground)
    ImageDraw.Draw(picture).text((3, high / 2), text, fill=ink, font=font, anchor="lm")
    return np.asarray(picture)
