"""Assembly101's features: one LMDB environment for each camera, one key for each frame.

``<root>/<camera>/data.mdb`` holds ``<recording>/<camera>/<camera>_<frame:010d>.jpg``, whose value is the
frame's D float32, little endian. The keys sort by recording, then frame, so that spans are found by seeking
and a frame range is one scan.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb
import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, all_cameras, consecutive_runs, file_content
from viewloom.features.lmdb_pages import Pages
from viewloom.features.mapped import release
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import STORES
from viewloom.regular import regular

FPS = 30.0
"""Frame rate that this layout has unless the user says otherwise."""
DATA_FILE = "data.mdb"
RESIDENT_BYTES = 1 << 29
"""Values read from all environments before their pages are taken out of this process's resident memory."""
_KEY = re.compile(rb"(.+)/([^/]+)/\2_(\d{10})\.jpg", re.DOTALL)
_DIGITS = 10
_SUFFIX = b".jpg"
_POWERS = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)


def key_prefix(recording: str, camera: str) -> bytes:
    """What the keys of a recording and camera start with, up to the frame number."""
    return f"{recording}/{camera}/{camera}_".encode()


def frame_key(prefix: bytes, frame: int) -> bytes:
    """Key of one frame, ``prefix`` as `key_prefix` gives it."""
    return prefix + b"%010d" % frame + _SUFFIX


