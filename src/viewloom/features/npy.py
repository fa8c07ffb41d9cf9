"""Folders of npy files, one for each recording and camera.

Three layouts are known: ``<root>/<recording>/<camera>/features.npy``, ``<root>/<camera>/<recording>.npy`` and,
with a single view, ``<root>/<recording>.npy``. Arrays are (D, T) or (T, D); frames count from 0.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, file_content
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import STORES

SINGLE_CAMERA = "v1"
"""Camera (and view) name of the flat layout, whose files name none, when no view table is given."""
FEATURES_FILE = "features.npy"
_SAVE = "np.save(path, array.astype(np.float32))"


class NpyFile(NamedTuple):
    """A file of one recording and camera."""

    recording: str
    camera: str
    path: Path


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


def find_files(root: Path, views: ViewTable | None = None) -> tuple[NpyFile, ...]:
    """The npy files under ``root`` in whichever layout it has, none where it has none.

    Raises:
        DataError: where two layouts are mixed, or recordings and cameras seem to have changed places.
    """
    nested = sorted(root.glob(f"*/*/{FEATURES_FILE}"))
    by_camera = sorted(root.glob("*/*.npy"))
    flat = sorted(root.glob("*.npy"))
    found = [files for files in (nested, by_camera, flat) if files]
    if len(found) > 1:
        raise DataError(
            f"{root} mixes layouts of npy files: {found[0][0]} and {found[1][0]}. Keep one: "
            "<recording>/<camera>/features.npy, <camera>/<recording>.npy, or <recording>.npy."
        )
    if nested:
        return tuple(NpyFile(path.parent.parent.name, path.parent.name, path) for path in nested)
    if by_camera:
        _refuse_swapped(root, by_camera, views)
        return tuple(NpyFile(path.stem, path.parent.name, path) for path in by_camera)
    camera = _single_camera(root, views) if flat else SINGLE_CAMERA
    return tuple(NpyFile(path.stem, camera, path) for path in flat)


def _refuse_swapped(root: Path, paths: Sequence[Path], views: ViewTable | None) -> None:
    """``<name>/features.npy`` and ``<recording>/<camera>.npy`` would pass for ``<camera>/<recording>.npy``."""
    if {path.name for path in paths} == {FEATURES_FILE}:
        raise DataError(
            f"{root} holds <name>/{FEATURES_FILE}, which leaves open whether <name> is a recording or a camera. "
            "Use <recording>/<camera>/features.npy, or <recording>.npy when there is one view only."
        )
    table = views if views is not None else ViewTable.assembly101()
    files_are_cameras = all(table.of_camera(path.stem) is not None for path in paths)
    folders_are_cameras = any(table.of_camera(path.parent.name) is not None for path in paths)
    if files_are_cameras and not folders_are_cameras:
        raise DataError(
            f"{root} holds <recording>/<camera>.npy, such as {paths[0].relative_to(root)}. "
            "Move each file to <recording>/<camera>/features.npy."
        )


def _single_camera(root: Path, views: ViewTable | None) -> str:
    """The only camera of the table, for files that name none."""
    if views is None:
        return SINGLE_CAMERA
    cameras = [camera for view in views.views for camera in view.cameras]
    if len(cameras) == 1:
        return cameras[0]
    raise ConfigError(
        f"{root} holds <recording>.npy, so one view, but the view table names {len(cameras)} cameras "
        f"({listed(cameras, 12)}). Pass a view file with a single camera, or put the files into "
        "<camera>/<recording>.npy."
    )


def read_header(path: Path) -> ArrayHeader:
    """Shape and type of an npy file's array.

    Raises:
        DataError: for another kind of file, pickled objects, whole numbers, not two axes, or a file cut short.
    """
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _parse_header(file)
            offset = file.tell()
    except (ValueError, EOFError, SyntaxError) as error:
        raise DataError(f"{path} is not an npy file ({error}). Write it with {_SAVE}.") from error
    if dtype.hasobject:
        raise DataError(
            f"{path} holds pickled Python objects, which could run code and are not read. "
            f"Write the plain array with {_SAVE}."
        )
    if dtype.kind != "f":
        raise DataError(f"{path} holds {dtype} numbers, but features are floating; write it with {_SAVE}.")
    if len(shape) != 2:
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


def infer_axes(
    files: Sequence[NpyFile], shapes: Sequence[tuple[int, int]], axes: Axes, views: ViewTable | None = None
) -> Literal["dt", "td"]:
    """The axis order of files that share D: all of them, or at least those of each camera.

    ``auto`` accepts the one axis whose length is the feature size that the view table states, else the one whose length
    the files share while the other's varies. Where both could be D nothing is guessed.

    Raises:
        ConfigError: where both axes have a common length, so that it must be said.
        DataError: where a camera's files share no D; names the first that differs from the most.
    """
    orders: tuple[Literal["dt", "td"], ...] = ("dt", "td") if axes == "auto" else (axes,)
    own = [view.dim if views and (view := views.of_camera(file.camera)) else None for file in files]
    stated = [(dim, shape) for dim, shape in zip(own, shapes, strict=True) if dim is not None]
    for axis, order in enumerate(orders) if axes == "auto" and stated else ():
        if all(shape[axis] == dim and shape[1 - axis] != dim for dim, shape in stated):
            return order
    cameras = [file.camera for file in files]
    for groups in ([""] * len(files), cameras):
        fits = _orders_that_fit(groups, shapes, orders)
        # Recordings of one length, seen by cameras whose sizes differ, look like features of one size.
        unclear = min(Counter(cameras).values()) > 1 and len(_orders_that_fit(cameras, shapes, orders)) > 1
        if len(fits) == 1 and not unclear:
            return fits[0]
        if fits:
            raise ConfigError(
                f"All {len(shapes)} npy files have shape {shapes[0]}, so either axis could be the feature size. "
                "Pass --axes dt when it is (D, T), --axes td when it is (T, D)."
                if len(set(shapes)) == 1
                else "Every camera's npy files have shapes of their own, so either axis could be the feature size. "
                "Pass --axes dt when they are (D, T), --axes td when they are (T, D)."
            )
    raise _different_dims(files, shapes, axes)


def _orders_that_fit(
    groups: Sequence[str], shapes: Sequence[tuple[int, int]], orders: Sequence[Literal["dt", "td"]]
) -> list[Literal["dt", "td"]]:
    """The axis orders by which the files of each group share D."""
    lengths = [{(group, shape[axis]) for group, shape in zip(groups, shapes, strict=True)} for axis in (0, 1)]
    return [order for order in orders if len(lengths["dt".index(order[0])]) == len(set(groups))]


def _different_dims(files: Sequence[NpyFile], shapes: Sequence[tuple[int, int]], axes: Axes) -> DataError:
    counts = [Counter(shape[axis] for shape in shapes).most_common(1)[0] for axis in (0, 1)]
    axis = {"dt": 0, "td": 1, "auto": int(counts[1][1] > counts[0][1])}[axes]
    groups: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        groups.setdefault(file.camera, []).append(place)
    uneven = next(places for places in groups.values() if len({shapes[p][axis] for p in places}) > 1)
    dim, count = Counter(shapes[place][axis] for place in uneven).most_common(1)[0]
    odd = next(place for place in uneven if shapes[place][axis] != dim)
    order = "(D, T)" if axis == 0 else "(T, D)"
    whose = " of its camera" if len(groups) > 1 else ""
    return DataError(
        f"{files[odd].path} has shape {shapes[odd]}: read as {order} its feature size is {shapes[odd][axis]}, but "
        f"{count} of {len(uneven)} files{whose} have {dim}. Remove or extract that file again, or pass the other "
        "--axes."
    )


@STORES.register("npy")
class NpySource(CatalogSource):
    """A folder of npy files as a `FeatureSource`; files are memory-mapped for each read and hold no handle.

    Args:
        root: the folder, in one of the three layouts.
        views: names of the views. In the flat layout its single camera names the files' view, and without
            a table that is `SINGLE_CAMERA`.
        fps: frames per second; npy files don't say, so that without it ``fps_known`` is False.
        axes: order of the axes, or ``auto``: see `infer_axes`.

    Raises:
        DataError, ConfigError: see `find_files`, `read_header`, `infer_axes`.
    """

    kind = "npy"
    expects = "<recording>/<camera>/features.npy, <camera>/<recording>.npy, <recording>.npy"
    precedence = 3

    def __init__(
        self,
        root: Path | str,
        views: ViewTable | None = None,
        fps: float | None = None,
        axes: Axes = "auto",
    ) -> None:
        self.root = Path(root)
        files = find_files(self.root, views)
        if not files:
            raise DataError(
                f"{root} has no npy files where they should be: <recording>/<camera>/features.npy, "
                "<camera>/<recording>.npy or <recording>.npy."
            )
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
        """Files in one of the layouts; a data set's own folder is none: its ``features`` would pass for a camera."""
        patterns = ("*.npy", "*/*.npy", f"*/*/{FEATURES_FILE}")
        return not (root / "features").is_dir() and any(next(root.glob(p), None) is not None for p in patterns)

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
