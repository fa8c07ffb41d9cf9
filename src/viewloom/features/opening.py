"""Opening a feature store, whichever of the registered ones it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from viewloom.errors import DataError
from viewloom.features.catalog import CatalogSource
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import STORES

if TYPE_CHECKING:
    from viewloom.features.index import Index


def recognise(root: Path) -> type[CatalogSource] | None:
    """Which store a folder is, by its files; None where it is none."""
    return next((store for store in STORES.ordered() if store.matches(root)), None)


def open_source(
    path: Path | str,
    *,
    views: ViewTable | None = None,
    fps: float | None = None,
    axes: Axes = "auto",
    index: Index | None = None,
) -> CatalogSource:
    """Open an LMDB folder, a folder of npy files, a packed store, or a store of another package.

    Args:
        path: the folder.
        views: names of the views and their cameras; None: the store's own, or Assembly101's where every camera
            is one of Assembly101's, or each camera as its own view.
        fps: frames per second. None: the packed store's own, 30 for the LMDB layout; npy files don't say, so
            that 30 is taken and ``fps_known`` is False.
        axes: axis order of npy files; the other stores know their own.
        index: spans found before (`viewloom.features.index.load_index`), which the store's own must equal.

    Raises:
        DataError: for a path that is no store, whatever is wrong with the one it is, and an index of other frames.
        ConfigError: for settings that contradict the store, or axes that can't be inferred.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{path} is {'a file' if root.exists() else 'not there'}; pass the folder of a feature store.")
    store = recognise(root)
    if store is None:
        raise DataError(_not_a_store(root))
    source: CatalogSource = store.open(root, views, fps, axes, index)
    if index is not None:
        index.refuse_other(source)
    return source


def _not_a_store(root: Path) -> str:
    inside = sorted(child.name for child in root.iterdir() if child.is_dir() and recognise(child) is not None)
    hint = f" Its folder {inside[0]!r} is one: pass {root / inside[0]}." if inside else ""
    *expected, last = (store.expects for store in STORES.ordered())
    return f"{root} is no feature store. Looked for {', '.join(expected)}, and {last}.{hint}"
