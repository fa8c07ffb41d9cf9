"""Labels of a data set of arrays, of which a frame may have several."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.labels import LabelSet
from viewloom.dataset.multilabel import (
    ABSENT,
    IGNORED,
    NOTHING,
    build_multi_annotation,
    class_ids,
    words_without_action,
)
from viewloom.errors import DataError, listed
from viewloom.features.arrays import ArraySource
from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.segments import IGNORE, Segments

Rows = list[tuple[int, int, int]]
"""Start, end and class id of segments."""


def multi_labels(
    labels: Mapping[str, Any],
    source: ArraySource,
    actions: Sequence[str] | None,
    segments: Mapping[str, Sequence[tuple[int, int, str]]],
) -> LabelSet:
    """All labels of some arrays.

    Args:
        labels: {recording: (T, K) classes of each frame}; what isn't an array of two axes stands in ``segments``.
        source: the features.
        actions: names of the classes; None: those of the segments, sorted, and numbers for arrays alone.
        segments: {recording: (start, end, action)}, which may overlap.

    Raises:
        DataError: arrays of other sizes or values, or unknown actions.
    """
    arrays = {name: np.asarray(entries) for name, entries in labels.items() if getattr(entries, "ndim", 1) == 2}
    names = tuple(map(str, actions)) if actions is not None else _names(arrays, segments)
    ids = class_ids(names, "multi")
    occurring = {action for rows in segments.values() for _, _, action in rows}
    if unknown := sorted(occurring - set(ids)):
        raise DataError(f"Labels name {listed(unknown)}, which `actions` doesn't have: {listed(names, 20)}.")
    rows = {name: [(start, end, ids[action]) for start, end, action in of] for name, of in segments.items() if of}
    rows |= {name: _rows_of(name, there_TK, source, len(names)) for name, there_TK in arrays.items()}
    found = {
        name: build_multi_annotation(Path(f"labels of {name}"), name, name, [(*row, 0) for row in of])
        for name, of in rows.items()
        if any(label >= 0 for _, _, label in of)
    }
    if not found:
        raise DataError("`labels` holds not one label. Leave it out where there are none.")
    return LabelSet(names, found, "multi")


def _names(arrays: Mapping[str, NDArray[Any]], segments: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes, where nobody says them."""
    words = {action for rows in segments.values() for _, _, action in rows}
    if not arrays:
        return tuple(sorted(words - set(words_without_action(()))))
    if words - {IGNORED, NOTHING}:
        raise DataError("Labels are arrays of classes, and segments with names too. Name the classes: actions=[...].")
    return tuple(str(place) for place in range(max(there_TK.shape[1] for there_TK in arrays.values())))


def _rows_of(name: str, there_TK: NDArray[Any], source: ArraySource, classes: int) -> Rows:
    """Rows of a recording's array, which must have its frames and all classes."""
    if name not in source.recordings:
        raise DataError(f"`labels` has recording {name!r}, of which there are no arrays.")
    spans = [source.span(name, view) for view in source.views(name)]
    first, end = min(span.first for span in spans), max(span.end for span in spans)
    if there_TK.shape != (end - first, classes):
        raise DataError(
            f"labels of {name}: an array of {there_TK.shape[0]} frames and {there_TK.shape[1]} classes, but its views "
            f"have {end - first} frames at {source.fps:g} fps, and there are {classes} actions."
        )
    return rows_of_array(name, there_TK, first)


def rows_of_array(name: str, there_TK: NDArray[Any], first_frame: int) -> Rows:
    """Rows of an array of K classes a frame, one of them for the whole span.

    Args:
        name: of the recording, for messages.
        there_TK: (T, K), True or 1 where a frame has a class; a row of NaN or -100 where nobody says.
        first_frame: number of its first frame.

    Raises:
        DataError: other values.
    """
    values_TK = np.asarray(there_TK, np.float64)
    unknown_T = (np.isnan(values_TK) | (values_TK == IGNORE)).all(axis=1)
    if not np.isin(values_TK[~unknown_T], (0.0, 1.0)).all():
        raise DataError(
            f"labels of {name}: an array (T, K) says True or 1 where a frame has a class, False or 0 where it hasn't, "
            f"and NaN or {IGNORE} in all of a frame's classes where nobody says; it holds other values."
        )
    found = segments_of_classes((values_TK == 1) & ~unknown_T[:, None], first_frame)
    unknown = Segments.of_frames(unknown_T, first_frame)
    ignored = unknown.select(unknown.labels == 1)
    whole = (first_frame, first_frame + len(values_TK), ABSENT)
    spans = [(start, end, IGNORE) for start, end, _ in ignored.rows]
    return [whole, *spans, *((start, end, label) for start, end, label in found.rows)]
