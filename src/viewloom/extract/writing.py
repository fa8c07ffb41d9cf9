"""The finished clips in a store: packed files, npy files, or LMDB; and their provenance."""

import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from viewloom.durable import flush_names, make_folder
from viewloom.errors import ConfigError, DataError
from viewloom.extract.computing import Rows
from viewloom.features.catalog import consecutive_runs
from viewloom.features.lmdb import DATA_FILE, frame_key, key_prefix
from viewloom.features.npy import FEATURES_FILE
from viewloom.features.pack_files import FLOAT16_MAX, Journal
from viewloom.features.rows import STORED, RowFile, encode_header, hash_file, write_rows
from viewloom.features.store import JOURNAL, MANIFEST, Manifest, StoreEntry, file_of
from viewloom.features.views import ViewTable
from viewloom.files import atomic_path, write_json
from viewloom.outputs import refuse_folder
from viewloom.owned import TEMPORARY, remove_dead
from viewloom.reading import once
from viewloom.version import __version__
from viewloom.videos.clips import Clip

EXTRACTION = "extraction.json"
"""Provenance of the features of an npy or LMDB folder; a packed store's manifest says it itself."""
VIDEOS = "videos"
"""Folder of an npy or LMDB store that remembers which clips its features are of."""
PARTIAL = "partial"
"""Folder of unfinished clips."""


@dataclass(frozen=True)
class Provenance:
    """How a store's features are computed; equal for all of them.

    Attributes:
        fps: frames per second.
        dim: feature size D.
        dtype: type of the stored numbers.
        backbone: name, hash of the weights, preprocessing.
        store: ``packed``, ``npy`` or ``lmdb``.
    """

    fps: float
    dim: int
    dtype: str
    backbone: dict[str, str]
    store: str

    @property
    def described(self) -> str:
        """File of the store that says so."""
        return MANIFEST if self.store == "packed" else EXTRACTION

    def settings(self) -> dict[str, Any]:
        """What must be equal to go on with a store."""
        return {
            "store": self.store,
            "fps": self.fps,
            "dim": self.dim,
            "dtype": self.dtype,
            **{f"backbone {name}": value for name, value in self.backbone.items()},
        }


