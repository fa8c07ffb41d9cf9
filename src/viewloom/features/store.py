"""The packed store: one safetensors file for each recording and view, and a manifest that knows them all.

::

    <root>/manifest.json                                  spans, hashes, views, how it was made
    <root>/features/<recording>/<view>.safetensors        tensor "features" (T, D), float16 or float32

Row i is frame first + i; a missing frame is a row of NaN. `viewloom pack` writes it (`viewloom.features.pack`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from viewloom.errors import ConfigError, DataError
from viewloom.features.base import Span
from viewloom.features.block_sums import BlockSums, SeenBlocks
from viewloom.features.catalog import CatalogSource, all_cameras
from viewloom.features.rows import RowFile, hash_file
from viewloom.features.settings import Axes
from viewloom.features.stored_rows import MEND, StoredRows
from viewloom.features.views import ViewTable
from viewloom.reading import parsing, read_json
from viewloom.registry import STORES
from viewloom.sums import with_sum, without_sum

MANIFEST = "manifest.json"
FORMAT = "viewloom-store"
VERSION = 1
FEATURES = "features"
JOURNAL = "pack-journal.jsonl"
"""Present while a store is being packed: what is finished so far."""


def file_of(recording: str, view: str) -> str:
    """Path of a file inside the store, POSIX style; characters that paths can't have are percent-encoded."""

    def safe(name: str) -> str:
        quoted = quote(name, safe="")
        return "%2E" + quoted[1:] if quoted.startswith(".") else quoted

    return f"{FEATURES}/{safe(recording)}/{safe(view)}.safetensors"


@dataclass(frozen=True)
class StoreEntry:
    """One file of the store.

    Attributes:
        recording: the recording.
        view: logical name, as it was when packed.
        camera: physical name.
        file: path inside the store.
        first: first frame.
        end: frame after the last.
        gaps: runs [start, end) of missing frames, rows of NaN in the file.
        corrupt: frames that were NaN or infinite in part and were packed as missing; they are in ``gaps``.
        bytes: size of the file.
        sha256: hash of the file.
        source_rows: hash of the rows it was packed from, as `viewloom.features.content` makes it; empty in old stores.
        source_blocks: the same of blocks of them.
        sums: checksums of the file's blocks (`BlockSums.to_text`); empty in old stores.
    """

    recording: str
    view: str
    camera: str
    file: str
    first: int
    end: int
    gaps: tuple[tuple[int, int], ...]
    corrupt: int
    bytes: int
    sha256: str
    source_rows: str = ""
    source_blocks: str = ""
    sums: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "StoreEntry":
        """The entry from its JSON form; KeyError, TypeError or ValueError where it is none."""
        gaps = tuple((int(start), int(end)) for start, end in value["gaps"])
        entry = cls(**{**value, "gaps": gaps})
        path = PurePosixPath(entry.file)
        if path.is_absolute() or ".." in path.parts or not 0 <= entry.first < entry.end:
            raise ValueError(f"entry {entry.file!r} of frames [{entry.first}, {entry.end})")
        return entry