class Environment:
    """One camera's LMDB environment, open for reading; get it through `open_environment`.

    Opened without lock file and read-ahead, so that read-only media work. The handle stays good in a forked
    process: without a lock table a reader shares nothing but the read-only map.

    Args:
        folder: holds ``data.mdb``.

    Raises:
        DataError: when the file is no LMDB environment, is cut short, or is open elsewhere in this process.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / DATA_FILE
        self.camera = folder.name
        self.opened_content = file_content(regular(self.file, "Fetch it again."))
        self._pages = Pages(self.file)
        with self._explained():
            self._handle: Any = lmdb.open(
                str(folder), readonly=True, lock=False, readahead=False, create=False, subdir=True, max_dbs=0
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns LMDB's errors into one that names the file and the remedy."""
        try:
            yield
        except lmdb.Error as error:
            if "already open" in str(error):
                raise DataError(
                    f"{self.file} is already open in this process by other code, and LMDB allows it only once; "
                    "close that environment first."
                ) from error
            raise DataError(
                f"{self.file} can't be read as an LMDB environment ({error}). It is damaged or something else; "
                "fetch it again and compare its size or checksum with the original's."
            ) from error

    @property
    def entries(self) -> int:
        """Number of keys."""
        with self._explained():
            return int(self._handle.stat()["entries"])

    @contextmanager
    def _cursor(self, buffers: bool = False, within: tuple[bytes, bytes] | None = None) -> Iterator[Any]:
        """A cursor that may go from one key to another, and to the neighbours of those; None: that checks by itself."""
        if within is not None:
            self._pages.check(*within)
        with self._explained(), self._handle.begin(buffers=buffers) as transaction:
            yield transaction.cursor()

    def parse_key(self, key: bytes) -> tuple[str, int]:
        """Recording and frame of a key; `DataError` for one of another form or camera."""
        match = _KEY.fullmatch(key)
        if match is None or match[2] != self.camera.encode():
            raise DataError(
                f"{self.file}: key {key.decode(errors='replace')!r} is not of the form "
                f"<recording>/{self.camera}/{self.camera}_<frame, 10 digits>.jpg. The folder must bear the "
                "camera's name, and every key must be a frame."
            )
        return match[1].decode(), int(match[3])

    def first_dim(self) -> int:
        """Feature size D by the first value; `DataError` where there is none, or one that is no row of numbers."""
        with self._cursor(True, (b"", b"")) as cursor:
            if not cursor.first():
                raise DataError(f"{self.file} holds no keys; remove the folder, or fetch the file again.")
            key, size = bytes(cursor.key()).decode(errors="replace"), len(cursor.value())
        if size == 0 or size % 4:
            raise DataError(
                f"{self.file}: the value of key {key!r} has {size} bytes, which is no row of float32 numbers. "
                "Is this a feature store?"
            )
        return size // 4

    def seek_spans(self) -> dict[str, Span]:
        """Frame range of every recording: two seeks each, whatever its length; no value is read."""
        spans = {}
        with self._cursor(within=(b"", b"")) as cursor:
            found = cursor.first()
            while found:
                recording, first = self.parse_key(cursor.key())
                prefix = key_prefix(recording, self.camera)
                behind = prefix[:-1] + bytes([prefix[-1] + 1])
                self._pages.check(behind, behind)
                beyond = cursor.set_range(behind)
                _ = cursor.prev() if beyond else cursor.last()
                last_key = cursor.key()
                last_recording, last = self.parse_key(last_key)
                if last_recording != recording:
                    raise DataError(f"{self.file}: keys are not in order at {last_key.decode()!r}; it is damaged.")
                spans[recording] = Span(first, last + 1)
                found = cursor.next() if beyond else False
        return spans

    def frames(self, recording: str, start: int, end: int) -> NDArray[np.int64]:
        """Numbers of the frames in [start, end) that have a key, ascending; no value is read."""
        prefix = key_prefix(recording, self.camera)
        low, high = frame_key(prefix, start), frame_key(prefix, end)
        with self._cursor(within=(low, high)) as cursor:
            if not cursor.set_range(low):
                return np.empty(0, np.int64)
            keys = list(takewhile(high.__gt__, cursor.iternext(keys=True, values=False)))
        return self._parse_frames(keys, prefix)

    def _parse_frames(self, keys: list[bytes], prefix: bytes) -> NDArray[np.int64]:
        """Frame numbers of keys that should all be of one recording; all at once, for they are many."""
        width = len(prefix) + _DIGITS + len(_SUFFIX)
        joined = np.frombuffer(b"".join(keys), np.uint8)
        if len(joined) == len(keys) * width:
            table = joined.reshape(len(keys), width)
            digits = table[:, len(prefix) : len(prefix) + _DIGITS] - np.uint8(ord("0"))
            if (digits <= 9).all() and (table[:, -len(_SUFFIX) :] == np.frombuffer(_SUFFIX, np.uint8)).all():
                frames: NDArray[np.int64] = digits.astype(np.int64) @ _POWERS
                return frames
        # One of them has another form; one by one, the first such names itself.
        return np.array([self.parse_key(key)[1] for key in keys], np.int64)

    def read_run(self, recording: str, start: int, x_TD: NDArray[np.float32]) -> None:
        """Fill ``x_TD`` with frames [start, start + T), each of which must have a key; one scan, no key is read.

        Raises:
            DataError: naming the first key whose value is not D float32 long, or a frame that has none.
        """
        prefix, end = key_prefix(recording, self.camera), start + len(x_TD)
        with self._cursor(True, (frame_key(prefix, start), frame_key(prefix, end))) as cursor:
            found = cursor.set_key(frame_key(prefix, start))
            if found:
                self._copy_values(cursor, x_TD)
            # The frames' keys are all different and in order: as many as expected, from the first to the last.
            if not found or cursor.key() != frame_key(prefix, end - 1):
                raise DataError(
                    f"{self.file}: not every frame in [{start}, {end}) of {recording} has a key any more. It was "
                    "changed after it was opened; start again."
                )
        if not np.little_endian:
            x_TD.byteswap(inplace=True)
        _ENVIRONMENTS.note_read(x_TD.nbytes)

    def _copy_values(self, cursor: Any, x_TD: NDArray[np.float32]) -> None:
        """Copy the values from the cursor on, one a row. The loop is as lean as LMDB lets it be."""
        size = x_TD.shape[1] * 4
        assert x_TD.flags.c_contiguous
        target = x_TD.reshape(-1).view(np.uint8).data
        offset = 0
        try:
            for value in islice(cursor.iternext(keys=False, values=True), len(x_TD)):
                target[offset : offset + size] = value
                offset += size
        except ValueError as error:
            raise self._wrong_size(bytes(cursor.key()), len(cursor.value()), size) from error

    def _wrong_size(self, key: bytes, found: int, size: int) -> DataError:
        return DataError(
            f"{self.file}: the value of key {key.decode(errors='replace')!r} has {found} bytes, but D = "
            f"{size // 4} float32 take {size}. The frame was cut or comes from another extractor; extract "
            "it again, or delete its key (a missing frame is dealt with, a wrong one is not)."
        )


