"""Opening a feature store, whichever of the three it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from viewloom.errors import DataError
from viewloom.features.catalog import CatalogSource
from viewloom.features.lmdb import DATA_FILE, LmdbSource
from viewloom.features.npy import NpySource
from viewloom.features.settings import Axes
from viewloom.features.store import JOURNAL, MANIFEST, PackedSource
from viewloom.features.views import ViewTable

if TYPE_CHECKING:
    from viewloom.features.index import Index

Kind = Literal["lmdb", "npy", "store"]


def recognise(root: Path) -> Kind | None:
    """Which store a folder is, by its files; None where it is none."""
    if (root / MANIFEST).is_file() or (root / JOURNAL).is_file():
        return "store"
    if next(root.glob(f"*/{DATA_FILE}"), None) is not None:
        return "lmdb"
    if (root / "features").is_dir():
        return None  # a data set's own folder: features/*.npy would pass for a camera called "features"
    patterns = ("*.npy", "*/*.npy", "*/*/features.npy")
    return "npy" if any(next(root.glob(pattern), None) is not None for pattern in patterns) else None


def open_source(
    path: Path | str,
    *,
    views: ViewTable | None = None,
    fps: float | None = None,
    axes: Axes = "auto",
    index: Index | None = None,
) -> CatalogSource:
    """Open an LMDB folder, a folder of npy files or a packed store.

    Args:
        path: the folder.
        views: names of the views and their cameras; None: the store's own, or Assembly101's where every camera
            is one of Assembly101's, or each camera as its own view.
        fps: frames per second. None: the packed store's own, 30 for the LMDB layout; npy files don't say, so
            that 30 is taken and ``fps_known`` is False.
        axes: axis order of npy files; the other stores know their own.
        index: spans found before, for an LMDB folder (`viewloom.features.index.load_index`).

    Raises:
        DataError: for a path that is no store, and for whatever is wrong with the one it is.
        ConfigError: for settings that contradict the store, or axes that can't be told apart.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{path} is {'a file' if root.exists() else 'not there'}; pass the folder of a feature store.")
    kind = recognise(root)
    if kind == "store":
        return PackedSource(root, views, fps)
    if kind == "lmdb":
        return LmdbSource(root, views, fps, index)
    if kind == "npy":
        return NpySource(root, views, fps, axes)
    raise DataError(_not_a_store(root))


def _not_a_store(root: Path) -> str:
    inside = sorted(child.name for child in root.iterdir() if child.is_dir() and recognise(child) is not None)
    hint = f" Its folder {inside[0]!r} is one: pass {root / inside[0]}." if inside else ""
    return (
        f"{root} is no feature store. Looked for <camera>/{DATA_FILE} (LMDB), <recording>/<camera>/features.npy, "
        f"<camera>/<recording>.npy, <recording>.npy, and {MANIFEST} (packed store).{hint}"
    )
