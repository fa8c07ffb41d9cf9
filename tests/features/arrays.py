"""A feature source over arrays in memory, for tests that need no files."""

import numpy as np

from viewloom.features.base import Span


class ArraySource:
    """``arrays`` is {recording: {view: (first frame, features (T, D))}}."""

    def __init__(self, arrays, fps=30.0):
        self.arrays, self.fps = arrays, fps
        self.recordings = tuple(sorted(arrays))
        self.dim = next(iter(next(iter(arrays.values())).values()))[1].shape[1]

    backbone: dict = {}

    def views(self, recording):
        return tuple(self.arrays[recording])

    def span(self, recording, view):
        first, x_TD = self.arrays[recording][view]
        return Span(first, first + len(x_TD))

    def read(self, recording, view, start, end):
        first, x_TD = self.arrays[recording][view]
        out = np.full((end - start, self.dim), np.nan, np.float32)
        low, high = max(start, first), min(end, first + len(x_TD))
        if low < high:
            out[low - start : high - start] = x_TD[low - first : high - first]
        return out

    def written(self, recording, view):
        return (f"{id(self)}/{recording}/{view}", 0, 0)

    def fingerprint(self):
        return "0"


def random_source(recordings=3, views=("v3", "e4"), frames=400, dim=5, seed=0, first=1):
    """A source with noise, a little shorter in each further recording."""
    rng = np.random.default_rng(seed)
    return ArraySource(
        {
            f"r{i}": {view: (first, rng.normal(size=(frames - 37 * i, dim)).astype(np.float32)) for view in views}
            for i in range(recordings)
        }
    )