@dataclass(frozen=True)
class Manifest:
    """What a packed store holds and how it was made.

    Attributes:
        dim: feature size D of views that state none of their own.
        dtype: ``float16`` or ``float32``.
        fps: frames per second.
        fps_known: False where nobody gave the rate.
        views: names of the views and their cameras, sizes and rates.
        settings: what must be equal for two packings to go into one store.
        provenance: where the features come from: the source's kind and fingerprint, the backbone as the user
            named it. Stores with different backbones hold features that can't be mixed.
        entries: the files, by recording and view.
    """

    dim: int
    dtype: str
    fps: float
    fps_known: bool
    views: ViewTable
    settings: dict[str, Any]
    provenance: dict[str, Any]
    entries: tuple[StoreEntry, ...]

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values; holds no time and no path, so that equal stores are equal files. It carries a
        checksum of its own."""
        value = {
            "format": FORMAT,
            "version": VERSION,
            "dim": self.dim,
            "dtype": self.dtype,
            "fps": self.fps,
            "fps_known": self.fps_known,
            "views": {view.name: view.to_json() for view in self.views.views},
            "settings": self.settings,
            "provenance": self.provenance,
            "entries": [asdict(entry) for entry in self.entries],
        }
        return with_sum(value)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """The manifest from its JSON form; KeyError, TypeError or ValueError where it is none, or not what it was."""
        value = without_sum(value)
        entries = tuple(StoreEntry.from_json(entry) for entry in value["entries"])
        _refuse_doubled(entries)
        return cls(
            dim=int(value["dim"]),
            dtype=str(value["dtype"]),
            fps=float(value["fps"]),
            fps_known=bool(value["fps_known"]),
            views=ViewTable.from_json(MANIFEST, value["views"]),
            settings=dict(value["settings"]),
            provenance=dict(value["provenance"]),
            entries=entries,
        )


def _refuse_doubled(entries: tuple[StoreEntry, ...]) -> None:
    """ValueError where two entries are of one recording and camera, or of one file."""
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        for what in ((entry.recording, entry.camera), (entry.file,)):
            if what in seen:
                raise ValueError(f"two entries of {', '.join(what)}")
            seen.add(what)


def read_manifest(root: Path) -> Manifest:
    """The manifest of a store.

    Raises:
        DataError: where there is none (packing not finished), or one this version can't read.
    """
    path = root / MANIFEST
    if not path.is_file():
        unfinished = (root / JOURNAL).is_file()
        raise DataError(
            f"{root} is a packed store that isn't finished: run the same viewloom pack command again to go on."
            if unfinished
            else f"{root} has no {MANIFEST}, so it is no packed store."
        )
    with parsing(path, "Copy it again, or pack the features again.", what="the manifest of a packed store"):
        value = read_json(path)
        if value.get("format") != FORMAT:
            raise ValueError(f"format {value.get('format')!r}")
        if value["version"] != VERSION:
            raise DataError(
                f"{path} is of store version {value['version']}, but this viewloom reads version {VERSION}. "
                "Pack the features again, or use the viewloom that packed them."
            )
        return Manifest.from_json(value)


@STORES.register("packed")
class PackedSource(CatalogSource):
    """A packed store as a `FeatureSource`; files are memory-mapped for each read and hold no handle.

    Args:
        root: the store's folder.
        views: names for the cameras other than the store's own.
        fps: frames per second, where the store doesn't know.

    Raises:
        DataError: see `read_manifest`.
        ConfigError: where ``fps`` contradicts the store.
    """

    kind = "store"
    checked = True
    names_views = True
    block_bytes = 1 << 24  # nothing is copied
    expects = f"{MANIFEST} (packed store)"
    precedence = 0

    def __init__(self, root: Path | str, views: ViewTable | None = None, fps: float | None = None) -> None:
        self.root = Path(root)
        self.manifest = read_manifest(self.root)
        if self.manifest.fps_known:
            if fps is not None and fps != self.manifest.fps:
                raise ConfigError(
                    f"{root} was packed at {self.manifest.fps:g} frames per second, but fps is {fps:g}. "
                    "Leave fps out, or pack the features again with the right one."
                )
            fps = self.manifest.fps
        self._entries = {(entry.recording, entry.camera): entry for entry in self.manifest.entries}
        self._files: dict[str, StoredRows] = {}
        self._sums = self._read_sums()
        self._seen = SeenBlocks((file, len(sums.blocks)) for file, sums in self._sums.items())
        spans: dict[str, dict[str, Span]] = {}
        for entry in self.manifest.entries:
            spans.setdefault(entry.recording, {})[entry.camera] = Span(entry.first, entry.end)
        own = {camera: view.dim for view in self.manifest.views.views for camera in view.cameras if view.dim}
        dims = {camera: own.get(camera, self.manifest.dim) for camera in all_cameras(spans)}
        super().__init__(str(root), spans, self._timed(views), dims, fps)

    def _timed(self, views: ViewTable | None) -> ViewTable:
        """Other names for the store's cameras; sizes and rates stay the store's where they state none."""
        if views is None:
            return self.manifest.views
        stored = {camera: view for view in self.manifest.views.views for camera in view.cameras}
        named = []
        for view in views.views:
            own = next((stored[camera] for camera in view.cameras if camera in stored), view)
            stated = view.fps is not None or view.start_s
            named.append(view if stated else replace(view, fps=own.fps, start_s=own.start_s))
        return ViewTable(tuple(named))

    @classmethod
    def matches(cls, root: Path) -> bool:
        """A manifest, or the journal of one that isn't finished."""
        return (root / MANIFEST).is_file() or (root / JOURNAL).is_file()

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "PackedSource":
        """With the store's own axes and spans."""
        return cls(root, views, fps)

    @property
    def backbone(self) -> dict[str, str]:
        """As the manifest says."""
        return dict(self.manifest.provenance.get("backbone", {}))

    def entry(self, recording: str, view: str) -> StoreEntry:
        """What the manifest says of one view of a recording."""
        return self._entries[recording, self.camera(recording, view)]

    def missing_runs(self, recording: str, camera: str) -> tuple[tuple[int, int], ...]:
        """Runs of missing frames, as the manifest lists them."""
        return self._entries[recording, camera].gaps

    def _read_sums(self) -> dict[str, BlockSums]:
        """Checksums by file, of those that have some."""
        try:
            return {entry.file: BlockSums.from_text(entry.sums) for entry in self.manifest.entries if entry.sums}
        except ValueError as error:
            raise DataError(
                f"{self.root / MANIFEST} has checksums that can't be read ({error}). Copy it again, pack the features "
                "again, or upgrade viewloom."
            ) from None

    def _open(self, entry: StoreEntry) -> StoredRows:
        """The entry's file; its header is checked against the manifest, once."""
        rows = RowFile.open(self.root / entry.file)
        view = self.manifest.views.of_camera(entry.camera)
        shape = (entry.end - entry.first, (view.dim if view else None) or self.manifest.dim)
        if rows.shape != shape or rows.dtype != self.manifest.dtype:
            raise DataError(
                f"{rows.path} holds {rows.shape} {rows.dtype}, but {MANIFEST} says {shape} "
                f"{self.manifest.dtype}. Run viewloom pack again."
            )
        if self.verify:
            self._refuse_other_header(entry, rows)
        sums = self._sums.get(entry.file) if self.verify else None
        where = f"recording {entry.recording}, view {entry.view}"
        seen = None if sums is None else self._seen.of(entry.file)
        found = self._files[entry.file] = StoredRows(rows, entry.first, sums, seen, where)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """A copy in a process of its own opens its files itself."""
        return self.__dict__ | {"_files": {}}

    def _refuse_other_header(self, entry: StoreEntry, rows: RowFile) -> None:
        """`DataError` where a file says that it is another one's, or its header isn't the one that was written."""
        wanted = {"recording": entry.recording, "camera": entry.camera, "first": entry.first, "end": entry.end}
        other = {name: rows.metadata.get(name, value) for name, value in wanted.items()}
        if any(str(value) != other[name] for name, value in wanted.items() if name in rows.metadata):
            raise DataError(
                f"{rows.path} holds {other['recording']}, {other['camera']}, frames {other['first']} to "
                f"{other['end']}, but {MANIFEST} has it as {entry.recording}, {entry.camera}, frames {entry.first} to "
                f"{entry.end}: "
                f"files were exchanged, or {MANIFEST} was changed. {MEND}"
            )
        sums = self._sums.get(entry.file)
        with rows.path.open("rb") as file:
            if sums is not None and xxh3_64_intdigest(file.read(rows.offset)) != sums.header:
                raise DataError(f"{rows.path}: its header isn't the one that was packed. {MEND}")
        if sums is not None and len(sums.blocks) != sums.count(rows.file_bytes - rows.offset):
            raise DataError(f"{rows.path} has {len(sums.blocks)} checksums in {MANIFEST}, for another size. {MEND}")

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        entry = self._entries[recording, camera]
        x_TD[:] = (self._files.get(entry.file) or self._open(entry)).rows(start, start + len(x_TD))

    def _rows(self, recording: str, view: str, start: int, end: int) -> NDArray[np.floating]:
        """Straight from the file, where all frames lie inside it."""
        camera = self._single.get((recording, view)) or self.camera(recording, view)
        entry = self._entries[recording, camera]
        if view in self._clocks or start < entry.first or end > entry.end:
            return self.read(recording, view, start, end)
        return (self._files.get(entry.file) or self._open(entry)).rows(start, end)

    def file(self, recording: str, camera: str) -> Path:
        """The safetensors file."""
        return self.root / self._entries[recording, camera].file

    @property
    def summed(self) -> str:
        """Whether blocks have checksums, or whole files alone."""
        return "blocks" if len(self._sums) == len(self._entries) else "files"

    def damage(self, recording: str, camera: str) -> str | None:
        """By the file's SHA-256 and what its header says."""
        entry = self._entries[recording, camera]
        path = self.root / entry.file
        try:
            self._refuse_other_header(entry, RowFile.open(path))
        except DataError as error:
            return str(error)
        if hash_file(path) == entry.sha256:
            return None
        return f"{path} (recording {recording}, {camera}): its SHA-256 is not the one that was packed"

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The file's hash, which is the same wherever the store is copied to."""
        return (self._entries[recording, camera].sha256,)
