"""`viewloom pack`: features of any store or data set into the packed store."""

from viewloom.dataset.opening import open_features
from viewloom.features.index import load_index
from viewloom.features.pack import PackResult, pack
from viewloom.features.settings import PackConfig


def run_pack(config: PackConfig) -> PackResult:
    """Pack features into a store, or go on with one that was stopped; see `viewloom.features.pack.pack`."""
    index = load_index(config.index) if config.index else None
    source = open_features(config.data, views_file=config.views_file, fps=config.fps, axes=config.axes, index=index)
    return pack(source, config)
