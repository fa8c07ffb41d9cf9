"""The files of a packed store, one at a time: rows checked, written whole or not at all, and read back.

`Packer` is what a worker process runs; `Journal` remembers what is finished, so that a killed packing goes on.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.durable import make_folder
from viewloom.errors import ConfigError, DataError
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, consecutive_runs
from viewloom.features.content import rows_digest, rows_hash
from viewloom.features.rows import STORED, block_sums, encode_header, hash_file, write_rows
from viewloom.features.settings import Compare
from viewloom.features.store import FEATURES, JOURNAL, MANIFEST, StoreEntry, file_of, read_manifest
from viewloom.files import atomic_path, write_text
from viewloom.outputs import refuse_folder
from viewloom.owned import TEMPORARY, remove_dead
from viewloom.reading import once
from viewloom.sums import with_sum, without_sum

BLOCK_BYTES = 16 << 20
"""Features held in memory at a time, as float32."""
FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class PackTask:
    """One file to be: a view of a recording.

    Attributes:
        recording: the recording.
        view: logical name.
        camera: physical name.
        first: first frame.
        end: frame after the last.
        dim: feature size D.
        dtype: ``float16`` or ``float32``.
        fps: frames per second.
        backbone: what the user says about the extractor, stored with the rows.
        written: the source's file as it was before it was read (`CatalogSource.written`).
    """

    recording: str
    view: str
    camera: str
    first: int
    end: int
    dim: int
    dtype: str
    fps: float
    backbone: dict[str, str]
    written: tuple[Any, ...] = ()

    @property
    def file(self) -> str:
        """Path inside the store."""
        return file_of(self.recording, self.view)

    @property
    def header(self) -> bytes:
        """The file's header."""
        metadata = {
            "format": "viewloom-features",
            "recording": self.recording,
            "view": self.view,
            "camera": self.camera,
            "first": str(self.first),
            "end": str(self.end),
            "fps": repr(self.fps),
            "dtype": self.dtype,
            "backbone": json.dumps(self.backbone, sort_keys=True),
        }
        return encode_header(self.dtype, (self.end - self.first, self.dim), metadata)

    @property
    def bytes(self) -> int:
        """Size of the whole file."""
        return len(self.header) + (self.end - self.first) * self.dim * STORED[self.dtype].itemsize

    @property
    def named(self) -> dict[str, Any]:
        """What an entry says of it before it is packed."""
        names = ("recording", "view", "camera", "file", "first", "end", "bytes")
        return {name: getattr(self, name) for name in names}

    def fits(self, root: Path, entry: StoreEntry) -> bool:
        """Whether the file that ``entry`` records is this task's, and is whole on disk: size, header, hash."""
        path = root / self.file
        if any(getattr(entry, name) != value for name, value in self.named.items()):
            return False
        if not path.is_file() or path.stat().st_size != self.bytes:
            return False
        with path.open("rb") as file:
            same_header = file.read(len(self.header)) == self.header
        return same_header and hash_file(path) == entry.sha256


@dataclass
class _Found:
    """Frames of one file that are missing, those of them that were corrupt, and the hash of the rows as read."""

    rows: Any
    missing: list[NDArray[np.int64]] = field(default_factory=list)
    corrupt: int = 0


