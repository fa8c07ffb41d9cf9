"""Nearest neighbours by Euclidean distance, in blocks of queries, so that memory doesn't grow with their number."""

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.segments import Ints

BLOCK = 1 << 22
"""Distances held at once."""


def nearest(query_ND: Features, gallery_MD: Features, k: int = 1) -> Ints:
    """The k nearest gallery vectors of each query, nearest first; the first of two as near, but for rounding.

    Args:
        query_ND: N vectors.
        gallery_MD: M of the same size.
        k: how many; all of them where there are fewer.

    Returns:
        Their places (N, min(k, M)). Of several as near as the k-th, which ones are in is fixed, but not by order.
    """
    query_ND, gallery_MD = np.asarray(query_ND), np.asarray(gallery_MD)
    # Distances don't change with the origin; near it they lose less to rounding, so that float32 stays float32.
    origin_D = gallery_MD.mean(axis=0, dtype=np.float64).astype(gallery_MD.dtype)
    gallery_MD = gallery_MD - origin_D
    squares_M, count = np.square(gallery_MD).sum(axis=1), min(k, len(gallery_MD))
    found_NK = np.empty((len(query_ND), count), np.int64)
    size = max(1, BLOCK // len(gallery_MD))
    for start in range(0, len(query_ND), size):
        distances_BM = squares_M - 2 * (query_ND[start : start + size] - origin_D) @ gallery_MD.T
        found_NK[start : start + size] = _smallest(distances_BM, count)
    return found_NK


def _smallest(values_BM: Features, k: int) -> Ints:
    """Places of the k smallest values of each row, in order of value, then place."""
    if k == 1:
        return np.asarray(values_BM.argmin(axis=1)[:, None], np.int64)
    places_BK = np.sort(np.argpartition(values_BM, k - 1, axis=1)[:, :k], axis=1)
    order_BK = np.argsort(np.take_along_axis(values_BM, places_BK, axis=1), axis=1, kind="stable")
    found_BK: Ints = np.take_along_axis(places_BK, order_BK, axis=1).astype(np.int64)
    return found_BK
