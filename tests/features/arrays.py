"""Features in memory, for tests that need no files."""

import numpy as np

from viewloom.features.arrays import ArraySource

__all__ = ["ArraySource", "random_arrays", "random_source"]


def random_arrays(recordings=3, views=("v3", "e4"), frames=400, dim=5, seed=0, first=1):
    """Noise, a little shorter in each further recording; ``dim``: of all views, or one for each."""
    rng = np.random.default_rng(seed)
    dims = dict.fromkeys(views, dim) if isinstance(dim, int) else dict(zip(views, dim, strict=True))

    def noise(recording, size):
        return rng.normal(size=(frames - 37 * recording, size)).astype(np.float32)

    return {f"r{i}": {view: (first, noise(i, size)) for view, size in dims.items()} for i in range(recordings)}


def random_source(**settings):
    """A source of `random_arrays`."""
    return ArraySource(random_arrays(**settings), fps=30.0)
