"""Windows pooled before, kept in a folder that several processes and runs share.

One safetensors file holds one window of one view at one chunk size, under a name that is a hash of everything it
depends on: the features' content, recording, camera, frames, chunk size and pooling. So a file is right for ever,
and one of features that have changed is never found again. Files appear whole or not at all; none is ever removed,
only damaged ones are rewritten, and a user may delete the folder at any time.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.console import err
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import Pooled
from viewloom.features.before import BeforeSource
from viewloom.features.catalog import CatalogSource, consecutive_runs
from viewloom.features.rows import STORED, RowFile, encode_header, write_rows
from viewloom.features.settings import Pooling
from viewloom.files import atomic_path
from viewloom.ranges import Range, refuse
from viewloom.sums import sum_of

FORMAT = "viewloom-pooled 1"
"""Part of every key; raised when pooling or the files change."""
GIB = 1 << 30
_COUNT_AGAIN = 64
"""Files written before the folder is counted again: other processes write there, too."""


class CachedSource(BeforeSource):
    """A feature store whose pooled windows are kept in a folder; a `FeatureSource` like the store itself.

    Args:
        source: the store.
        folder: where pooled windows are kept; made if needed.
        limit_gib: room they may take. Past it nothing more is kept, and what isn't is read from the store.

    Raises:
        ConfigError: where the folder is a file, or the limit is negative.
    """

    def __init__(self, source: CatalogSource, folder: Path | str, limit_gib: float) -> None:
        self.source = source
        self.folder = Path(folder)
        self.limit_gib = limit_gib
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"--pool_cache {folder} is a file; name a folder for pooled windows.")
        refuse("pool_cache_gib", limit_gib, Range(at_least=0), "features")
        self._seen: set[str] = set()  # files that were compared with their checksums in this process
        self._used_bytes = 0
        self._written = 0
        self._closed = False

    @property
    def uncached(self) -> CatalogSource:
        """The store, for windows that aren't worth the room."""
        return self.source

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) pooled by chunks: from the folder, or from the store and into the folder."""
        key = self._key(recording, view, start, end, chunk_frames, pooling)
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.safetensors"
        steps = -(-(end - start) // chunk_frames)
        kept = _load(path, key, start, end, steps, self.source.verify and path.stem not in self._seen)
        if kept is not None:
            x_SZ, missing = kept
            self._seen.add(path.stem)
            return Pooled(x_SZ, _mask(len(x_SZ), missing, start, end, chunk_frames), missing)
        pooled = self.source.read_pooled(recording, view, start, end, chunk_frames, pooling)
        self._keep(path, key, pooled)
        return pooled

    def _key(self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling) -> str:
        camera = self.source.camera(recording, view)
        content = self.source.content(recording, camera)
        other: list[Any] = [] if pooling == "max" else [pooling]  # windows of before there were others stay found
        timing = self.source.timing(view)  # of views stored at a rate of their own
        other += [] if timing is None else [[*timing, self.source.fps]]
        return json.dumps([FORMAT, content, recording, camera, start, end, chunk_frames, *other])

    def _keep(self, path: Path, key: str, pooled: Pooled) -> None:
        """Write a window, where there is room; say so, once, when there is no more."""
        rows_SD = np.ascontiguousarray(pooled.features_SZ, STORED["float32"])
        missing = json.dumps(consecutive_runs(pooled.missing))
        metadata = {"key": key, "missing": missing, "sum": sum_of(missing, repr(rows_SD.shape), rows_SD)}
        header = encode_header("float32", (len(rows_SD), rows_SD.shape[1]), metadata)
        if self._closed or not self._has_room(len(header) + rows_SD.nbytes):
            return
        try:
            with atomic_path(path) as temporary:
                write_rows(temporary, header, [rows_SD])
        except OSError as error:
            self._close(f"{self.folder} can't be written ({error})")

    def _has_room(self, size_bytes: int) -> bool:
        if self._written % _COUNT_AGAIN == 0:
            self._used_bytes = sum(_sizes(self.folder))
        self._written += 1
        self._used_bytes += size_bytes
        if self._used_bytes > self.limit_gib * GIB:
            self._close(f"{self.folder} has reached --pool_cache_gib {self.limit_gib:g}")
        return not self._closed

    def _close(self, reason: str) -> None:
        self._closed = True
        err.print(f"note: {reason}: windows not kept so far are read from the features each time.", markup=False)


def _mask(steps: int, missing: NDArray[np.int64], start: int, end: int, chunk_frames: int) -> NDArray[np.bool_]:
    """True where a chunk has at least one frame."""
    sizes = np.minimum(chunk_frames, end - start - np.arange(steps) * chunk_frames)
    mask_S: NDArray[np.bool_] = np.bincount((missing - start) // chunk_frames, minlength=steps) < sizes
    return mask_S


def _sizes(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # another process has just given it its final name
                yield path.stat().st_size


def _load(
    path: Path, key: str, start: int, end: int, steps: int, verify: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """Pooled features and missing frames of a file, or None where it isn't there, isn't whole, or fails its checksum,
    which files of earlier versions lack."""
    if not path.is_file():
        return None
    try:
        file = RowFile.open(path)
        if file.metadata["key"] != key:
            return None
        if file.shape[0] != steps:
            return None
        runs = _runs_within(json.loads(file.metadata["missing"]), start, end)
        x_SD = np.fromfile(path, STORED[file.dtype], offset=file.offset).reshape(file.shape)
        found = file.metadata.get("sum") if verify else None
        if found is not None and found != sum_of(file.metadata["missing"], repr(file.shape), x_SD):
            return None
    except (DataError, OSError, KeyError, ValueError, TypeError, RecursionError):
        return None  # deleted just now, or damaged: then it is written again
    missing = [np.empty(0, np.int64), *(np.arange(first, last) for first, last in runs)]
    return x_SD.astype(np.float32, copy=False), np.concatenate(missing)


def _runs_within(runs: Any, start: int, end: int) -> list[tuple[int, int]]:
    """Runs of missing frames; ValueError or TypeError where they aren't some of a window's frames, in order."""
    before, found = start, []
    for first, last in runs:
        if type(first) is not int or type(last) is not int or not before <= first < last <= end:
            raise ValueError(f"frames {first} to {last} of a window from {start} to {end}")
        found.append((first, last))
        before = last
    return found
