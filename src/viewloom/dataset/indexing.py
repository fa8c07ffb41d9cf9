"""`viewloom index`: list the frames of every recording and view of a feature store."""

from pathlib import Path

from viewloom.dataset.opening import open_features
from viewloom.features.index import Index, make_index
from viewloom.features.settings import IndexConfig
from viewloom.files import write_json
from viewloom.outputs import refuse_file


def run_index(config: IndexConfig) -> Index:
    """Index a feature store, and write it as JSON where ``config.out`` says so.

    Raises:
        ConfigError: when the output file is already there.
        DataError: for a store that can't be read.
    """
    out = Path(config.out) if config.out else None
    if out is not None:
        refuse_file(out, config.overwrite)
    source = open_features(config.data, views_file=config.views_file, fps=config.fps, axes=config.axes)
    index = make_index(source, config.gaps)
    if out is not None:
        write_json(out, index.to_json())
    return index
