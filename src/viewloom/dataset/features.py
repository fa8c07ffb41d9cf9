"""Features alone of a data set or a store, for the commands that need neither labels nor splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewloom.dataset.dataset import DataConfig, find_parts
from viewloom.dataset.dataset_file import settled
from viewloom.errors import DataError
from viewloom.features.catalog import CatalogSource
from viewloom.features.npy import Axes
from viewloom.features.opening import open_source
from viewloom.features.views import ViewTable

if TYPE_CHECKING:
    from viewloom.features.index import Index


def open_features(
    data: str,
    *,
    views_file: str | None = None,
    fps: float | None = None,
    axes: Axes | None = None,
    index: Index | None = None,
) -> CatalogSource:
    """The features in a feature store's folder, or of a data set in a known layout.

    Args:
        data: folder of a store or a data set.
        views_file: YAML file that names views and their cameras.
        fps: frames per second, where the files don't say.
        axes: axis order of npy files; None: as ``dataset.yaml`` says, else auto.
        index: spans found before, for an LMDB folder.

    Raises:
        DataError, ConfigError: see `open_source`. Labels and splits are not looked at.
    """
    config, parts = find_parts(DataConfig(data=data, views_file=views_file, fps=fps, axes=axes))
    if parts.features is None:
        raise DataError(f"{data} holds no features. Pass the folder of a feature store instead.")
    views = ViewTable.from_yaml(config.views_file) if config.views_file else parts.views
    return open_source(parts.features, views=views, fps=config.fps or parts.fps, axes=settled(config.axes), index=index)
