"""Colours for up to hundreds of actions that stay apart for colour-blind readers too.

Palettes of matplotlib end at ten or twenty colours, and their first ten lie a third closer. Those of ``palette.txt``
were taken one after the other, each as far as can be from all before it: distance is measured in OKLab (Ottosson
2020), as seen with normal, deuteranopic and protanopic vision (Machado, Oliveira and Fernandes 2009, severity 1); it
is that of normal vision plus the smaller of the other two. The actions that fill most of the time get the first. All
are of middle lightness, to stand out on white and on black.
"""

from functools import cache
from importlib.resources import files

import numpy as np


@cache
def _colours() -> tuple[str, ...]:
    text = (files("viewloom.report") / "templates" / "palette.txt").read_text(encoding="ascii")
    return tuple(f"#{colour}" for colour in text.split())


def palette(count: int) -> tuple[str, ...]:
    """The first ``count`` colours as ``#rrggbb``; a longer palette begins with the shorter one. 256 differ."""
    assert count >= 0
    return tuple(_colours()[index % len(_colours())] for index in range(count))


def ink(colour: str) -> str:
    """Black or white, whichever reads better on ``colour`` (WCAG 2 contrast)."""
    srgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"
