"""Features that are in memory already, as a store: nothing is written to disk."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from numbers import Integral
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, default_views
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable

Array = Any
"""A numpy array or a tensor (T, D), or (number of its first frame, array)."""


class ArraySource(CatalogSource):
    """Arrays of each recording and view as a `FeatureSource`.

    Args:
        arrays: {recording: {view: array (T, D)}}, or pairs of the first frame's number (else 0) and the array. A row
            of NaN is a missing frame. Arrays are not copied where they are float32.
        fps: frames per second of the data set's clock.
        views: kinds, rates and starts of the views; None: Assembly101's where all names are its cameras' or views',
            else every name a view of its own.

    Raises:
        DataError: no array, one that isn't (T, D) with T, D >= 1, or a view of several feature sizes.
    """

    kind = "arrays"
    expects = "no folder"

    def __init__(
        self, arrays: Mapping[str, Mapping[str, Array]], fps: float | None = None, views: ViewTable | None = None
    ) -> None:
        self._arrays: dict[tuple[str, str], NDArray[np.float32]] = {}
        spans: dict[str, dict[str, Span]] = {}
        dims: dict[str, int] = {}
        if not isinstance(arrays, Mapping):
            raise DataError(f"Expected {{recording: {{view: array (T, D)}}}}, but got a {_kind(arrays)}.")
        for recording, of_views in arrays.items():
            if not isinstance(of_views, Mapping):
                raise DataError(f"Recording {recording!r}: expected {{view: array}}, but got a {_kind(of_views)}.")
            for view, array in of_views.items():
                _check_names(recording, view)
                where = f"Recording {recording!r}, view {view!r}"
                first, values = _first_and_values(array, where)
                x_TD = as_features(values, where)
                if x_TD.ndim != 2 or 0 in x_TD.shape:
                    raise DataError(f"{where}: expected an array (T, D), but got shape {x_TD.shape}.")
                if dims.setdefault(view, x_TD.shape[1]) != x_TD.shape[1]:
                    raise DataError(
                        f"{where} has features of size {x_TD.shape[1]}, but other recordings have {dims[view]} in that "
                        "view. Name views of different extractors differently."
                    )
                self._arrays[recording, view] = x_TD
                spans.setdefault(recording, {})[view] = Span(first, first + len(x_TD))
        if not spans:
            raise DataError("There is not one array. Pass {recording: {view: array (T, D)}}.")
        super().__init__("the arrays", spans, views if views is not None else _views(list(dims)), dims, fps)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """No folder is."""
        return False

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "ArraySource":
        """There is nothing to open."""
        raise DataError("Features in memory have no folder.")

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        first = self.spans[recording][camera].first
        x_TD[:] = self._arrays[recording, camera][start - first : start - first + len(x_TD)]

    def file(self, recording: str, camera: str) -> Path:
        """There is none."""
        raise DataError("Features in memory have no file.")

    def written(self, recording: str, view: str) -> tuple[str, int, int, int]:
        """Where an array is told apart by its content, its size in bytes, no time and no number."""
        camera = self.camera(recording, view)
        return f"memory:{self._digests[recording, camera]}", self._arrays[recording, camera].nbytes, 0, 0

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """A hash of the array."""
        return (self._digests[recording, camera],)

    @cached_property
    def _digests(self) -> dict[tuple[str, str], str]:
        return {
            key: hashlib.blake2b(np.ascontiguousarray(x_TD).data, digest_size=16).hexdigest()
            for key, x_TD in self._arrays.items()
        }


def as_features(values: Any, where: str) -> NDArray[np.float32]:
    """Float32 of an array, a tensor (on any device, of any type, with or without a gradient) or nested lists.

    Raises:
        DataError: they aren't real numbers in an array.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values if values.is_complex() else values.float()
    try:
        found = np.asarray(values)
        if found.dtype.kind in "fiubO":
            return found.astype(np.float32, copy=False)
    except (TypeError, ValueError):  # rows of different lengths, or objects that aren't numbers
        raise DataError(f"{where}: expected an array of numbers, but got a {_kind(values)} that is none.") from None
    raise DataError(f"{where}: expected an array of real numbers, but got one of {found.dtype}.")


def _first_and_values(array: Array, where: str) -> tuple[int, Any]:
    """Number of the first frame, and the features."""
    if not isinstance(array, tuple):
        return 0, array
    if len(array) != 2 or not isinstance(array[0], Integral):
        raise DataError(f"{where}: a tuple is (number of the first frame, array (T, D)), but this one isn't.")
    return int(array[0]), array[1]


def _check_names(recording: Any, view: Any) -> None:
    """`DataError` for a name that nobody could ask for, or that leads out of the folder results are written to."""
    for what, name in (("recording", recording), ("view", view)):
        if not isinstance(name, str) or not name.strip() or name != name.strip():
            raise DataError(f"The {what} name {name!r} must be text without blanks around it.")
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise DataError(f"The {what} name {name!r} must not lead out of a folder: results are files of that name.")
    if "," in view:
        raise DataError(f"The view name {view!r} has a comma, which stands between names. Rename the view.")


def _kind(value: Any) -> str:
    return type(value).__name__


def _views(names: list[str]) -> ViewTable:
    """Views of the given names: of the kinds that Assembly101's have, where all are its own."""
    table = ViewTable.assembly101()
    if set(names) <= set(table.names):
        return ViewTable.named(view for view in table.views if view.name in names)
    return default_views(names)
