"""CSV files of features: a header, then a row a frame.

Fields are separated by commas, or by semicolons, and then a comma may stand for the decimal point. A file is parsed as
a whole when it is first read, and kept for the next windows while there is room; ``viewloom pack`` does that once for
all.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.kept import Kept
from viewloom.features.places import FeatureFile, find_files, has_files, no_files, patterns
from viewloom.features.settings import Axes
from viewloom.features.tabular import (
    FRAME,
    KEYS,
    LABELS,
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
from viewloom.registry import STORES

SUFFIX = ".csv"
HEAD = 1 << 24
"""Characters of a header at most."""


def read_head(path: Path) -> tuple[list[str], list[str], str]:
    """Columns, fields of the first row, and what separates them; `DataError` where it isn't UTF-8 text."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is no file. Bring the table, or remove it.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in (file.readline(HEAD), file.readline(HEAD)) if line.strip()]
        sign = ";" if lines and ";" in lines[0] else ","
        rows = [[field.strip() for field in row] for row in csv.reader(lines, delimiter=sign)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read as a table of text ({error}). Save it as UTF-8 CSV.") from None
    return rows[0] if rows else [], rows[1] if len(rows) > 1 else [], sign


def holds_features(path: Path) -> bool:
    """Whether a CSV's first row is numbers under names that aren't those of labels."""
    try:
        columns, fields, sign = read_head(path)
    except DataError:
        return False
    values = [field for name, field in zip(columns, fields, strict=False) if name not in KEYS]
    return bool(values) and not LABELS & set(columns) and all(_is_number(value, sign) for value in values)


def _is_number(field: str, sign: str = ",") -> bool:
    try:
        float((field.replace(",", ".") if sign == ";" else field) or "nan")
    except ValueError:
        return False
    return True


@STORES.register("csv")
class CsvSource(TabularSource):
    """A folder of CSV files as a `viewloom.features.base.FeatureSource`.

    Args:
        root: the folder, in a layout of `viewloom.features.places`, or flat files with a column ``recording``.
        views: names of the views.
        fps: frames per second; CSV files don't say.

    Raises:
        DataError: text among the numbers, other columns than the camera's first file, rows out of order.
        ConfigError: times in seconds without a frame rate.
    """

    kind = "csv"
    expects = f"the same with {SUFFIX} (numbers under a header)"
    precedence = 4

    def __init__(self, root: Path | str, views: ViewTable | None = None, fps: float | None = None) -> None:
        root = Path(root)
        stretches: dict[tuple[str, str], Stretch] = {}
        self._columns: dict[Path, tuple[tuple[str, ...], str]] = {}
        firsts: dict[str, tuple[Path, tuple[str, ...]]] = {}
        for file, joint in _files(root, views):
            columns, fields, sign = read_head(file.path)
            if fields and all(_is_number(name, sign) for name in columns):
                raise DataError(f"{file.path} has no header. Begin it with a line of column names.")
            if fields and len(fields) != len(columns):
                raise DataError(
                    f"{file.path}: the header has {len(columns)} fields, the first row {len(fields)}. Complete it."
                )
            names = feature_columns(file.path, columns)
            self._columns[file.path] = (names, sign)
            for key, stretch in _stretches(file, joint, columns, sign, views, fps):
                if key in stretches:
                    raise DataError(f"{file.path} and {stretches[key].path} both hold {' '.join(key)}. Remove one.")
                stretches[key] = stretch
                same_columns(file.path, names, firsts.setdefault(key[1], (file.path, names)))
        if not stretches:
            raise no_files(root, SUFFIX)
        self._kept = Kept()
        super().__init__(root, stretches, {camera: len(names) for camera, (_, names) in firsts.items()}, views, fps)

    @classmethod
    def matches(cls, root: Path) -> bool:
        """CSV files in one of the layouts, the first of which holds numbers."""
        if not has_files(root, SUFFIX):
            return False
        return any(holds_features(path) for p in patterns(SUFFIX) for path in sorted(root.glob(p))[:1])

    @classmethod
    def open(cls, root: Path, views: ViewTable | None, fps: float | None, axes: Axes, index: Any) -> "CsvSource":
        """Rows are frames, whatever ``axes`` says of arrays."""
        return cls(root, views, fps)

    def _read_rows(self, stretch: Stretch, first: int, end: int) -> NDArray[np.floating]:
        return self._kept.get(stretch.path, lambda: self._parse(stretch.path))[first:end]

    def _parse(self, path: Path) -> NDArray[np.float32]:
        names, sign = self._columns[path]
        found: NDArray[np.float32] = _read(path, names, sign, whole=True)[list(names)].to_numpy(np.float32)
        return found


def _files(root: Path, views: ViewTable | None) -> list[tuple[FeatureFile, bool]]:
    """The CSV files, and whether each holds several recordings."""
    flat = sorted(root.glob(f"*{SUFFIX}"))
    if flat and all(RECORDING in read_head(path)[0] for path in flat):
        return [(FeatureFile("", "", path), True) for path in flat]
    return [(file, False) for file in find_files(root, SUFFIX, views)]


def _stretches(
    file: FeatureFile, joint: bool, columns: Sequence[str], sign: str, views: ViewTable | None, fps: float | None
) -> list[tuple[tuple[str, str], Stretch]]:
    """The rows of each recording and camera in a file, by its columns of names, frames and times."""
    from viewloom.features.places import single_camera

    keys = [name for name in KEYS if name in columns and (joint or name in (FRAME, TIME))]
    table = _read(file.path, keys or columns[:1], sign)
    whole: list[tuple[tuple[str, ...], int, int]] = [((file.recording, file.camera), 0, len(table))]
    if joint:
        named = [name for name in (RECORDING, VIEW) if name in columns]
        whole = runs_of_names(file.path, [table[name].astype(str).to_numpy(object) for name in named])
    found = []
    for key, first, end in whole:
        recording, camera = key if len(key) == 2 else (*key, single_camera(file.path.parent, views, SUFFIX))
        part = table.iloc[first:end]
        try:
            own = {name: part[name].to_numpy(np.float64) if name in keys else None for name in (FRAME, TIME)}
        except (ValueError, TypeError) as error:
            raise DataError(f"{_odd_row(file.path, sign) or f'{file.path}: {error}'}. Correct the row.") from None
        frames = frames_of(f"{file.path}, {recording}", own[FRAME], own[TIME], *rate_of(camera, views, fps))
        found.append(((recording, camera), Stretch(file.path, first, end, frames)))
    return found


def _read(path: Path, columns: Sequence[str], sign: str, whole: bool = False) -> Any:
    """Some columns of a CSV as a pandas table: as they are, or (``whole``) as float32 after a look at every field.

    Raises:
        DataError: text among numbers, or (``whole``) a row with more fields than the header.
    """
    import pandas as pd

    text = {name: str for name in (RECORDING, VIEW) if name in columns}
    try:
        return pd.read_csv(
            path,
            sep=sign,
            decimal="," if sign == ";" else ".",
            usecols=None if whole else list(columns),
            dtype=dict.fromkeys(columns, np.float32) if whole else text,
            skipinitialspace=True,
            encoding="utf-8-sig",
        )
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        where = _odd_row(path, sign) or f"{path} is not a table of numbers ({error})"
        raise DataError(f"{where}. Correct it, or write it again.") from None


def _odd_row(path: Path, sign: str) -> str:
    """The first row that isn't names and numbers, its line and what stands there; empty where none is found.

    The slow way through a file that can't be read the fast one.
    """
    columns: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=sign, strict=True)
            for row in reader:
                columns = columns or [field.strip() for field in row]
                if reader.line_num > 1 and len(row) > len(columns):
                    return f"{path}, line {reader.line_num}: {len(row)} fields, but the header has {len(columns)}"
                for name, field in zip(columns, row if reader.line_num > 1 else [], strict=False):
                    if name not in (RECORDING, VIEW) and not _is_number(field.strip(), sign):
                        return f"{path}, line {reader.line_num}, column {name!r}: {field[:40]!r} is not a number"
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        return f"{path} can't be read as a table of text ({error})"
    return ""