@dataclass(frozen=True)
class Packer:
    """Packs single files; goes to worker processes.

    Attributes:
        source: where the features come from.
        root: the store's folder.
        corrupt: what to do with rows that are NaN or infinite in part.
        verify: read each file back from disk and compare hashes.
        compare: how a file packed before is compared with its source.
        known: source files as they were when files of a begun store were packed, by the file packed of them.
    """

    source: CatalogSource
    root: Path
    corrupt: Literal["error", "missing"]
    verify: bool
    compare: Compare = "auto"
    known: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def settle(self, task: PackTask, earlier: StoreEntry | None) -> tuple[StoreEntry, bool]:
        """Keep the file that ``earlier`` records if it is whole and its source unchanged, else pack it.

        Returns:
            The entry, and whether it was packed now.
        """
        if earlier is not None and task.fits(self.root, earlier) and self.unchanged(task, earlier):
            return self._with_sums(earlier), False
        return self.pack(task), True

    def unchanged(self, task: PackTask, earlier: StoreEntry) -> bool:
        """Whether the source still has the rows that a file was packed from.

        Blocks of rows are compared; all of them where the source isn't the very file that was read (with ``sampled``:
        where it was written after the file packed of it), or on request.
        """
        if rows_hash(self.source, task.recording, task.view, "sampled") != earlier.source_blocks:
            return False
        written = self.source.written(task.recording, task.view)
        same = list(self.known.get(task.file, ())) == list(written)
        if self.compare == "sampled":
            same = written[2] <= (self.root / task.file).stat().st_mtime_ns
        if same and self.compare != "full":
            return True
        return rows_hash(self.source, task.recording, task.view, "full") == earlier.source_rows

    def _with_sums(self, entry: StoreEntry) -> StoreEntry:
        """The entry of a file that is kept, with the checksums that an earlier version didn't take."""
        return entry if entry.sums else replace(entry, sums=block_sums(self.root / entry.file).to_text())

    def pack(self, task: PackTask) -> StoreEntry:
        """Write one file under a temporary name, flush it to disk, rename it, and read it back.

        Raises:
            DataError: for a corrupt row, a value beyond float16, a disk that is full or gives back other bytes.
        """
        path = self.root / task.file
        found = _Found(rows_digest(Span(task.first, task.end), task.dim))
        try:
            with atomic_path(path) as temporary:
                sha256, sums = write_rows(temporary, task.header, self._blocks(task, found))
        except OSError as error:
            raise DataError(
                f"{path} can't be written ({error}). Make room or choose another --out; what is finished is kept."
            ) from error
        if self.verify and hash_file(path, from_disk=True) != sha256:
            path.unlink()
            raise DataError(f"{path} reads back other bytes than were written: check the disk and the memory.")
        missing = np.concatenate([np.empty(0, np.int64), *found.missing])
        return StoreEntry(
            **task.named,
            gaps=consecutive_runs(missing),
            corrupt=found.corrupt,
            sha256=sha256,
            source_rows=found.rows.hexdigest(),
            source_blocks=rows_hash(self.source, task.recording, task.view, "sampled"),
            sums=sums.to_text(),
        )

    def _blocks(self, task: PackTask, found: _Found) -> Iterator[NDArray[Any]]:
        """Rows in the stored type, checked; what is missing is noted in ``found``."""
        size = max(1, BLOCK_BYTES // (4 * task.dim))
        for start in range(task.first, task.end, size):
            x_TD = self.source.read_stored(task.recording, task.view, start, min(start + size, task.end))
            found.rows.update(np.ascontiguousarray(x_TD).data)
            finite = np.isfinite(x_TD)
            if not finite.all():
                self._settle_holes(task, start, x_TD, finite, found)
            if task.dtype == "float16":
                _refuse_overflow(task, start, x_TD)
            yield x_TD.astype(STORED[task.dtype], copy=False)

    def _settle_holes(
        self, task: PackTask, start: int, x_TD: NDArray[np.float32], finite: NDArray[np.bool_], found: _Found
    ) -> None:
        """Note rows of NaN as missing; refuse rows that are spoilt in part, or make them rows of NaN."""
        holes = ~finite.all(axis=1)
        spoilt = holes & ~np.isnan(x_TD).all(axis=1)
        if spoilt.any() and self.corrupt == "error":
            frame = start + int(spoilt.argmax())
            bad = int((~finite[frame - start]).sum())
            raise DataError(
                f"{_where(task, frame)}: {bad} of {task.dim} values are NaN or infinite, and {int(spoilt.sum())} "
                f"frames in [{start}, {start + len(x_TD)}) are like that. Extract them again, or pass "
                "--corrupt missing to pack such frames as missing."
            )
        x_TD[holes] = np.nan
        found.corrupt += int(spoilt.sum())
        found.missing.append(np.flatnonzero(holes) + start)


def _where(task: PackTask, frame: int) -> str:
    return f"Recording {task.recording}, view {task.view} ({task.camera}), frame {frame}"


def _refuse_overflow(task: PackTask, start: int, x_TD: NDArray[np.float32]) -> None:
    beyond = np.abs(x_TD) > FLOAT16_MAX
    if beyond.any():
        row, column = (int(i) for i in np.argwhere(beyond)[0])
        raise DataError(
            f"{_where(task, start + row)}: the value {x_TD[row, column]:g} is beyond what float16 holds "
            f"({FLOAT16_MAX:g}). Pass --dtype float32."
        )


class Journal:
    """What is finished in a store that is being packed; survives a kill at any moment.

    The first line holds the settings, each further line one finished file. A line is flushed to disk after its
    file; a line cut short by a kill is dropped, so that its file counts as not finished.

    Args:
        root: the store's folder.
        settings: what must be equal to go on with a store.

    Raises:
        ConfigError: when the folder holds a store of other settings, or something else.
    """

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        self.path = root / JOURNAL
        self.root = root
        self.settings = settings
        self.finished: dict[str, StoreEntry] = {}
        self.written: dict[str, list[Any]] = {}
        self._load_manifest()
        self._load()

    def _load_manifest(self) -> None:
        """Entries of a finished store, which is checked and mended rather than packed again."""
        if (self.root / MANIFEST).is_file():
            manifest = read_manifest(self.root)
            self._refuse_other(manifest.settings)
            self.finished.update({entry.file: entry for entry in manifest.entries})

    def _load(self) -> None:
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        try:
            self._refuse_other(json.loads(lines[0], object_pairs_hook=once)["settings"])
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.path} is damaged ({error!r}); remove {self.root} and pack again.") from error
        for line in lines[1:]:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                value = without_sum(json.loads(line, object_pairs_hook=once))
                written = list(value.pop("written", ()))
                entry = StoreEntry.from_json(value)
                self.finished[entry.file], self.written[entry.file] = entry, written

    def _refuse_other(self, settings: dict[str, Any]) -> None:
        mine = json.loads(json.dumps(self.settings))
        other = [
            f"{key} {settings.get(key)!r} instead of {mine.get(key)!r}"
            if key != "source"
            else "a source of other recordings, frames, views, feature sizes, rates or starts (views.yaml, --fps)"
            for key in sorted({*mine, *settings})
            if settings.get(key) != mine.get(key)
        ]
        if other:
            raise ConfigError(
                f"{self.root} was packed with other settings: {'; '.join(other)}. Choose another --out, or repeat "
                "the old command to go on with it."
            )

    @contextmanager
    def open(self) -> Iterator["Journal"]:
        """Open for `add`, after rewriting the good lines whole: a line cut short must not be written on."""
        lines = [json.dumps({"settings": self.settings})]
        lines += [self._line(entry, self.written.get(file, ())) for file, entry in self.finished.items()]
        write_text(self.path, "".join(f"{line}\n" for line in lines))
        with self.path.open("a", encoding="utf-8") as self._file:
            yield self

    @staticmethod
    def _line(entry: StoreEntry, written: Sequence[Any]) -> str:
        return json.dumps(with_sum({**asdict(entry), "written": list(written)}))

    def add(self, entry: StoreEntry, written: Sequence[Any] = ()) -> None:
        """Record a finished file, and what it was read from (`CatalogSource.written`)."""
        self._file.write(f"{self._line(entry, written)}\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def prepare_folder(root: Path) -> None:
    """Make the store's folder, or see that it holds a store; remove what a killed packing left half-written.

    Only names that packing gives itself are removed: temporary ones inside this folder's own layout.

    Raises:
        ConfigError: when the folder holds other things.
    """
    make_folder(root)
    leftovers = [
        *root.glob(f"{TEMPORARY}*-{MANIFEST}"),
        *root.glob(f"{TEMPORARY}*-{JOURNAL}"),
    ]
    refuse_folder(root, None, own=(MANIFEST, JOURNAL))
    leftovers += (root / FEATURES).glob(f"*/{TEMPORARY}*.safetensors")
    for path in leftovers:
        remove_dead(path)
