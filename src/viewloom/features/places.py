"""Where stores that keep a file for each recording and camera have it.

Three layouts are known: ``<root>/<recording>/<camera>/features<suffix>``, ``<root>/<camera>/<recording><suffix>`` and,
with a single view, ``<root>/<recording><suffix>``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.views import ViewTable

SINGLE_CAMERA = "v1"
"""Camera (and view) name of the flat layout, whose files name none, when no view table is given."""
STEM = "features"
"""Name of the file in a folder of its own, without its suffix."""


class FeatureFile(NamedTuple):
    """A file of one recording and camera."""

    recording: str
    camera: str
    path: Path


def patterns(suffix: str) -> tuple[str, str, str]:
    """Where files of that suffix may lie in a folder, as globs: by recording, by camera, flat."""
    return f"*/*/{STEM}{suffix}", f"*/*{suffix}", f"*{suffix}"


def in_words(suffix: str) -> str:
    """The three layouts of files of that suffix."""
    return f"<recording>/<camera>/{STEM}{suffix}, <camera>/<recording>{suffix}, <recording>{suffix}"


def has_files(root: Path, suffix: str) -> bool:
    """Whether files lie in one of the layouts; a data set's own folder has none: its ``features`` would pass for a
    camera."""
    return not (root / STEM).is_dir() and any(next(root.glob(p), None) is not None for p in patterns(suffix))


def find_files(root: Path, suffix: str, views: ViewTable | None = None) -> tuple[FeatureFile, ...]:
    """The files under ``root`` in whichever layout it has, none where it has none.

    Raises:
        DataError: where two layouts are mixed, or recordings and cameras seem to have changed places.
    """
    nested, by_camera, flat = (sorted(root.glob(pattern)) for pattern in patterns(suffix))
    found = [files for files in (nested, by_camera, flat) if files]
    if len(found) > 1:
        raise DataError(
            f"{root} mixes layouts of {suffix[1:]} files: {found[0][0]} and {found[1][0]}. Keep one: "
            f"<recording>/<camera>/{STEM}{suffix}, <camera>/<recording>{suffix}, or <recording>{suffix}."
        )
    if nested:
        return tuple(FeatureFile(path.parent.parent.name, path.parent.name, path) for path in nested)
    if by_camera:
        _refuse_swapped(root, by_camera, views, suffix)
        return tuple(FeatureFile(path.stem, path.parent.name, path) for path in by_camera)
    camera = single_camera(root, views, suffix) if flat else SINGLE_CAMERA
    return tuple(FeatureFile(path.stem, camera, path) for path in flat)


def no_files(root: Path | str, suffix: str) -> DataError:
    """What is raised for a folder without any."""
    *first, last = in_words(suffix).split(", ")
    return DataError(f"{root} has no {suffix[1:]} files where they should be: {', '.join(first)} or {last}.")


def _refuse_swapped(root: Path, paths: Sequence[Path], views: ViewTable | None, suffix: str) -> None:
    """``<name>/features.npy`` and ``<recording>/<camera>.npy`` would pass for ``<camera>/<recording>.npy``."""
    if {path.name for path in paths} == {f"{STEM}{suffix}"}:
        raise DataError(
            f"{root} holds <name>/{STEM}{suffix}, which leaves open whether <name> is a recording or a camera. "
            f"Use <recording>/<camera>/{STEM}{suffix}, or <recording>{suffix} when there is one view only."
        )
    table = views if views is not None else ViewTable.assembly101()
    files_are_cameras = all(table.of_camera(path.stem) is not None for path in paths)
    folders_are_cameras = any(table.of_camera(path.parent.name) is not None for path in paths)
    if files_are_cameras and not folders_are_cameras:
        raise DataError(
            f"{root} holds <recording>/<camera>{suffix}, such as {paths[0].relative_to(root)}. "
            f"Move each file to <recording>/<camera>/{STEM}{suffix}."
        )


def single_camera(root: Path, views: ViewTable | None, suffix: str) -> str:
    """The only camera of the table, for files that name none."""
    if views is None:
        return SINGLE_CAMERA
    cameras = [camera for view in views.views for camera in view.cameras]
    if len(cameras) == 1:
        return cameras[0]
    raise ConfigError(
        f"{root} holds <recording>{suffix}, so one view, but the view table names {len(cameras)} cameras "
        f"({listed(cameras, 12)}). Pass a view file with a single camera, or put the files into "
        f"<camera>/<recording>{suffix}."
    )