class ExtractJournal(Journal):
    """What is finished of a store that is being extracted, from its journal and from what describes it."""

    def __init__(self, root: Path, provenance: Provenance) -> None:
        self.described = provenance.described
        super().__init__(root, provenance.settings())

    def _load_manifest(self) -> None:
        path = self.root / self.described
        if path.is_file():
            try:
                manifest = Manifest.from_json(json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(f"{path} is damaged ({error!r}). Choose another --out.") from error
            self._refuse_other(manifest.settings)
            self.finished.update({entry.file: entry for entry in manifest.entries})


def prepare_folder(root: Path, provenance: Provenance) -> None:
    """Make the folder, or see that it holds a store of this kind; remove what a kill left half-written.

    Raises:
        ConfigError: when the folder holds other things.
    """
    root.mkdir(parents=True, exist_ok=True)
    refuse_folder(root, None, own=(provenance.described, JOURNAL))
    for path in root.rglob(f"{TEMPORARY}*"):
        remove_dead(path)


class Writer(ABC):
    """Puts finished clips into a store of one kind.

    Args:
        root: the store's folder.
        provenance: how its features are computed.
        views: names of the cameras' views.
        journal: what is finished of it.
    """

    names_folders = False
    """Whether folders and keys are named after recordings and cameras as they are."""

    def __init__(self, root: Path, provenance: Provenance, views: ViewTable, journal: ExtractJournal) -> None:
        self.root, self.provenance, self.views, self.journal = root, provenance, views, journal

    @abstractmethod
    def put(self, clip: Clip, rows: Rows) -> StoreEntry:
        """Store a clip, whole or not at all."""

    @abstractmethod
    def holds(self, clip: Clip, entry: StoreEntry) -> bool:
        """Whether what ``entry`` records is there, whole, and made of this clip as it is now."""

    def refuse_names(self, clips: Sequence[Clip]) -> None:
        """`ConfigError` for clips whose names this kind of store can't hold; the packed store takes all."""
        for name in {name for clip in clips for name in (clip.recording, clip.camera)} if self.names_folders else ():
            if set(name) & set("/\\") or name.startswith(".") or name in (VIDEOS, PARTIAL):
                raise ConfigError(
                    f"--store {self.provenance.store} names folders after recordings and cameras, so none can be "
                    f"called {name!r} (no slashes, no dot in front, not {VIDEOS!r} or {PARTIAL!r}). Rename it, or "
                    "choose --store packed."
                )

    def view(self, clip: Clip) -> str:
        """Logical name of a clip's camera."""
        view = self.views.of_camera(clip.camera)
        assert view is not None
        return view.name

    def video(self, clip: Clip) -> str:
        """What is remembered of a clip, to notice that it was replaced."""
        return json.dumps(clip.state)

    def partial(self, clip: Clip) -> Path:
        """File of a clip's rows until it is finished."""
        return self.root / PARTIAL / file_of(clip.recording, clip.camera).replace(".safetensors", ".rows")

    def entry(self, clip: Clip, rows: Rows, **found: Any) -> StoreEntry:
        """What the store remembers of a clip."""
        lost = np.flatnonzero(np.isnan(rows.x_TD).all(axis=1)) + rows.first
        return StoreEntry(
            recording=clip.recording,
            view=self.view(clip),
            camera=clip.camera,
            first=rows.first,
            end=rows.first + len(rows.x_TD),
            gaps=consecutive_runs(lost),
            corrupt=0,
            **found,
        )

    def describe(self, entries: Sequence[StoreEntry]) -> None:
        """Write the file that describes the store."""
        manifest = Manifest(
            dim=self.provenance.dim,
            dtype=self.provenance.dtype,
            fps=self.provenance.fps,
            fps_known=True,
            views=self.views,
            settings=self.provenance.settings(),
            provenance={"viewloom": __version__, "backbone": self.provenance.backbone, "source": {"kind": "video"}},
            entries=tuple(sorted(entries, key=lambda entry: (entry.recording, entry.camera))),
        )
        write_json(self.root / self.provenance.described, manifest.to_json())

    def clear(self) -> None:
        """Remove the journal and the folder of unfinished clips, failed ones too: their files may be fixed."""
        (self.root / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.root / PARTIAL, ignore_errors=True)


class PackedWriter(Writer):
    """A safetensors file for each clip."""

    def put(self, clip: Clip, rows: Rows) -> StoreEntry:
        """Write the file; `DataError` for a value beyond float16."""
        dtype = self.provenance.dtype
        if dtype == "float16" and np.nanmax(np.abs(rows.x_TD), initial=0) > FLOAT16_MAX:
            raise DataError(f"{clip.path}: features are beyond what float16 holds. Pass --dtype float32.")
        file = file_of(clip.recording, self.view(clip))
        header = encode_header(dtype, (len(rows.x_TD), self.provenance.dim), self._metadata(clip, rows))
        with atomic_path(self.root / file) as temporary:
            sha256, sums = write_rows(temporary, header, [rows.x_TD.astype(STORED[dtype])])
        size = (self.root / file).stat().st_size
        return self.entry(clip, rows, file=file, bytes=size, sha256=sha256, sums=sums.to_text())

    def _metadata(self, clip: Clip, rows: Rows) -> dict[str, str]:
        return {
            "format": "viewloom-features",
            "recording": clip.recording,
            "view": self.view(clip),
            "camera": clip.camera,
            "first": str(rows.first),
            "end": str(rows.first + len(rows.x_TD)),
            "fps": repr(self.provenance.fps),
            "dtype": self.provenance.dtype,
            "backbone": json.dumps(self.provenance.backbone, sort_keys=True),
            "video": self.video(clip),
        }

    def holds(self, clip: Clip, entry: StoreEntry) -> bool:
        """By the video's size and offset in the header, and by the file's hash."""
        try:
            found = RowFile.open(self.root / entry.file)
        except DataError:
            return False
        same = found.metadata.get("video") == self.video(clip)
        return same and hash_file(found.path) == entry.sha256


class PlainWriter(Writer):
    """A store that has no room for how a clip was made; it stands in a small file of its own."""

    names_folders = True

    def _note(self, clip: Clip) -> Path:
        return self.root / VIDEOS / file_of(clip.recording, clip.camera).replace(".safetensors", ".json")

    def remember(self, clip: Clip) -> None:
        """Note the clip that was stored."""
        write_json(self._note(clip), self.video(clip))

    def remembers(self, clip: Clip) -> bool:
        """Whether this clip was stored, as it is now."""
        note = self._note(clip)
        return note.is_file() and json.loads(note.read_text(encoding="utf-8")) == self.video(clip)


class NpyWriter(PlainWriter):
    """``<recording>/<camera>/features.npy``, float32 (T, D), row 0 the recording's zero."""

    def put(self, clip: Clip, rows: Rows) -> StoreEntry:
        """Write the file, with rows of NaN before the clip's first frame."""
        before = np.full((rows.first, self.provenance.dim), np.nan, np.float32)
        rows = Rows(0, np.concatenate([before, rows.x_TD]))
        path = self.root / clip.recording / clip.camera / FEATURES_FILE
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows.x_TD)
        self.remember(clip)
        name = path.relative_to(self.root).as_posix()
        return self.entry(clip, rows, file=name, bytes=path.stat().st_size, sha256=hash_file(path))

    def holds(self, clip: Clip, entry: StoreEntry) -> bool:
        """By the note of the clip, and by the file's hash."""
        path = self.root / entry.file
        return self.remembers(clip) and path.is_file() and hash_file(path) == entry.sha256


