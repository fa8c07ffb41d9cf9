"""Random streams by name, so that no result depends on the order in which things are drawn."""

import hashlib

import numpy as np


def stream(*keys: int | str) -> np.random.Generator:
    """A random generator of its own for these keys: equal keys, equal numbers, on any machine."""
    digest = hashlib.sha256("\x1f".join(map(str, keys)).encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest[:16], "little"))))
