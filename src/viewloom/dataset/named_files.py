"""npy files whose names tell recording and camera, in data sets that are known."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from viewloom.dataset.layout import Opens
from viewloom.features.catalog import CatalogSource
from viewloom.features.npy import NpySource
from viewloom.features.places import FeatureFile
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable

Named = Callable[[str], tuple[str, str]]
"""(recording, camera) that a video's name tells."""


def flat_videos(folder: Path | None, videos: re.Pattern[str] | None, named: Named) -> Opens | None:
    """Opens a folder of ``<video>.npy``, (D, T), where all their names are of a data set; None where they aren't."""
    paths = [] if folder is None or videos is None else sorted(folder.glob("*.npy"))
    if folder is None or videos is None or not all(videos.fullmatch(path.stem) for path in paths) or not paths:
        return None
    return npy_files(folder, [FeatureFile(*named(path.stem), path) for path in paths], "dt")


def npy_files(folder: Path, files: Sequence[FeatureFile], order: Axes) -> Opens:
    """Opens npy files of known recordings and cameras, in an axis order that holds unless the user says another."""

    def opens(views: ViewTable | None, fps: float | None, axes: Axes) -> CatalogSource:
        return NpySource(folder, views, fps, order if axes == "auto" else axes, files)

    return opens
