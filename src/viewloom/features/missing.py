"""Frames that a view lacks: left out, copied from the nearest one, or refused; a policy put before a store."""

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError, listed
from viewloom.features.base import FeatureSource, Pooled, PoolingReader
from viewloom.features.settings import MissingPolicy, Pooling


def with_policy(source: FeatureSource, policy: MissingPolicy, within_frames: int) -> PoolingReader:
    """The source itself where missing frames are left out, else `FilledReader` before it."""
    return source if policy == "mask" else FilledReader(source, policy, within_frames)


class FilledReader:
    """Pooled windows whose missing frames are filled or refused; see `read_filled`."""

    def __init__(self, source: FeatureSource, policy: MissingPolicy, within_frames: int) -> None:
        self.source = source
        self.policy: MissingPolicy = policy
        self.within_frames = within_frames

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """As the source; chunks that lack frames are read again, with the policy applied."""
        from viewloom.features.pooling import pool_rows

        pooled = self.source.read_pooled(recording, view, start, end, chunk_frames, pooling)
        if not len(pooled.missing):
            return pooled
        if self.policy == "error":
            read_filled(self.source, recording, view, start, end, "error", 0)
        x_SZ = pooled.features_SZ
        for step in np.unique((pooled.missing - start) // chunk_frames).tolist():
            first = start + step * chunk_frames
            chunk = recording, view, first, min(first + chunk_frames, end)
            x_TD, _ = read_filled(self.source, *chunk, self.policy, self.within_frames)
            x_SZ[step] = pool_rows(x_TD, chunk_frames, pooling, f"{recording}, view {view}", first)[0][0].numpy()
        return Pooled(x_SZ, np.ones_like(pooled.mask_S), pooled.missing)


def read_filled(
    source: FeatureSource, recording: str, view: str, start: int, end: int, policy: MissingPolicy, within_frames: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features (frames, D) of frames [start, end) in one view, with the policy for missing frames applied.

    Returns:
        The features, rows of NaN where a frame stays missing, and the numbers of the frames that the view lacks.

    Raises:
        DataError: for a row that is NaN or infinite only in part, and where the policy forbids a hole.
    """
    from viewloom.features.pooling import missing_rows

    # A hole at the edge may be filled from the frames beyond it, so that cutting changes nothing.
    margin = within_frames if policy == "nearest" else 0
    x_TD = source.read(recording, view, start - margin, end + margin)
    where = f"{recording}, view {view}"
    holes = missing_rows(x_TD, where, start - margin)
    inside = holes[(holes >= margin) & (holes < margin + end - start)]
    if len(inside) and policy == "error":
        raise DataError(
            f"{where}: {len(inside)} frame(s) are missing: {listed(inside + start)}. "
            "Pass --sampling.missing_frames mask (leave them out) or nearest (copy a neighbour)."
        )
    if len(inside) and policy == "nearest":
        _fill_nearest(x_TD, holes, inside, margin, f"{where}, frames {start} to {end}")
    return x_TD[margin : margin + end - start], inside - margin + start


def _fill_nearest(
    x_TD: NDArray[np.float32], holes: NDArray[np.int64], wanted: NDArray[np.int64], within: int, where: str
) -> None:
    """Copy into each wanted hole the nearest row that is there, the earlier one on a tie; in place."""
    there = np.setdiff1d(np.arange(len(x_TD)), holes, assume_unique=True)
    if not len(there):
        raise DataError(f"{where}: not one frame is there. Use --sampling.missing_frames mask.")
    right = np.searchsorted(there, wanted)
    before = there[np.maximum(right - 1, 0)]
    after = there[np.minimum(right, len(there) - 1)]
    nearest = np.where(np.abs(wanted - before) <= np.abs(after - wanted), before, after)
    far = np.abs(nearest - wanted) > within
    if far.any():
        raise DataError(
            f"{where}: {far.sum()} missing frame(s) have no neighbour within --sampling.nearest_within_frames "
            f"{within}. Raise it, or use --sampling.missing_frames mask."
        )
    x_TD[wanted] = x_TD[nearest]
