"""Which axis of an array is time: files of features are (D, T) in some fields, (T, D) in others."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from viewloom.errors import ConfigError, DataError
from viewloom.features.places import FeatureFile
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable


def infer_axes(
    files: Sequence[FeatureFile],
    shapes: Sequence[tuple[int, int]],
    axes: Axes,
    views: ViewTable | None = None,
    kind: str = "npy",
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
                f"All {len(shapes)} {kind} files have shape {shapes[0]}, so either axis could be the feature size. "
                "Pass --axes dt when it is (D, T), --axes td when it is (T, D)."
                if len(set(shapes)) == 1
                else f"Every camera's {kind} files have shapes of their own, so either axis could be the feature size. "
                "Pass --axes dt when they are (D, T), --axes td when they are (T, D)."
            )
    raise _different_dims(files, shapes, axes)


def _orders_that_fit(
    groups: Sequence[str], shapes: Sequence[tuple[int, int]], orders: Sequence[Literal["dt", "td"]]
) -> list[Literal["dt", "td"]]:
    """The axis orders by which the files of each group share D."""
    lengths = [{(group, shape[axis]) for group, shape in zip(groups, shapes, strict=True)} for axis in (0, 1)]
    return [order for order in orders if len(lengths["dt".index(order[0])]) == len(set(groups))]


def _different_dims(files: Sequence[FeatureFile], shapes: Sequence[tuple[int, int]], axes: Axes) -> DataError:
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
