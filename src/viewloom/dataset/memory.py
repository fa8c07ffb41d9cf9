"""A data set made of arrays: nothing is on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from viewloom.dataset.chosen_splits import generated
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import Annotation, LabelSet, build_annotation
from viewloom.dataset.settings import IN_MEMORY, DataConfig
from viewloom.dataset.splits import ROLES, Splits, refuse_overlap
from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.arrays import ArraySource
from viewloom.features.views import View, ViewTable
from viewloom.metrics.segments import IGNORE, Segments

Labels = Mapping[str, Sequence[Any]]
"""{recording: the action of each frame (None: no label), or (first frame, frame after the last, action) of segments}"""
Drawn = Literal["generate"]


def from_arrays(
    features: Mapping[str, Mapping[str, Any]],
    labels: Labels | None = None,
    splits: Mapping[str, Sequence[str]] | Drawn | None = None,
    *,
    fps: float | None = None,
    actions: Sequence[str] | None = None,
    views: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "arrays",
    split_seed: int = 0,
) -> MultiViewDataset:
    """A data set of arrays in memory; every function that takes a data set takes it.

    Args:
        features: {recording: {view: (T, D)}}, numpy or torch, D and T of each view's own; a row of NaN is a missing
            frame. Frames count from 0; (first, array) begins elsewhere.
        labels: {recording: actions}: one a frame, from the first frame of the views on (None where there is none), or
            segments (start, end, action), end exclusive. None: no labels.
        splits: {"pairs", "train", "val" or "test": recordings}, or "generate", which deals recordings to all four (40,
            30, 10, 20 %). None: no splits, so that only prediction is possible.
        fps: frames per second of the data set's clock, on which labels are; None: not known, 30 is assumed.
        actions: names of the actions, whose places are the class ids; None: all that occur, sorted.
        views: {view: {"kind": exo, ego or other, "fps": stored frames per second, "start_s": time (s) of the first}};
            what is left out is the data set's.
        name: for reports.
        split_seed: seed of ``splits="generate"``.

    Raises:
        DataError: arrays, labels or splits that can't be used, with the recording and what to do.
    """
    source = ArraySource(features, fps, _view_table(features, views))
    found = None if labels is None else _labels(labels, source, actions)
    config = complete(DataConfig(data=IN_MEMORY, fps=fps, split_seed=split_seed))
    dealt: Splits | None = None
    if splits == "generate":
        dealt = generated(config, source.recordings, found)
    elif splits is not None:
        dealt = _splits(splits, source, found)
    return MultiViewDataset(
        name=name,
        root=Path(IN_MEMORY),
        source=source,
        views=source.view_table,
        labels=found,
        splits=dealt,
        simulated=False,
        fps_known=source.fps_known,
        config=replace(config, fps=source.fps if source.fps_known else None),
    )


def _view_table(features: Mapping[str, Mapping[str, Any]], views: Mapping[str, Mapping[str, Any]] | None) -> Any:
    """Views with what is stated of them; None where nothing is."""
    if views is None:
        return None
    names = list(dict.fromkeys(view for of_views in features.values() for view in of_views))
    unknown = [view for view in views if view not in names]
    if unknown:
        raise ConfigError(f"`views` names {listed(unknown)}, but the arrays are of: {listed(names, 20)}.")
    table = ViewTable.from_json("`views`", {view: {**views.get(view, {}), "cameras": [view]} for view in names})
    standard = {view.name: view.kind for view in ViewTable.assembly101().views}
    kinds = [view if "kind" in views.get(view.name, {}) else _with_kind(view, standard) for view in table.views]
    return ViewTable(tuple(kinds))


def _with_kind(view: View, standard: Mapping[str, Any]) -> View:
    return replace(view, kind=standard.get(view.name, view.kind))


def _labels(labels: Labels, source: ArraySource, actions: Sequence[str] | None) -> LabelSet:
    """Annotations of every recording that has labels."""
    segments = {recording: _segments(recording, entries, source) for recording, entries in labels.items()}
    occurring = {action for rows in segments.values() for _, _, action in rows}
    names = tuple(actions) if actions is not None else tuple(sorted(occurring))
    if len(set(names)) < len(names):
        raise DataError(f"An action stands twice in `actions`: {listed(names, 20)}.")
    unknown = sorted(occurring - set(names))
    if unknown:
        raise DataError(f"Labels name {listed(unknown)}, which `actions` doesn't have: {listed(names, 20)}.")
    ids = {name: place for place, name in enumerate(names)}
    annotations: dict[str, Annotation] = {}
    for recording, rows in segments.items():
        path = Path(f"labels of {recording}")
        numbered = [(start, end, ids[action], place) for place, (start, end, action) in enumerate(rows)]
        if numbered:
            annotations[recording] = build_annotation(path, recording, recording, numbered)
    if not annotations:
        raise DataError("`labels` holds not one label. Leave it out where there are none.")
    return LabelSet(names, annotations)


def _segments(recording: str, entries: Sequence[Any], source: ArraySource) -> list[tuple[int, int, str]]:
    """Segments (start, end, action) of a recording."""
    if recording not in source.recordings:
        raise DataError(f"`labels` has recording {recording!r}, of which there are no arrays.")
    entries = list(entries)
    if entries and isinstance(entries[0], tuple | list):
        if not all(isinstance(entry, tuple | list) and len(entry) == 3 for entry in entries):
            raise DataError(f"labels of {recording}: a segment is (start, end, action), end exclusive.")
        return [(int(start), int(end), str(action)) for start, end, action in entries]
    spans = [source.span(recording, view) for view in source.views(recording)]
    first, end = min(span.first for span in spans), max(span.end for span in spans)
    if len(entries) != end - first:
        raise DataError(
            f"labels of {recording}: {len(entries)} frames are labelled, but its views have {end - first} at "
            f"{source.fps:g} fps. Give one action a frame (None: no label), or segments (start, end, action)."
        )
    names = sorted({str(action) for action in entries if action is not None})
    ids = {name: place for place, name in enumerate(names)}
    labels_T = np.array([IGNORE if action is None else ids[str(action)] for action in entries], np.int64)
    return [(start, end, names[label]) for start, end, label in Segments.of_frames(labels_T, first).labelled.rows]


def _splits(splits: Mapping[str, Sequence[str]], source: ArraySource, labels: LabelSet | None) -> Splits:
    """Roles as dealt by the user, checked."""
    unknown = [role for role in splits if role not in ROLES]
    absent = [name for names in splits.values() for name in names if name not in source.recordings]
    if unknown or absent:
        roles = f"roles {listed(unknown)}, but they are {listed(ROLES)}"
        raise DataError(f"`splits` names {roles if unknown else f'recordings without arrays: {listed(absent)}'}.")
    dealt = Splits(**{role: tuple(names) for role, names in splits.items()})
    refuse_overlap(dealt, recording_in(labels), "own", "`splits`")
    return dealt
