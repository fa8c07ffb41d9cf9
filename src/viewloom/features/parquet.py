"""Parquet files of features: a row a frame, in columns of numbers or in one column of lists of D numbers.

A window reads the row groups that it touches, and no other; they are kept for the next window while there is room.
Written with row groups of some thousand rows (``row_group_size``), a file is never read as a whole.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError, listed
from viewloom.features.kept import Kept
from viewloom.features.places import FeatureFile, find_files, has_files, no_files, single_camera
from viewloom.features.settings import Axes
from viewloom.features.tabular import (
    FRAME,
    KEYS,
    RECORDING,
    TIME,
    VIEW,
    Stretch,
    TabularSource,
    feature_columns,
    frames_of,
    rate_of,
    runs_of_names,
    same_columns,
)
from viewloom.features.views import ViewTable
from viewloom.limits import BLOCK_BYTES, FREE_BYTES, MOST_FRAMES, MOST_TIMES
from viewloom.registry import STORES
from viewloom.regular import regular
from viewloom.requirements import load

SUFFIX = ".parquet"


@STORES.register("parquet")
class ParquetSource(TabularSource):
    """A folder of Parquet files as a `viewloom.features.base.FeatureSource`; files are opened for each read.

    Args:
        root: the folder, in a layout of `viewloom.features.places`, or flat files with a column ``recording``.
        views: names of the views.
        fps: frames per second; Parquet files don't say.

    Raises:
        DataError: a column that isn't numbers, other columns than the camera's first file, rows out of order.
        ConfigError: times in seconds without a frame rate; pyarrow isn't there.
    """

    kind = "parquet"
    block_bytes = 1 << 26  # a row group is decoded as a whole
    expects = f"the same with {SUFFIX}"
    precedence = 3

    def __init__(self, root: Path | str, views: ViewTable | None = None, fps: float | None = None) -> None:
        root = Path(root)
        stretches: dict[tuple[str, str], Stretch] = {}
        firsts: dict[str, tuple[Path, tuple[str, ...]]] = {}
        dims: dict[str, int] = {}
        self._columns: dict[Path, tuple[str, ...]] = {}
        self._starts: dict[Path, list[int]] = {}
        self._lengths: dict[Path, int] = {}
        for file, joint in _files(root, views):
            opened = _open(file.path)
            self._columns[file.path] = names = feature_columns(file.path, opened.schema_arrow.names)
            sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.metadata.num_row_groups)]
            self._starts[file.path] = [0, *np.cumsum(sizes, dtype=int).tolist()]
            with _decoding(file.path):
                self._lengths[file.path] = dim = _dim(file.path, opened, names)
            for key, stretch in _stretches(file, joint, opened, views, fps):
                if key in stretches:
                    raise DataError(f"{file.path} and {stretches[key].path} both hold {' '.join(key)}. Remove one.")
                stretches[key] = stretch
                same_columns(file.path, names, firsts.setdefault(key[1], (file.path, names)))
                if dims.setdefault(key[1], dim) != dim:
                    raise DataError(
                        f"{file.path} has lists of {dim} numbers, but {firsts[key[1]][0]} of {dims[key[1]]}. "
                        "Write them alike."
                    )
        if not stretches:
            raise no_files(root, SUFFIX)
        self._kept = Kept()
        super().__init__(root, stretches, dims, views, fps)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """Files in one of the layouts."""
        return has_files(root, SUFFIX)

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "ParquetSource":
        """Rows are frames, whatever ``axes`` says of arrays."""
        return cls(root, views, fps)

    def _read_rows(self, stretch: Stretch, first: int, end: int) -> NDArray[np.floating]:
        starts = self._starts[stretch.path]
        groups = range(bisect_right(starts, first) - 1, bisect_right(starts, end - 1))
        rows = [
            self._kept.get((stretch.path, group), lambda group=group: self._decode(stretch.path, group))  # type: ignore[misc]
            for group in groups
        ]
        rows_TD = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return rows_TD[first - starts[groups[0]] : end - starts[groups[0]]]

    def _decode(self, path: Path, group: int) -> NDArray[np.float32]:
        """One row group, (rows, D)."""
        opened = _open(path)
        if opened.metadata.num_row_groups <= group:
            raise DataError(f"{path} was changed after opening. Start again.")
        with _decoding(path):
            return self._rows_of(path, opened.read_row_group(group, columns=list(self._columns[path])))

    def _rows_of(self, path: Path, table: Any) -> NDArray[np.float32]:
        if table.num_columns == 1 and hasattr(table.schema.types[0], "value_type"):
            return _from_lists(path, table.column(0), self._lengths[path])
        return np.stack([column.to_numpy().astype(np.float32) for column in table.columns], axis=1)


def _open(path: Path) -> Any:
    """A Parquet file, opened; `DataError` where it is none."""
    parquet, arrow = load("pyarrow.parquet", "parquet"), load("pyarrow", "parquet")
    try:
        opened = parquet.ParquetFile(regular(path, "Copy or write it again."), memory_map=True)
    except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a Parquet file ({reason}). Copy or write it again.") from None
    _refuse_bomb(path, opened.metadata)
    return opened


def _refuse_bomb(path: Path, told: Any) -> None:
    """`DataError` for more rows than there may be, or a row group that takes more than may be read at once."""
    if not 0 <= told.num_rows <= MOST_FRAMES:
        raise DataError(f"{path} is said to have {told.num_rows:,} rows; {MOST_FRAMES:,} are read at most. Divide it.")
    size = path.stat().st_size
    for number in range(told.num_row_groups):
        group = told.row_group(number)
        taken = max(group.total_byte_size, 4 * group.num_rows * group.num_columns)
        if taken > BLOCK_BYTES or taken > FREE_BYTES + MOST_TIMES * size:
            raise DataError(
                f"{path}: row group {number} takes {taken:,} bytes, of a file of {size:,}; {BLOCK_BYTES:,} are read at "
                f"once, and at most {MOST_TIMES:,} times the file. Write it with a smaller row_group_size."
            )


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turns what Arrow stumbles over inside a file into one message."""
    arrow = load("pyarrow", "parquet")
    try:
        yield
    except DataError:
        raise
    except (arrow.ArrowException, OSError, ValueError, TypeError, MemoryError, LookupError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{path} can't be decoded ({reason}). Copy or write it again.") from None


def _files(root: Path, views: ViewTable | None) -> list[tuple[FeatureFile, bool]]:
    """The Parquet files, and whether each holds several recordings."""
    flat = sorted(root.glob(f"*{SUFFIX}"))
    if flat and all(RECORDING in _open(path).schema_arrow.names for path in flat):
        return [(FeatureFile("", "", path), True) for path in flat]
    return [(file, False) for file in find_files(root, SUFFIX, views)]


def _dim(path: Path, opened: Any, names: tuple[str, ...]) -> int:
    """Feature size: of the lists in the one column, else the number of columns; `DataError` for what isn't numbers."""
    types = load("pyarrow.types", "parquet")
    kinds = {name: opened.schema_arrow.field(name).type for name in names}
    if len(names) == 1 and hasattr(kinds[names[0]], "value_type"):
        if not types.is_floating(kinds[names[0]].value_type):
            raise DataError(f"{path}: column {names[0]!r} holds {kinds[names[0]]}, but must hold lists of floats.")
        lists = (batch.column(0).drop_null() for batch in opened.iter_batches(batch_size=64, columns=[names[0]]))
        return next((len(some[0]) for some in lists if len(some)), 1)
    odd = [
        f"{name} ({kind})" for name, kind in kinds.items() if not (types.is_floating(kind) or types.is_integer(kind))
    ]
    if odd:
        raise DataError(
            f"{path} has columns that aren't numbers: {listed(odd, 4)}. Features are all columns but {listed(KEYS)}; "
            "leave the others out, or write one column of lists."
        )
    return len(names)


def _stretches(
    file: FeatureFile, joint: bool, opened: Any, views: ViewTable | None, fps: float | None
) -> list[tuple[tuple[str, str], Stretch]]:
    """The rows of each recording and camera in a file, by its columns of names, frames and times."""
    columns, rows = opened.schema_arrow.names, opened.metadata.num_rows
    keys = [name for name in KEYS if name in columns and (joint or name in (FRAME, TIME))]
    with _decoding(file.path):
        table = {name: opened.read(columns=[name]).column(0).to_numpy() for name in keys}
    whole: list[tuple[tuple[str, ...], int, int]] = [((file.recording, file.camera), 0, rows)]
    if joint:
        named = [table[name].astype(str).astype(object) for name in (RECORDING, VIEW) if name in keys]
        whole = runs_of_names(file.path, named)
    found = []
    for key, first, end in whole:
        recording, camera = key if len(key) == 2 else (*key, single_camera(file.path.parent, views, SUFFIX))
        own = {name: table[name][first:end] if name in keys else None for name in (FRAME, TIME)}
        frames = frames_of(f"{file.path}, {recording}", own[FRAME], own[TIME], *rate_of(camera, views, fps))
        found.append(((recording, camera), Stretch(file.path, first, end, frames)))
    return found


def _from_lists(path: Path, column: Any, dim: int) -> NDArray[np.float32]:
    """(rows, D) from a column of lists; a row without a list is a missing frame, a row of NaN."""
    there = np.asarray(column.is_valid())
    lists = column.drop_null()
    values = np.concatenate(
        [np.asarray(chunk.flatten().to_numpy(zero_copy_only=False), np.float32) for chunk in lists.chunks]
        or [np.empty(0, np.float32)]
    )
    chunks = [np.diff(chunk.offsets.to_numpy()) if hasattr(chunk, "offsets") else None for chunk in lists.chunks]
    known = [np.full(len(c), dim) if n is None else n for n, c in zip(chunks, lists.chunks, strict=True)]
    lengths = np.concatenate(known or [np.empty(0, np.int64)])
    if (lengths != dim).any():
        raise DataError(f"{path} holds lists of {listed(sorted({*lengths.tolist()}), 4)} numbers. Write them alike.")
    found = np.full((len(there), dim), np.nan, np.float32)
    found[there] = values.reshape(-1, dim)
    return found
