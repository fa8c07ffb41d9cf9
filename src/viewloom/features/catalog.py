"""What all stores share: which recording has which camera over which frames, and what the views are called."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.base import Span
from viewloom.features.pooling import BLOCK_BYTES, Pooled, pool_rows, pooled_dim
from viewloom.features.settings import Axes, Pooling
from viewloom.features.views import ViewTable

DEFAULT_FPS = 30.0
"""Frames per second where neither the store nor the user says: Assembly101's rate."""

Spans = Mapping[str, Mapping[str, Span]]
"""{recording: {camera: frame range}}"""


def default_views(cameras: Collection[str]) -> ViewTable:
    """Assembly101's views where every camera is one of Assembly101's, else each camera as its own view."""
    table = ViewTable.assembly101()
    known = all(table.of_camera(camera) is not None for camera in cameras)
    return table if known else ViewTable.identity(tuple(sorted(cameras)))


def all_cameras(spans: Spans) -> tuple[str, ...]:
    """Every camera that at least one recording has, sorted."""
    return tuple(sorted({camera for cameras in spans.values() for camera in cameras}))


class CatalogSource(ABC):
    """A feature store whose recordings, cameras and frame ranges are known; subclasses fetch the rows.

    Args:
        where: the store's folder, for messages.
        spans: frame range of every recording and camera.
        views: names of the views and their cameras; None takes `default_views`. Cameras it doesn't name
            can't be read; they are listed in ``unnamed_cameras``.
        dim: feature size D.
        fps: frames per second, or None where nobody said: then `DEFAULT_FPS`, and ``fps_known`` is False.

    Raises:
        DataError: when the table names none of the cameras.
        ConfigError: for a frame rate that isn't positive.
    """

    kind: str
    """What the layout is called: ``lmdb``, ``npy`` or ``store``."""
    expects: ClassVar[str]
    """What is looked for in a folder, in words."""
    precedence: ClassVar[int] = 2
    """Place in the order in which stores are asked whether a folder is theirs: packed 0, LMDB 1, others 2, npy 3."""

    @classmethod
    @abstractmethod
    def matches(cls, root: Path) -> bool:
        """Whether a folder is such a store, by its files."""

    @classmethod
    @abstractmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "CatalogSource":
        """The store in a folder; arguments as those of `viewloom.features.opening.open_source`."""

    def __init__(self, where: str, spans: Spans, views: ViewTable | None, dim: int, fps: float | None) -> None:
        if fps is not None and not 0 < fps < float("inf"):
            raise ConfigError(f"fps must be a positive number, but is {fps}.")
        cameras = all_cameras(spans)
        self.where = where
        self.spans = spans
        self.view_table = views if views is not None else default_views(cameras)
        self._dim = dim
        self._fps = fps
        self.unnamed_cameras = tuple(c for c in cameras if self.view_table.of_camera(c) is None)
        if len(self.unnamed_cameras) == len(cameras):
            raise DataError(
                f"{where} holds the cameras {listed(cameras)}, but the view table names none of them; it has: "
                f"{listed(self.view_table.names, 16)}. Pass a view file with their names (--views_file)."
            )

    @property
    def dim(self) -> int:
        """Feature size D."""
        return self._dim

    @property
    def fps(self) -> float:
        """Frames per second."""
        return DEFAULT_FPS if self._fps is None else self._fps

    @property
    def fps_known(self) -> bool:
        """Whether the store or the user gave the frame rate; False: it is `DEFAULT_FPS` for want of better."""
        return self._fps is not None

    @cached_property
    def recordings(self) -> tuple[str, ...]:
        """Recordings with at least one named view, sorted."""
        return tuple(sorted(self._cameras_of_views))

    @cached_property
    def _cameras_of_views(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """{recording: {view, in table order: cameras of it that the recording has}}"""
        found = {
            recording: {
                view.name: tuple(camera for camera in view.cameras if camera in cameras)
                for view in self.view_table.views
                if any(camera in cameras for camera in view.cameras)
            }
            for recording, cameras in self.spans.items()
        }
        return {recording: views for recording, views in found.items() if views}

    def views(self, recording: str) -> tuple[str, ...]:
        """Views of a recording in the table's order; `DataError` for an unknown recording."""
        known = self._cameras_of_views
        if recording not in known:
            raise DataError(
                f"{self.where} has no recording {recording!r}; it has {len(known)}: "
                f"{listed(self.recordings, 4)}. Check the name, or the split list it comes from."
            )
        return tuple(known[recording])

    def camera(self, recording: str, view: str) -> str:
        """The camera that shows a view in a recording; `DataError` where there is none, or more than one."""
        views = self.views(recording)
        if view not in views:
            raise DataError(f"Recording {recording} has no view {view!r}; it has: {listed(views, 16)}.")
        return self.view_table.resolve(view, self._cameras_of_views[recording][view], recording)

    def span(self, recording: str, view: str) -> Span:
        """Frame range of one view; `DataError` naming the views there are, when this one is missing."""
        return self.spans[recording][self.camera(recording, view)]

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end), shape (end - start, D); rows of NaN for frames that aren't there."""
        if end < start:
            raise ValueError(f"Expected start <= end, but got frames [{start}, {end}).")
        x_TD = np.empty((end - start, self.dim), np.float32)
        self._fill(recording, self.camera(recording, view), start, x_TD)
        return x_TD

    def _fill(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        """Fill ``x_TD`` with frames [start, start + T), NaN outside the span."""
        span, end = self.spans[recording][camera], start + len(x_TD)
        first = min(max(start, span.first), end)
        last = max(first, min(end, span.end))
        x_TD[: first - start] = np.nan
        x_TD[last - start :] = np.nan
        if last > first:
            self._read_into(recording, camera, first, x_TD[first - start : last - start])

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) pooled by chunks (`viewloom.features.pooling.pool_valid`), block by block."""
        camera, where = self.camera(recording, view), f"{recording}, view {view}"
        pooled_SD = np.empty((-(-(end - start) // chunk_frames), pooled_dim(self.dim, pooling)), np.float32)
        chunks = max(1, BLOCK_BYTES // (4 * self.dim * chunk_frames))
        block_TD = np.empty((min(chunks * chunk_frames, end - start), self.dim), np.float32)
        missing = [np.empty(0, np.int64)]
        for step in range(0, len(pooled_SD), chunks):
            first = start + step * chunk_frames
            x_TD = block_TD[: end - first]
            self._fill(recording, camera, first, x_TD)
            missing.append(pool_rows(x_TD, chunk_frames, where, first, pooled_SD[step : step + chunks], pooling))
        return Pooled(pooled_SD, np.concatenate(missing), start, end, chunk_frames)

    @abstractmethod
    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        """Fill ``x_TD`` with frames [start, start + T), which lie inside the span."""

    def missing_runs(self, recording: str, camera: str) -> tuple[tuple[int, int], ...]:
        """Runs [start, end) of frames inside the span that the store lacks, as far as it knows by itself.

        Feature values are never read: rows of NaN in a store without keys or a list of gaps are not found.
        """
        return ()

    def entries(self) -> dict[str, int]:
        """{camera: number of keys}, where the store has keys: an index that no longer fits shows in them."""
        return {}

    @property
    def backbone(self) -> dict[str, str]:
        """What extracted the features (name, weights' hash, preprocessing); empty where the store doesn't say."""
        return {}

    @abstractmethod
    def file(self, recording: str, camera: str) -> Path:
        """The file that holds the rows of one camera."""

    def written(self, recording: str, view: str) -> tuple[str, int, int]:
        """Where the rows of a view are kept, that file's size in bytes, and when it was last changed, in ns.

        That is when its content or anything else of it was: a time that was put back shows in the latter.
        """
        path = self.file(recording, self.camera(recording, view))
        found = path.stat()
        return str(path.resolve()), found.st_size, max(found.st_mtime_ns, found.st_ctime_ns)

    @abstractmethod
    def content(self, recording: str, camera: str) -> Sequence[str | int]:
        """What identifies the features of one camera: it differs whenever they do."""

    def fingerprint(self) -> str:
        """Hash of recordings, views, cameras, spans and D; the same for a store and its packed copy."""
        layout = {
            recording: {
                view: [[camera, *self.spans[recording][camera]] for camera in cameras]
                for view, cameras in views.items()
            }
            for recording, views in self._cameras_of_views.items()
        }
        text = json.dumps([self.dim, layout], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_content(path: Path) -> tuple[str, int, int, int, int]:
    """What changes whenever a file does: where it is, its size, and its times of change."""
    found = path.stat()
    return str(path.resolve()), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def consecutive_runs(frames: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Runs [start, end) of consecutive numbers in an ascending list: (3, 4, 9) gives (3, 5), (9, 10)."""
    if not len(frames):
        return ()
    breaks = np.flatnonzero(np.diff(frames) != 1)
    starts = frames[np.r_[0, breaks + 1]]
    ends = frames[np.r_[breaks, len(frames) - 1]] + 1
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))