class LmdbWriter(PlainWriter):
    """One LMDB environment for each camera, a key for each frame, in Assembly101's layout; frames count from 0."""

    def put(self, clip: Clip, rows: Rows) -> StoreEntry:
        """Replace a recording's frames in one transaction; lost frames have no key."""
        folder, prefix = self.root / clip.camera, key_prefix(clip.recording, clip.camera)
        make_folder(folder)
        lost: NDArray[np.bool_] = np.asarray(np.isnan(rows.x_TD).all(axis=1))
        there = (folder / DATA_FILE).stat().st_size if (folder / DATA_FILE).is_file() else 0
        room = there + 3 * rows.x_TD.nbytes + len(lost) * 4096 + (64 << 20)
        with lmdb.open(str(folder), map_size=room, lock=False) as environment, environment.begin(write=True) as change:
            cursor = change.cursor()
            while cursor.set_range(prefix) and bytes(cursor.key()).startswith(prefix):
                cursor.delete()
            for place in np.flatnonzero(~lost).tolist():
                change.put(frame_key(prefix, rows.first + place), rows.x_TD[place].astype("<f4").tobytes())
        flush_names(folder)  # lmdb has flushed the file itself
        self.remember(clip)
        sha256 = hashlib.sha256(rows.x_TD.astype("<f4").tobytes()).hexdigest()
        return self.entry(clip, rows, file=f"{clip.camera}/{clip.recording}", bytes=rows.x_TD.nbytes, sha256=sha256)

    def holds(self, clip: Clip, entry: StoreEntry) -> bool:
        """By the note of the clip; the environment sees to it that what was stored is whole."""
        return self.remembers(clip) and (self.root / clip.camera / DATA_FILE).is_file()


WRITERS: dict[str, type[Writer]] = {"packed": PackedWriter, "npy": NpyWriter, "lmdb": LmdbWriter}
