"""Colours for up to hundreds of actions that stay apart for colour-blind readers too.

Colours are taken one after the other, each as far as can be from all before it: distance is measured in
OKLab (Ottosson 2020), as seen with normal, deuteranopic and protanopic vision (Machado, Oliveira and Fernandes
2009, severity 1); it is that of normal vision plus the smaller of the other two. The first dozen are therefore far
apart, and the actions that fill most of the time get those. All are of middle lightness, to stand out on white and
on black.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIRST = (0.62, 0.13, 250.0)
"""OKLCH of the first colour, a calm blue; everything else follows from it."""

_VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    ]
)
"""Linear RGB as seen: normal, without medium-wave cones, without long-wave cones."""

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(count: int) -> tuple[str, ...]:
    """The first ``count`` colours as ``#rrggbb``; a longer palette begins with the shorter one."""
    assert count >= 0
    rgb_C3, seen_C9 = _candidates()
    chosen = [0]
    distance_C = _distance(seen_C9, seen_C9[0])
    while len(chosen) < min(count, len(rgb_C3)):
        chosen.append(int(distance_C.argmax()))
        distance_C = np.minimum(distance_C, _distance(seen_C9, seen_C9[chosen[-1]]))
    return tuple(_hex(rgb_C3[chosen[index % len(chosen)]]) for index in range(count))


def ink(colour: str) -> str:
    """Black or white, whichever reads better on ``colour`` (WCAG 2 contrast)."""
    srgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"


@cache
def _candidates() -> tuple[Array, Array]:
    """Linear RGB (C, 3) of every colour allowed, the first first, and how the three visions see it (C, 9)."""
    grid = np.meshgrid(np.arange(0.46, 0.85, 0.04), np.arange(0.03, 0.15, 0.02), np.arange(0, 360, 8.0))
    lch_C3 = np.concatenate([[FIRST], np.stack([axis.ravel() for axis in grid], axis=1)])
    angle_C = np.deg2rad(lch_C3[:, 2])
    lab_C3 = np.stack([lch_C3[:, 0], lch_C3[:, 1] * np.cos(angle_C), lch_C3[:, 1] * np.sin(angle_C)], axis=1)
    rgb_C3 = (lab_C3 @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    rgb_C3 = rgb_C3[((rgb_C3 >= 0) & (rgb_C3 <= 1)).all(axis=1)]
    seen = [_oklab(np.clip(rgb_C3 @ vision.T, 0, 1)) for vision in _VISIONS]
    return rgb_C3, np.concatenate(seen, axis=1)


def _oklab(rgb_C3: Array) -> Array:
    return np.asarray(np.cbrt(rgb_C3 @ _TO_LMS.T) @ _TO_LAB.T)


def _distance(seen_C9: Array, one_9: Array) -> Array:
    """Distance (C,) of every candidate to one colour: to normal vision, plus to the worse of the other two."""
    away_C3 = np.sqrt(((seen_C9 - one_9) ** 2).reshape(-1, 3, 3).sum(axis=2))
    return np.asarray(away_C3[:, 0] + away_C3[:, 1:].min(axis=1))


def _hex(rgb_3: Array) -> str:
    srgb = np.where(rgb_3 <= 0.0031308, 12.92 * rgb_3, 1.055 * np.maximum(rgb_3, 0) ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in np.clip(srgb, 0, 1))
