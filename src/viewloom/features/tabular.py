"""Features in tables: a row a frame, beside columns that say of which recording, view and moment.

One file for each recording and camera, in the layouts of `viewloom.features.places`, or files with a column
``recording`` (and ``view``) that hold several. A column ``frame`` numbers stored frames, ``time_s`` tells seconds on
the data set's clock; without either, rows are frames 0, 1, 2, ... Every other column is a feature.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.base import Span
from viewloom.features.catalog import CatalogSource, consecutive_runs, file_content
from viewloom.features.views import ViewTable
from viewloom.limits import FARTHEST_FRAME

RECORDING, VIEW, FRAME, TIME = "recording", "view", "frame", "time_s"
KEYS = (RECORDING, VIEW, FRAME, TIME)
"""Columns that are no features."""
LABELS = frozenset({"label", "start", "end", "start_s", "end_s"})
"""Columns by which a table of labels is told from one of features."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Rows of a table that are one view of a recording.

    Attributes:
        path: the table.
        first: its first row.
        end: row after the last.
        frames: stored frame of each row, ascending; None: 0, 1, 2, ...
    """

    path: Path
    first: int
    end: int
    frames: NDArray[np.int64] | None = None

    @property
    def span(self) -> Span:
        """Frames from the first row's to the last's."""
        if self.frames is None:
            return Span(0, self.end - self.first)
        return Span(int(self.frames[0]), int(self.frames[-1]) + 1)


def feature_columns(path: Path, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that are features, in the table's order; `DataError` where there are none, or it holds labels."""
    found = tuple(column for column in columns if column not in KEYS)
    labels = [column for column in found if column in LABELS]
    if labels:
        raise DataError(
            f"{path} has the column {labels[0]!r}, as labels have, not features. Keep features in a folder of their "
            "own (features/), or rename the column."
        )
    if doubled := sorted({column for column in columns if column and list(columns).count(column) > 1}):
        raise DataError(f"{path} has the column {doubled[0]!r} twice. Give each column a name of its own.")
    if not found:
        raise DataError(f"{path} has no column of features; its columns are: {listed(columns)}.")
    return found


def same_columns(path: Path, columns: tuple[str, ...], first: tuple[Path, tuple[str, ...]]) -> None:
    """`DataError` where a camera's tables have other columns than its first one."""
    if columns != first[1]:
        odd = next((one for one in columns if one not in first[1]), None)
        what = f"has {len(columns)} columns of features" if odd is None else f"has the column {odd[:40]!r}"
        raise DataError(
            f"{path} {what}, but {first[0]} has {len(first[1])}: {listed(first[1], 4)}. All tables of a camera need "
            "the same columns in the same order; write this one again."
        )


def runs_of_names(path: Path, names: Sequence[NDArray[np.object_]]) -> list[tuple[tuple[str, ...], int, int]]:
    """(names, first row, row after the last) of each stretch of rows with the same names.

    Args:
        path: the table, for messages.
        names: columns of text of one length.

    Raises:
        DataError: an empty name, or rows of one recording and view that don't stand together.
    """
    rows = len(names[0])
    changes = np.zeros(max(rows - 1, 0), np.bool_)
    for column in names:
        changes |= column[1:] != column[:-1]
    starts = np.flatnonzero(np.r_[rows > 0, changes])
    found = [(tuple(str(column[i]) for column in names), int(i)) for i in starts]
    ends = [*(start for _, start in found[1:]), rows]
    seen: set[tuple[str, ...]] = set()
    for key, start in found:
        if not all(name.strip() and name == name.strip() and name not in ("nan", "None") for name in key):
            raise DataError(f"{path}, row {start + 1}: the recording or view has no name. Name it.")
        if key in seen:
            raise DataError(
                f"{path}, row {start + 1}: rows of {' '.join(key)} stand in two places. Sort the table by recording, "
                "view and frame."
            )
        seen.add(key)
    return [(key, start, end) for (key, start), end in zip(found, ends, strict=True)]