class _OpenEnvironments:
    """The environments open in this process: LMDB forbids to open one twice."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._open: WeakValueDictionary[str, Environment] = WeakValueDictionary()
        self._read_bytes = 0

    def get(self, folder: Path) -> Environment:
        """The environment in ``folder``, opened if need be; closed once nobody holds it."""
        if self._process != os.getpid():  # forked: another thread may have held the lock just then
            self._process, self._lock = os.getpid(), threading.Lock()
        key = os.path.realpath(folder)
        with self._lock:
            environment = self._open.get(key)
            if environment is None:
                environment = self._open[key] = Environment(folder)
            return environment

    def note_read(self, size_bytes: int) -> None:
        """Count what was read; past `RESIDENT_BYTES` the pages of all environments are given back."""
        self._read_bytes += size_bytes
        if self._read_bytes > RESIDENT_BYTES:
            self._read_bytes = 0
            for environment in list(self._open.values()):
                release(environment.file)


_ENVIRONMENTS = _OpenEnvironments()
open_environment = _ENVIRONMENTS.get
"""The LMDB environment in a camera's folder, opened once a process."""


@STORES.register("lmdb")
class LmdbSource(CatalogSource):
    """Assembly101's LMDB layout as a `FeatureSource`.

    Environments are opened at first use in each process and dropped when pickled, so a source can go to
    forked and spawned workers.

    Args:
        root: folder with one folder for each camera.
        views: names of the views; None: see `viewloom.features.catalog.default_views`.
        fps: frames per second; None: 30, the layout's own.

    Raises:
        DataError: for a damaged environment, values of unequal size.
    """

    kind = "lmdb"
    expects = f"<camera>/{DATA_FILE} (LMDB)"
    precedence = 1

    def __init__(
        self,
        root: Path | str,
        views: ViewTable | None = None,
        fps: float | None = None,
    ) -> None:
        self.root = Path(root)
        self._environments: dict[str, Environment] = {}
        self._absent: dict[tuple[str, str], NDArray[np.int64]] = {}
        cameras = sorted(path.parent.name for path in self.root.glob(f"*/{DATA_FILE}"))
        if not cameras:
            raise DataError(f"{root} has no <camera>/{DATA_FILE}; point to the folder above the camera folders.")
        spans: dict[str, dict[str, Span]] = {}
        for camera in cameras:
            for recording, span in self.environment(camera).seek_spans().items():
                spans.setdefault(recording, {})[camera] = span
        dims = {camera: self.environment(camera).first_dim() for camera in cameras}
        super().__init__(str(root), spans, views, dims, FPS if fps is None else fps)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """A folder of cameras' environments."""
        return next(root.glob(f"*/{DATA_FILE}"), None) is not None

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> LmdbSource:
        """With spans from the keys; `open_source` compares an index with them."""
        return cls(root, views, fps)

    def environment(self, camera: str) -> Environment:
        """The camera's environment, open in this process."""
        if camera not in self._environments:
            self._environments[camera] = open_environment(self.root / camera)
        return self._environments[camera]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_environments": {}}

    def entries(self) -> dict[str, int]:
        """{camera: number of keys}"""
        return {camera: self.environment(camera).entries for camera in all_cameras(self.spans)}

    def missing_runs(self, recording: str, camera: str) -> tuple[tuple[int, int], ...]:
        """Runs of frames without a key, by going through every key of the recording."""
        return consecutive_runs(self._missing(recording, camera))

    def _missing(self, recording: str, camera: str) -> NDArray[np.int64]:
        """Frames without a key; every key of the recording is looked at, once a process."""
        found = self._absent.get((recording, camera))
        if found is None:
            first, end = self.spans[recording][camera]
            absent = np.ones(end - first, np.bool_)
            absent[self.environment(camera).frames(recording, first, end) - first] = False
            found = self._absent[recording, camera] = np.flatnonzero(absent) + first
        return found

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        missing, end = self._missing(recording, camera), start + len(x_TD)
        here = missing[(start <= missing) & (missing < end)] - start if len(missing) else missing
        runs: tuple[tuple[int, int], ...] = ((start, end),)
        if len(here):
            x_TD[here] = np.nan
            runs = consecutive_runs(np.delete(np.arange(start, end), here))
        for first, last in runs:
            self.environment(camera).read_run(recording, first, x_TD[first - start : last - start])

    def file(self, recording: str, camera: str) -> Path:
        """The camera's environment."""
        return self.environment(camera).file

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The environment's file when it was opened, and now: it may have been replaced, and the old one be read."""
        environment = self.environment(camera)
        return *environment.opened_content, *file_content(environment.file)
