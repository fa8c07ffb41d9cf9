"""Opening a data set: its features, labels and splits, from one folder in a known layout."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewloom.dataset.chosen_splits import chosen_splits
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import C, with_dataset_file
from viewloom.dataset.labels import stop
from viewloom.dataset.layout import LayoutFiles
from viewloom.dataset.multilabel import in_mode
from viewloom.dataset.settings import DataConfig, settled
from viewloom.errors import DataError
from viewloom.features.cache import CachedSource
from viewloom.features.catalog import CatalogSource
from viewloom.features.opening import open_source, recognise
from viewloom.features.settings import Axes
from viewloom.features.views import ViewTable
from viewloom.registry import LAYOUTS

if TYPE_CHECKING:
    from viewloom.features.index import Index

SIMULATION_FILE = "simulation.json"
"""What the simulator leaves beside its features."""
VIEWS_FILE = "views.yaml"
"""Names, cameras, sizes and rates of the views, where no other file is named."""


def find_files(config: C) -> tuple[C, LayoutFiles]:
    """Where a data set's files are: settings completed by ``dataset.yaml``, and what the layout finds."""
    config, name = with_dataset_file(config)
    root = Path(config.data)
    files: LayoutFiles = _layout(settled(config.layout), root).find(root, config)
    return config, replace(files, name=name)


def _layout(name: str, root: Path) -> Any:
    """The layout of that name, or the first that recognises the folder."""
    if name != "auto":
        return LAYOUTS.get(name)
    layouts = LAYOUTS.ordered()
    found = next((layout for layout in layouts if layout.matches(root)), None)
    if found is not None:
        return found
    expected = "; ".join(f"{LAYOUTS.name_of(layout)}: {layout.expects}" for layout in layouts)
    raise DataError(
        f"{root} has none of the known layouts. Looked for {expected}. Arrange the folder like one of them, or "
        "pass --features and --labels, or --plugins MODULE with a layout of your own."
    )


def open_dataset(config: DataConfig, with_splits: bool = True) -> MultiViewDataset:
    """Open a data set's features, labels (if any) and, but where they aren't needed, splits (if any)."""
    root = Path(config.data)
    config, files = find_files(config)
    source = open_features_of(config, files)
    fps = stated_fps(config, files, source)
    labels = in_mode(files.labels(fps, stop), settled(config.labels_mode)) if files.labels is not None else None
    return MultiViewDataset(
        name=files.name or root.resolve().name,
        root=root,
        source=CachedSource(source, config.pool_cache, settled(config.pool_cache_gib)) if config.pool_cache else source,
        views=source.view_table,
        labels=labels,
        splits=chosen_splits(config, files, source, labels) if with_splits else None,
        simulated=is_simulated(root, files),
        missing=settled(config.missing),
        past_end=settled(config.past_end),
        fps_known=fps is not None,
        config=DataConfig(**{entry.name: getattr(config, entry.name) for entry in fields(DataConfig)}),
    )


def open_features_of(config: DataConfig, files: LayoutFiles, index: Index | None = None) -> CatalogSource:
    """The feature store of a data set; ``config`` and ``files`` as `find_files` gives them."""
    if files.features is None:
        raise DataError(
            f"{config.data} holds no features. Pass --features FOLDER (any feature store); to index and pack, as "
            "--data."
        )
    views, fps = view_table(config, files), config.fps or files.fps
    if files.opens is not None:
        source = files.opens(views, fps, settled(config.axes))
    else:
        source = open_source(files.features, views=views, fps=fps, axes=settled(config.axes), index=index)
    source.verify = settled(config.verify_features)
    return source


def view_table(config: DataConfig, files: LayoutFiles) -> ViewTable | None:
    """The views by ``views_file``, else by a `VIEWS_FILE`, else by the layout; None: the store's own."""
    if config.views_file:
        return ViewTable.from_yaml(config.views_file)
    path = next((path for path in _views_files(config, files) if path.is_file()), None)
    return files.views if path is None else ViewTable.from_yaml(path)


def _views_files(config: DataConfig, files: LayoutFiles) -> tuple[Path, ...]:
    """Where a `VIEWS_FILE` may lie: in the data set, in the features' folder, beside that; first those of features that
    were named apart. A store that names its views itself takes the data set's alone."""
    root, folder = Path(config.data) / VIEWS_FILE, files.features
    store = None if folder is None else recognise(folder)
    if folder is None or (store is not None and store.names_views):
        return (root,)
    own = folder / VIEWS_FILE, folder.absolute().parent / VIEWS_FILE
    return (*own, root) if config.features else (root, *own)


def stated_fps(config: DataConfig, files: LayoutFiles, source: CatalogSource | None) -> float | None:
    """Frames per second as stated by the settings, the layout or the store; None where nobody does."""
    stored = source.fps if source is not None and source.fps_known else None
    return config.fps or files.fps or stored


def is_simulated(root: Path, files: LayoutFiles) -> bool:
    """Whether the features were made by the simulator: it leaves a file beside them."""
    folders = [root] if files.features is None else [root, files.features, files.features.parent]
    return any((folder / SIMULATION_FILE).exists() for folder in folders)


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
        views_file: YAML file that names views and their cameras; None: as `view_table` finds it.
        fps: frames per second, where the files don't say.
        axes: axis order of npy files; None: as ``dataset.yaml`` says, else auto.
        index: spans found before, which the store's own must equal.

    Raises:
        DataError, ConfigError: see `open_source`. Labels and splits are not looked at.
    """
    config, files = find_files(DataConfig(data=data, views_file=views_file, fps=fps, axes=axes))
    return open_features_of(config, files, index)
