"""Folders of npy files, one for each recording and camera.

Three layouts are known: ``<root>/<recording>/<camera>/features.npy``, ``<root>/<camera>/<recording>.npy`` and,
with a single view, ``<root>/<recording>.npy``. Arrays are (D, T) or (T, D); frames count from 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.axes import infer_axes
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, file_content
from viewloom.features.places import STEM, FeatureFile, find_files, has_files, in_words, no_files
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import STORES
from viewloom.regular import regular

SUFFIX = ".npy"
FEATURES_FILE = f"{STEM}{SUFFIX}"
_SAVE = "np.save(path, array.astype(np.float32))"


@dataclass(frozen=True)
class ArrayHeader:
    """What an npy file says about its array.

    Attributes:
        shape: two sizes, in the file's order.
        dtype: a floating type.
        fortran: whether the first axis runs fastest.
        offset: byte at which the numbers begin.
    """

    shape: tuple[int, int]
    dtype: np.dtype[np.floating]
    fortran: bool
    offset: int


def read_header(path: Path) -> ArrayHeader:
    """Shape and type of an npy file's array.

    Raises:
        DataError: for another kind of file, pickled objects, whole numbers, not two axes, or a file cut short.
    """
    try:
        with regular(path, f"Write it with {_SAVE}.").open("rb") as file:
            shape, fortran, dtype = _parse_header(file)
            offset = file.tell()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} is not an npy file ({error}). Write it with {_SAVE}.") from error
    if dtype.hasobject:
        raise DataError(
            f"{path} holds pickled Python objects, which could run code and are not read. "
            f"Write the plain array with {_SAVE}."
        )
    if dtype.kind != "f":
        raise DataError(f"{path} holds {dtype} numbers, but features are floating; write it with {_SAVE}.")
    if len(shape) != 2 or not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        raise DataError(f"{path} has shape {shape}, but must have two axes, (D, T) or (T, D). Reshape it.")
    needed, size = offset + math.prod(shape) * dtype.itemsize, path.stat().st_size
    if size < needed:
        raise DataError(
            f"{path} is cut short: {size:,} bytes, but shape {shape} of {dtype} needs {needed:,}. "
            "Copy or write it again."
        )
    return ArrayHeader(shape, dtype, fortran, offset)


def _parse_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


@STORES.register("npy")
class NpySource(CatalogSource):
    """A folder of npy files as a `FeatureSource`; files are memory-mapped for each read and hold no handle.

    Args:
        root: the folder, in one of the three layouts.
        views: names of the views. In the flat layout its single camera names the files' view, and without
            a table that is `viewloom.features.places.SINGLE_CAMERA`.
        fps: frames per second; npy files don't say, so that without it ``fps_known`` is False.
        axes: order of the axes, or ``auto``: see `viewloom.features.axes`.
        files: where a data set's layout knows them itself; else they are looked for (`viewloom.features.places`).

    Raises:
        DataError, ConfigError: see `viewloom.features.places.find_files`, `read_header`, `viewloom.features.axes`.
    """

    kind = "npy"
    expects = in_words(SUFFIX)
    precedence = 3

    def __init__(
        self,
        root: Path | str,
        views: ViewTable | None = None,
        fps: float | None = None,
        axes: Axes = "auto",
        files: Sequence[FeatureFile] | None = None,
    ) -> None:
        self.root = Path(root)
        files = find_files(self.root, SUFFIX, views) if files is None else files
        if not files:
            raise no_files(root, SUFFIX)
        headers = [read_header(file.path) for file in files]
        self.axes = infer_axes(files, [header.shape for header in headers], axes, views)
        self._files = {
            (file.recording, file.camera): (file.path, header) for file, header in zip(files, headers, strict=True)
        }
        time = 1 if self.axes == "dt" else 0
        spans: dict[str, dict[str, Span]] = {}
        for (recording, camera), (path, header) in self._files.items():
            if 0 in header.shape:
                raise DataError(f"{path} is empty (shape {header.shape}). Remove it or extract it again.")
            spans.setdefault(recording, {})[camera] = Span(0, header.shape[time])
        dims = {camera: header.shape[1 - time] for (_, camera), (_, header) in self._files.items()}
        super().__init__(str(root), spans, views, dims, fps)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Files in one of the layouts."""
        return has_files(root, SUFFIX)

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "NpySource":
        """With the axes in the order that the user or the shapes say."""
        return cls(root, views, fps, axes)

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        path, header = self._files[recording, camera]
        order: Literal["F", "C"] = "F" if header.fortran else "C"
        try:
            array = np.memmap(path, header.dtype, "r", header.offset, header.shape, order)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} can't be read any more ({error}); it was changed after opening. Start again."
            ) from error
        rows = array.T if self.axes == "dt" else array
        x_TD[:] = rows[start : start + len(x_TD)]

    def file(self, recording: str, camera: str) -> Path:
        """The npy file."""
        return self._files[recording, camera][0]

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The npy file, and the order its axes are read in."""
        return *file_content(self._files[recording, camera][0]), self.axes