def frames_of(
    where: str,
    frames: NDArray[Any] | None,
    times_s: NDArray[Any] | None,
    rate: float | None,
    start_s: float,
) -> NDArray[np.int64] | None:
    """Stored frame of each row, from the column that tells it; None where none does.

    Args:
        where: the rows are, for messages.
        frames: the column ``frame``.
        times_s: the column ``time_s``; with ``frame`` that counts.
        rate: stored frames per second; None where nobody said.
        start_s: seconds on the data set's clock of stored frame 0.

    Raises:
        ConfigError: seconds without a rate.
        DataError: numbers that aren't ascending, negative, or (``frame``) not whole; two rows in one frame.
    """
    if frames is None and times_s is None:
        return None
    if frames is None and rate is None:
        raise ConfigError(
            f"{where}: {TIME} tells seconds, but nobody says the frame rate. Pass --fps, or fps in views.yaml."
        )
    column = FRAME if frames is not None else TIME
    given = np.asarray(frames if times_s is None or frames is not None else times_s, np.float64)
    bad = ~np.isfinite(given) | (given != np.round(given) if column == FRAME else False)
    if bad.any():
        raise DataError(f"{where}, row {int(bad.argmax()) + 1}: {column} is {given[bad][0]}. Correct the row.")
    # Half up: times in the middle of frames, one after the other, stay one after the other.
    numbers = np.floor((given if column == FRAME else (given - start_s) * (rate or 1.0)) + 0.5 + 1e-9)
    far = np.abs(numbers) > FARTHEST_FRAME
    if far.any():
        shown = f"{given[far][0]:g}, which is beyond belief"
        raise DataError(f"{where}, row {int(far.argmax()) + 1}: {column} is {shown}. Correct the row.")
    found = numbers.astype(np.int64)
    wrong = np.r_[found[:1] < 0, np.diff(found) <= 0]
    if wrong.any():
        row = int(wrong.argmax())
        why = "is before frame 0" if row == 0 else "does not lie behind that of the row before"
        hint = "" if column == FRAME else f" at {rate:g} frames per second (--fps, or fps in views.yaml)"
        raise DataError(f"{where}, row {row + 1}: {column} {given[row]:g} {why}{hint}. Sort the rows, or correct it.")
    return found


def rate_of(camera: str, views: ViewTable | None, fps: float | None) -> tuple[float | None, float]:
    """Stored frames per second of a camera (None: nobody says), and time (s) of its frame 0."""
    view = None if views is None else views.of_camera(camera)
    return (fps, 0.0) if view is None else (view.fps or fps, view.start_s)


class TabularSource(CatalogSource):
    """Tables as a `viewloom.features.base.FeatureSource`; subclasses read rows of one.

    Args:
        root: the folder.
        stretches: rows of every (recording, camera).
        dims: feature size of each camera.
        views, fps: as `CatalogSource`.
    """

    def __init__(
        self,
        root: Path,
        stretches: Mapping[tuple[str, str], Stretch],
        dims: Mapping[str, int],
        views: ViewTable | None,
        fps: float | None,
    ) -> None:
        self.root = root
        self._stretches = dict(stretches)
        spans: dict[str, dict[str, Span]] = {}
        for (recording, camera), stretch in self._stretches.items():
            if stretch.first == stretch.end:
                raise DataError(f"{stretch.path} is empty. Remove it or extract it again.")
            spans.setdefault(recording, {})[camera] = stretch.span
        super().__init__(str(root), spans, views, dims, fps)

    @abstractmethod
    def _read_rows(self, stretch: Stretch, first: int, end: int) -> NDArray[np.floating]:
        """Rows [first, end) of a stretch's table, (end - first, D)."""

    def _read_into(self, recording: str, camera: str, start: int, x_TD: NDArray[np.float32]) -> None:
        stretch = self._stretches[recording, camera]
        if stretch.frames is None:
            x_TD[:] = self._read_rows(stretch, stretch.first + start, stretch.first + start + len(x_TD))
            return
        first, last = np.searchsorted(stretch.frames, (start, start + len(x_TD)))
        x_TD[:] = np.nan
        if last > first:
            rows_TD = self._read_rows(stretch, stretch.first + int(first), stretch.first + int(last))
            x_TD[stretch.frames[first:last] - start] = rows_TD

    def missing_runs(self, recording: str, camera: str) -> tuple[tuple[int, int], ...]:
        """Frames between two rows whose numbers don't follow each other."""
        frames = self._stretches[recording, camera].frames
        if frames is None:
            return ()
        return consecutive_runs(np.setdiff1d(np.arange(frames[0], frames[-1] + 1), frames))

    def file(self, recording: str, camera: str) -> Path:
        """The table."""
        return self._stretches[recording, camera].path

    def content(self, recording: str, camera: str) -> tuple[str | int, ...]:
        """The table, and the rows and frames of it that are the camera's."""
        stretch = self._stretches[recording, camera]
        return *file_content(stretch.path), stretch.first, stretch.end, *stretch.span
