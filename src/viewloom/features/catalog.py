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
from typing_extensions import Self

from viewloom.errors import DataError, listed
from viewloom.features.base import Pooled, Span
from viewloom.features.clock import Clock, on_clock
from viewloom.features.settings import Axes, Pooling
from viewloom.features.views import ViewTable
from viewloom.limits import FARTHEST_FRAME, LARGEST_DIM, LONGEST_FRAMES
from viewloom.ranges import RATE, Range, refuse

DEFAULT_FPS = 30.0
"""Frames per second where neither the store nor the user says: Assembly101's rate."""

Spans = Mapping[str, Mapping[str, Span]]
"""{recording: {camera: frame range}}"""


def default_views(cameras: Collection[str]) -> ViewTable:
    """Assembly101's views where every camera is one of Assembly101's, else each camera as its own view."""
    table = ViewTable.assembly101()
    standard = all(table.of_camera(camera) is not None for camera in cameras)
    return table if standard else ViewTable.identity(tuple(sorted(cameras)))


def all_cameras(spans: Spans) -> tuple[str, ...]:
    """Every camera that at least one recording has, sorted."""
    return tuple(sorted({camera for cameras in spans.values() for camera in cameras}))


class CatalogSource(ABC):
    """A feature store whose recordings, cameras and frame ranges are known; subclasses fetch the rows.

    Args:
        where: the store's folder, for messages.
        spans: stored frame range of every recording and camera.
        views: names of the views and their cameras; None takes `default_views`. Cameras it doesn't name
            can't be read; they are listed in ``unnamed_cameras``.
        dims: feature size D of all cameras, or of each.
        fps: frames per second of the data set's clock, or None where nobody said: then the fastest view's where the
            table gives every view a rate, else `DEFAULT_FPS`, and ``fps_known`` is False.

    Raises:
        DataError: when the table names none of the cameras, or a view's cameras have features of different sizes.
        ConfigError: for a frame rate that isn't positive.
    """

    kind: str
    """What the layout is called: ``lmdb``, ``npy`` or ``store``."""
    checked = False
    """Whether rows that were spoilt in part were refused when the store was written."""
    block_bytes = 1 << 20
    """Rows (in the stored type) that are read and pooled at a time: few enough to stay in the processor's cache."""
    verify: bool = True
    """Whether what is read is compared with its checksum the first time, where the store has checksums."""
    names_views: ClassVar[bool] = False
    """Whether such a store knows the names, sizes and rates of its views by itself."""
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

    def __init__(
        self, where: str, spans: Spans, views: ViewTable | None, dims: Mapping[str, int] | int, fps: float | None
    ) -> None:
        refuse("fps", fps, Range(**RATE), "features")
        _refuse_endless(where, spans, dims)
        cameras = all_cameras(spans)
        self.where = where
        self.spans = spans
        self.view_table = views if views is not None else default_views(cameras)
        self.unnamed_cameras = tuple(c for c in cameras if self.view_table.of_camera(c) is None)
        if len(self.unnamed_cameras) == len(cameras):
            raise DataError(
                f"{where} holds the cameras {listed(cameras)}, but the view table names none of them; it has: "
                f"{listed(self.view_table.names, 16)}. Pass a view file with their names (--views_file)."
            )
        rates = [view.fps for view in self.view_table.views]
        self._fps = fps if fps is not None or None in rates else max(rate for rate in rates if rate is not None)
        self._dims = self._sizes(dict.fromkeys(cameras, dims) if isinstance(dims, int) else dims)
        clocks = {view.name: Clock.of(view.fps or self.fps, view.start_s, self.fps) for view in self.view_table.views}
        self._clocks = {name: clock for name, clock in clocks.items() if clock is not None}

    def _sizes(self, dims: Mapping[str, int]) -> dict[str, int]:
        """Feature size of every view that has a camera here."""
        sizes: dict[str, int] = {}
        for view in self.view_table.views:
            found = {camera: dims[camera] for camera in view.cameras if camera in dims}
            if len(set(found.values())) > 1 or (view.dim and set(found.values()) - {view.dim}):
                raise DataError(
                    f"{self.where}: view {view.name!r} must have one feature size"
                    f"{f', {view.dim}' if view.dim else ''}, but its cameras have {found}. Extract them alike, or give "
                    "them names of their own in a view file (--views_file)."
                )
            if found:
                sizes[view.name] = next(iter(found.values()))
        return sizes

    def dim(self, view: str) -> int:
        """Feature size D of a view; `DataError` for one that no recording has."""
        if view not in self._dims:
            raise DataError(f"{self.where} has no view {view!r}; it has: {listed(self._dims, 16)}.")
        return self._dims[view]

    @property
    def fps(self) -> float:
        """Frames per second of the data set's clock."""
        return DEFAULT_FPS if self._fps is None else self._fps

    @property
    def fps_known(self) -> bool:
        """Whether the store or the user gave the frame rate; False: it is `DEFAULT_FPS` for want of better."""
        return self._fps is not None

    @property
    def uncached(self) -> Self:
        """Itself: nothing is kept."""
        return self

    def timing(self, view: str) -> tuple[float, float] | None:
        """Stored frames per second and time (s) of stored frame 0; None where they are the data set's own."""
        entry = self.view_table[view]
        return (entry.fps or self.fps, entry.start_s) if view in self._clocks else None

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

    @cached_property
    def _single(self) -> dict[tuple[str, str], str]:
        """{(recording, view): its camera}, where it is one."""
        return {(r, v): of[0] for r, views in self._cameras_of_views.items() for v, of in views.items() if len(of) == 1}

    def views(self, recording: str) -> tuple[str, ...]:
        """Views of a recording in the table's order; `DataError` for an unknown recording."""
        there = self._cameras_of_views
        if recording not in there:
            raise DataError(
                f"{self.where} has no recording {recording!r}; it has {len(there)}: "
                f"{listed(self.recordings, 4)}. Check the name, or the split list it comes from."
            )
        return tuple(there[recording])

    def camera(self, recording: str, view: str) -> str:
        """The camera that shows a view in a recording; `DataError` where there is none, or more than one."""
        found = self._single.get((recording, view))
        if found is not None:
            return found
        views = self.views(recording)
        if view not in views:
            raise DataError(f"Recording {recording} has no view {view!r}; it has: {listed(views, 16)}.")
        return self.view_table.resolve(view, self._cameras_of_views[recording][view], recording)

    def stored_span(self, recording: str, view: str) -> Span:
        """Frame range of one view as it is stored, at its own rate."""
        camera = self.camera(recording, view)
        return self.spans[recording][camera]

    def span(self, recording: str, view: str) -> Span:
        """Frame range of one view; `DataError` naming the views there are, when this one is missing."""
        return on_clock(self.stored_span(recording, view), self._clocks.get(view))

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end), shape (end - start, D); rows of NaN for frames that aren't there."""
        clock = self._clocks.get(view)
        if clock is None or end <= start:
            return self.read_stored(recording, view, start, end)
        places = clock.nearest(np.arange(start, end))
        x_TD: NDArray[np.float32] = self.read_stored(recording, view, int(places[0]), int(places[-1]) + 1)
        nearest_TD: NDArray[np.float32] = np.take(x_TD, places - places[0], axis=0)
        return nearest_TD

    def read_stored(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """As `read`, but frames as they are stored, at the view's own rate."""
        if end < start:
            raise ValueError(f"Expected start <= end, but got frames [{start}, {end}).")
        camera = self.camera(recording, view)
        x_TD = np.empty((end - start, self.dim(view)), np.float32)
        span = self.spans[recording][camera]
        first = min(max(start, span.first), end)
        last = max(first, min(end, span.end))
        x_TD[: first - start] = np.nan
        x_TD[last - start :] = np.nan
        if last > first:
            self._read_into(recording, camera, first, x_TD[first - start : last - start])
        return x_TD

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) pooled by chunks (`viewloom.features.pooling.pool`), block by block."""
        from viewloom.features.pooling import missing_rows, pool_rows  # torch: who only opens doesn't wait for it

        dim, where = self._dims[view], f"{recording}, view {view}"
        steps = -(-(end - start) // chunk_frames)
        x_SZ, mask_S = np.empty((steps, dim * (1 + (pooling == "both"))), np.float32), np.empty(steps, np.bool_)
        missing = [np.empty(0, np.int64)]
        chunks = max(1, self.block_bytes // (4 * dim * chunk_frames))
        try:
            for step in range(0, steps, chunks):
                first = start + step * chunk_frames
                rows_TD = self._rows(recording, view, first, min(first + chunks * chunk_frames, end))
                z_SZ, there_S, lacking = pool_rows(rows_TD, chunk_frames, pooling, where, first, self.checked)
                x_SZ[step : step + chunks], mask_S[step : step + chunks] = z_SZ.numpy(), there_S.numpy()
                missing.append(lacking)
        except DataError:
            missing_rows(self.read(recording, view, start, end), where, start)  # tells of all corrupt frames
            raise
        return Pooled(x_SZ, mask_S, np.concatenate(missing))

    def _rows(self, recording: str, view: str, start: int, end: int) -> NDArray[np.floating]:
        """As `read`, in whatever floating type; may be a view of a file."""
        return self.read(recording, view, start, end)

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

    def written(self, recording: str, view: str) -> tuple[str, int, int, int]:
        """Where the rows of a view are kept, that file's size in bytes, its last change in ns, and its number.

        It was changed when its content or anything else of it was: a time that was put back shows in the latter. The
        number (inode) differs where another file took its place, its folder's name included.
        """
        path = self.file(recording, self.camera(recording, view))
        found = path.stat()
        return str(path.resolve()), found.st_size, max(found.st_mtime_ns, found.st_ctime_ns), found.st_ino

    @property
    def summed(self) -> str:
        """What has a checksum: ``blocks`` of files, whole ``files``, or nothing (empty)."""
        return ""

    def damage(self, recording: str, camera: str) -> str | None:
        """What is wrong with the file of one camera, by the checksum that the store has of it; it is read whole.

        None where nothing is, or the store has none.
        """
        return None

    @abstractmethod
    def content(self, recording: str, camera: str) -> Sequence[str | int]:
        """What identifies the features of one camera: it differs whenever they do."""

    def fingerprint(self) -> str:
        """Hash of recordings, views, cameras, spans, sizes and rates; the same for a store and its packed copy."""
        layout = {
            recording: {
                view: [[camera, *self.spans[recording][camera]] for camera in cameras]
                for view, cameras in views.items()
            }
            for recording, views in self._cameras_of_views.items()
        }
        sizes = set(self._dims.values())
        what: list[Any] = [sizes.pop() if len(sizes) == 1 else self._dims, layout]
        timings = {view: self.timing(view) for view in self._clocks}
        text = json.dumps(what + ([timings] if timings else []), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refuse_endless(where: str, spans: Spans, dims: Mapping[str, int] | int) -> None:
    """`DataError` for a length or size that nobody recorded: a few bytes can claim more than a machine holds."""
    for recording, cameras in spans.items():
        for camera, span in cameras.items():
            if span.frames > LONGEST_FRAMES or not 0 <= span.first < FARTHEST_FRAME:
                raise DataError(
                    f"{where}: recording {recording[:200]!r}, camera {camera[:200]!r} is said to have frames "
                    f"[{span.first:,}, {span.end:,}), but {LONGEST_FRAMES:,} frames are the most that are read. Cut "
                    "the recording, or make its file again."
                )
    for name, dim in dims.items() if isinstance(dims, Mapping) else [("all", dims)]:
        if not 0 < dim <= LARGEST_DIM:
            raise DataError(
                f"{where}: camera {name[:200]!r} is said to have features of size {dim:,}; 1 to {LARGEST_DIM:,} are "
                "read. Make its files again."
            )


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
