"""HDF5 files of features, (T, D) or (D, T), with one data set for each recording and view.

Three layouts are known: files with ``/<recording>/<view>``; ``<recording>.h5`` with ``/<view>``; and files with the one
data set ``features`` where other stores have theirs (`viewloom.features.places`). A window reads its own rows alone.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError, listed
from viewloom.features.axes import infer_axes
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, file_content
from viewloom.features.places import STEM, FeatureFile, find_files, has_files, single_camera
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.limits import BLOCK_BYTES, FREE_BYTES, MOST_TIMES
from viewloom.registry import STORES
from viewloom.regular import regular
from viewloom.requirements import load

SUFFIXES = (".h5", ".hdf5")
DEEPEST = 3
"""Groups inside each other: features stand in one at most."""


class Inside(NamedTuple):
    """A data set in a file.

    Attributes:
        recording, camera: what it is of.
        path: of the file.
        name: in the file.
        shape: two sizes.
    """

    recording: str
    camera: str
    path: Path
    name: str
    shape: tuple[int, int]


@STORES.register("hdf5")
class Hdf5Source(CatalogSource):
    """A folder of HDF5 files as a `viewloom.features.base.FeatureSource`; files are opened for each read.

    Args:
        root: the folder.
        views: names of the views.
        fps: frames per second, where the files don't say.
        axes: order of the axes, or ``auto``: see `viewloom.features.axes`.

    Raises:
        DataError: another kind of file, data sets that aren't floating or have not two axes, links out of a file.
        ConfigError: axes that can't be inferred; h5py isn't there.
    """

    kind = "hdf5"
    block_bytes = 1 << 24  # a file is opened for each block
    expects = "*.h5 with /<recording>/<view>, <recording>.h5 with /<view>"
    precedence = 3

    def __init__(
        self, root: Path | str, views: ViewTable | None = None, fps: float | None = None, axes: Axes = "auto"
    ) -> None:
        self.root = Path(root)
        found = [inside for suffix in SUFFIXES for inside in _find(self.root, suffix, views)]
        if not found:
            raise DataError(f"{root} has no HDF5 files where they should be: {self.expects}.")
        self._inside = {(one.recording, one.camera): one for one in found}
        if len(self._inside) < len(found):
            twice = next(one for one in found if self._inside[one.recording, one.camera] is not one)
            raise DataError(f"{root} holds {twice.recording}, {twice.camera} twice, also in {twice.path}. Remove one.")
        named = [FeatureFile(one.recording, one.camera, one.path / one.name) for one in found]
        self.axes = infer_axes(named, [one.shape for one in found], axes, views, "HDF5")
        time = 1 if self.axes == "dt" else 0
        spans: dict[str, dict[str, Span]] = {}
        for one in found:
            if 0 in one.shape:
                raise DataError(f"{one.path}: /{one.name} is empty (shape {one.shape}). Remove it or extract it again.")
            spans.setdefault(one.recording, {})[one.camera] = Span(0, one.shape[time])
        super().__init__(str(root), spans, views, {one.camera: one.shape[1 - time] for one in found}, fps)
        _refuse_uneven(found, time)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Files in one of the layouts."""
        return any(has_files(root, suffix) for suffix in SUFFIXES)

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "Hdf5Source":
        """With the axes in the order that the user or the shapes say."""
        return cls(root, views, fps, axes)

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        one, end = self._inside[recording, camera], start + len(x_TD)
        with _opened(one.path) as file:
            array = file.get(one.name)
            if array is None or tuple(array.shape) != one.shape:
                raise DataError(f"{one.path}: /{one.name} was changed after opening. Start again.")
            with _explained(one.path, one.name):
                x_TD[:] = array[:, start:end].T if self.axes == "dt" else array[start:end]

    def file(self, recording: str, camera: str) -> Path:
        """The HDF5 file."""
        return self._inside[recording, camera].path

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The file, the data set in it, and the order its axes are read in."""
        one = self._inside[recording, camera]
        return *file_content(one.path), one.name, self.axes


def _opened(path: Path) -> Any:
    """An HDF5 file, to be closed again; `DataError` where it is none, or cut short."""
    h5py = load("h5py", "hdf5")
    try:
        return h5py.File(regular(path, "Copy or write it again."), "r")
    except OSError as error:
        raise DataError(f"{path} is not an HDF5 file ({error}). Copy or write it again.") from None


@contextmanager
def _explained(path: Path, name: str) -> Iterator[None]:
    """Turns what HDF5 stumbles over inside a file into one message."""
    try:
        yield
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{path}: /{name} can't be read ({reason}). Copy or write the file again.") from None


def _find(root: Path, suffix: str, views: ViewTable | None) -> list[Inside]:
    """The data sets of the files of that suffix, with what they are of."""
    found: list[Inside] = []
    flat = sorted(root.glob(f"*{suffix}"))
    files = [FeatureFile("", "", path) for path in flat] if flat else find_files(root, suffix, views)
    for file in files:
        for name, shape in _data_sets(file.path):
            parts = name.split("/")
            if parts == [STEM]:
                camera = file.camera or single_camera(root, views, suffix)
                found.append(Inside(file.recording or file.path.stem, camera, file.path, name, shape))
            elif file.recording or len(parts) > 2:
                where = f"{file.path}: /{name}"
                raise DataError(f"{where} is not where features are looked for: {Hdf5Source.expects}. Move it.")
            else:
                recording, camera = parts if len(parts) == 2 else (file.path.stem, name)
                found.append(Inside(recording, camera, file.path, name, shape))
    return found


def _data_sets(path: Path) -> list[tuple[str, tuple[int, int]]]:
    """Name and shape of the data sets in a file, of which each must be floating with two axes.

    Links to other files are refused, and so are virtual data sets: a file from elsewhere must not make others be read.
    """
    h5py = load("h5py", "hdf5")
    found: list[tuple[str, tuple[int, int]]] = []

    def walk(group: Any, prefix: str) -> None:
        for name in group:
            where = f"{path}: /{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise DataError(f"{where} is a link. Write the data itself into the file.")
            item = group[name]
            if not isinstance(item, h5py.Group):
                found.append((f"{prefix}{name}", _checked(where, item)))
                continue
            if item.id in seen or prefix.count("/") > DEEPEST:
                raise DataError(f"{where} is a group that stands in several places, or too deep. Write it once.")
            seen.add(item.id)
            walk(item, f"{prefix}{name}/")

    with _opened(path) as file, _explained(path, ""):
        seen = {file["/"].id}
        walk(file, "")
    return found


def _checked(where: str, item: Any) -> tuple[int, int]:
    """Shape of a data set; `DataError` where it can't be features."""
    if getattr(item, "is_virtual", False) or getattr(item, "external", None):
        raise DataError(f"{where} keeps its numbers in another file. Write the data itself into this one.")
    if getattr(item.dtype, "kind", "") != "f" or len(item.shape or ()) != 2:
        raise DataError(
            f"{where} holds {item.dtype} of shape {item.shape}, but features are floating with two axes, (T, D) or "
            "(D, T). Remove it, or write it so."
        )
    stored, size = item.id.get_storage_size(), item.size * item.dtype.itemsize
    if size > FREE_BYTES + MOST_TIMES * stored:
        raise DataError(
            f"{where} is said to have {size:,} bytes, but the file has {stored:,} of it; at most {MOST_TIMES:,} times "
            "as many are read. Write the data anew."
        )
    chunk = math.prod(item.chunks or (0,)) * item.dtype.itemsize
    if chunk > BLOCK_BYTES:
        raise DataError(
            f"{where} is kept in chunks of {chunk:,} bytes, and {BLOCK_BYTES:,} is the most that is read at once. "
            "Write it with smaller chunks."
        )
    return int(item.shape[0]), int(item.shape[1])


def _refuse_uneven(found: Sequence[Inside], time: int) -> None:
    """`DataError` where a camera's data sets have features of several sizes."""
    sizes: dict[str, set[int]] = {}
    for one in found:
        sizes.setdefault(one.camera, set()).add(one.shape[1 - time])
    uneven = {camera: sorted(of) for camera, of in sizes.items() if len(of) > 1}
    if uneven:
        camera, of = next(iter(uneven.items()))
        raise DataError(f"Data sets of {camera} have features of sizes {listed(of)}. Extract them alike.")
