"""A data set made of arrays: nothing is on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

from viewloom.console import note
from viewloom.dataset.chosen_splits import generated
from viewloom.dataset.dataset import MultiViewDataset
from viewloom.dataset.dataset_file import complete
from viewloom.dataset.label_files import recording_in
from viewloom.dataset.labels import Annotation, LabelSet, build_annotation
from viewloom.dataset.memory_multilabel import multi_labels
from viewloom.dataset.settings import IN_MEMORY, DataConfig, LabelsMode
from viewloom.dataset.splits import ROLES, Splits, refuse_overlap
from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.arrays import ArraySource
from viewloom.features.views import View, ViewTable
from viewloom.metrics.segments import IGNORE, Segments

Labels = Mapping[str, Sequence[Any]]
"""{recording: the action of each frame (None: no label), or (first frame, frame after the last, action) of segments}"""
Drawn = Literal["generate"]
MUCH_SHORTER = 1.3
"""A view with so many times fewer frames than others in every recording may have another rate."""


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
    labels_mode: LabelsMode | None = None,
) -> MultiViewDataset:
    """A data set of arrays in memory; every function that takes a data set takes it.

    Args:
        features: {recording: {view: (T, D)}}, numpy or torch, D and T of each view's own; a row of NaN is a missing
            frame. Frames count from 0; (first, array) begins elsewhere.
        labels: {recording: actions}: one a frame, from the first frame of the views on (None where there is none), or
            segments (start, end, action), end exclusive. Or (T, K), True where a frame has a class: any number of them
            (``labels_mode`` multi), a row of NaN where nobody says. None: no labels.
        splits: {"pairs", "train", "val" or "test": recordings}; pairs are the training recordings where none are named.
            Or "generate", which deals recordings to all four (40, 30, 10, 20 %). None: only prediction is possible.
        fps: frames per second of the data set's clock, on which labels are; None: not known, 30 is assumed.
        actions: names of the actions, whose places are the class ids; None: all that occur, sorted, numbers by
            size.
        views: {view: {"kind": exo, ego or other, "fps": stored frames per second, "start_s": time (s) of the first}};
            what is left out is the data set's.
        name: for reports.
        split_seed: seed of ``splits="generate"``.
        labels_mode: single, or multi, where segments may overlap; None: multi for (T, K), else single.

    Raises:
        DataError: arrays, labels or splits that can't be used, with the recording and what to do.
    """
    if not isinstance(fps, Real | None):
        raise ConfigError(f"fps must be a positive number, but is {fps!r}.")
    source = ArraySource(features, None if fps is None else float(fps), _view_table(features, views))
    _note_lengths(source, views or {})
    found = None if labels is None else _labels(labels, source, actions, labels_mode)
    config = DataConfig(data=IN_MEMORY, fps=source.fps if source.fps_known else None, split_seed=split_seed)
    config = complete(replace(config, labels_mode=labels_mode if found is None else found.mode))
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
        config=config,
    )


def _view_table(features: Mapping[str, Mapping[str, Any]], views: Mapping[str, Mapping[str, Any]] | None) -> Any:
    """Views with what is stated of them; None where nothing is, and no name says more."""
    if views is None:
        return _view_table(features, {}) if _begin_exo_or_ego(features) else None
    if not isinstance(views, Mapping) or not all(isinstance(entry, Mapping) for entry in views.values()):
        raise ConfigError(f'`views` must be {{view: {{"kind": ..., "fps": ...}}}}, but is {views!r}.')
    names = list(dict.fromkeys(view for of_views in features.values() for view in of_views))
    unknown = [view for view in views if view not in names]
    if unknown:
        raise ConfigError(f"`views` names {listed(unknown)}, but the arrays are of: {listed(names, 20)}.")
    table = ViewTable.from_json("`views`", {view: {**views.get(view, {}), "cameras": [view]} for view in names})
    standard = {view.name: view.kind for view in ViewTable.assembly101().views}
    kinds = [view if "kind" in views.get(view.name, {}) else _with_kind(view, standard) for view in table.views]
    return ViewTable(tuple(kinds))


def _note_lengths(source: ArraySource, views: Mapping[str, Mapping[str, Any]]) -> None:
    """Say of views that are much shorter than the others, and whose rate nobody stated: it may be another."""
    spans = {r: {view: source.span(r, view).frames for view in source.views(r)} for r in source.recordings}
    short: dict[str, list[float]] = {}
    for frames in spans.values():
        for view, count in frames.items():
            short.setdefault(view, []).append(max(frames.values()) / count)
    for view, ratios in short.items():
        if min(ratios) > MUCH_SHORTER and "fps" not in views.get(view, {}):
            ratio = float(np.median(ratios))
            stated = f'views={{"{view}": {{"fps": {source.fps / ratio:.3g}}}}}'
            note(f"view {view} has {ratio:.2g} times fewer frames than others. If its rate is another: {stated}")


def _begin_exo_or_ego(features: Any) -> bool:
    names = [view for of_views in features.values() for view in of_views] if isinstance(features, Mapping) else []
    return any(str(name).startswith(("exo", "ego")) for name in names)


def _with_kind(view: View, standard: Mapping[str, Any]) -> View:
    named: Any = next((kind for kind in ("exo", "ego") if view.name.startswith(kind)), view.kind)
    return replace(view, kind=standard.get(view.name, named))


def _labels(labels: Labels, source: ArraySource, actions: Sequence[str] | None, mode: LabelsMode | None) -> LabelSet:
    """Annotations of every recording that has labels."""
    if not isinstance(labels, Mapping):
        raise DataError(f"`labels` must be {{recording: actions}}, but is a {type(labels).__name__}.")
    plain = {name: entries for name, entries in labels.items() if getattr(entries, "ndim", 1) != 2}
    if mode == "single" and len(plain) < len(labels):
        raise DataError("`labels` holds arrays (T, K) of several classes a frame, but labels_mode is single.")
    segments = {recording: _segments(recording, entries, source) for recording, entries in plain.items()}
    if mode == "multi" or len(plain) < len(labels):
        return multi_labels(labels, source, actions, segments)
    occurring = {action for rows in segments.values() for _, _, action in rows}
    names = _in_order(occurring) if actions is None else tuple(str(plain_label(action)) for action in actions)
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


def plain_label(label: Any) -> Any:
    """A label without numpy's or torch's wrapping; None for None, -100, NaN and pandas' NA, which are no labels.

    Raises:
        DataError: another negative number.
    """
    label = label.item() if hasattr(label, "item") else label
    # What isn't equal to itself is NaN, and what gives neither yes nor no is pandas' NA.
    if label is None or label is np.ma.masked or (label != label) is not False or label == IGNORE:
        return None
    if isinstance(label, Real) and label < 0:
        raise DataError(f"{label} is no class id. A frame without a label has None, NaN or {IGNORE}.")
    return label


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Names sorted, by value where all are whole numbers, so that class ids from 0 on stay as they are."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if numbers else 0, name)))


def _segments(recording: str, entries: Sequence[Any], source: ArraySource) -> list[tuple[int, int, str]]:
    """Segments (start, end, action) of a recording."""
    if recording not in source.recordings:
        raise DataError(f"`labels` has recording {recording!r}, of which there are no arrays.")
    entries = list(entries)
    if entries and isinstance(entries[0], tuple | list):
        if not all(isinstance(entry, tuple | list) and len(entry) == 3 for entry in entries):
            raise DataError(f"labels of {recording}: a segment is (start, end, action), end exclusive.")
        try:
            rows = [(int(start), int(end), plain_label(action)) for start, end, action in entries]
        except (TypeError, ValueError):
            raise DataError(f"labels of {recording}: start and end of a segment are whole numbers.") from None
        return [(start, end, str(action)) for start, end, action in rows if action is not None]
    spans = [source.span(recording, view) for view in source.views(recording)]
    first, end = min(span.first for span in spans), max(span.end for span in spans)
    if len(entries) != end - first:
        raise DataError(
            f"labels of {recording}: {len(entries)} frames are labelled, but its views have {end - first} at "
            f"{source.fps:g} fps. Give one action a frame (None: no label), or segments (start, end, action)."
        )
    actions = [plain_label(action) for action in entries]
    names = sorted({str(action) for action in actions if action is not None})
    ids = {name: place for place, name in enumerate(names)}
    labels_T = np.array([IGNORE if action is None else ids[str(action)] for action in actions], np.int64)
    return [(start, end, names[label]) for start, end, label in Segments.of_frames(labels_T, first).labelled.rows]


def _splits(splits: Mapping[str, Sequence[str]], source: ArraySource, labels: LabelSet | None) -> Splits:
    """Roles as dealt by the user, checked."""
    if not isinstance(splits, Mapping) or any(names is None or isinstance(names, str) for names in splits.values()):
        raise DataError(f'`splits` must be "generate" or {{role: [recordings]}}, but is {splits!r}.')
    unknown = [role for role in splits if role not in ROLES]
    absent = [name for names in splits.values() for name in names if name not in source.recordings]
    if unknown or absent:
        roles = f"roles {listed(unknown)}, but they are {listed(ROLES)}"
        raise DataError(f"`splits` names {roles if unknown else f'recordings without arrays: {listed(absent)}'}.")
    named = {role: tuple(names) for role, names in splits.items()}
    dealt = Splits(**{"pairs": named.get("train", ())} | named)
    refuse_overlap(dealt, recording_in(labels), "loso", "`splits`")  # pairs need no labels: training recordings will do
    return dealt
