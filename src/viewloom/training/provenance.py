"""What a run learned from: the recordings of each role, kept with head and refiner, so that scores can't hide it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.errors import ConfigError, listed
from viewloom.features.base import FeatureSource
from viewloom.features.content import rows_hash
from viewloom.names import names_in
from viewloom.training.run_identity import RunContent

Learned = dict[str, dict[str, dict[str, list[Any]]]]
"""{role: {recording: {view: [first frame, end, hash of blocks of its features]}}}; earlier runs noted no hash."""

ROLES = {"train": "train", "val": "val", "pairs": "pairs", "held-out": "pairs"}
"""Items of a run, and the role under which their recordings are remembered."""
WAYS = {
    "train": "the head's training labels",
    "val": "what chose the head's epoch",
    "pairs": "unlabelled pairs, of its refiner or its teacher",
    "labelled_pairs": "the labels of the refiner's pairs",
}


def learned_from(content: RunContent) -> Learned:
    """The recordings a run learns from, by role, with the frames of the views in use."""
    found: Learned = {}
    for name in content.items:
        spans: dict[str, dict[str, list[Any]]] = {}
        for recording, view in content.pairs_of(name):
            spans.setdefault(recording, {})[view] = _mark(content.dataset.source, recording, view)
        # A head's labels are those of its training items; a refiner that is given labels has those of its pairs.
        labelled = content.labelled and ROLES[name] == "pairs" and "train" not in content.items
        found.setdefault("labelled_pairs" if labelled else ROLES[name], {}).update(spans)
    return {role: recordings for role, recordings in found.items() if recordings}


def together(*several: Mapping[str, Any]) -> Learned:
    """What several models of a chain learned from, such as a refiner and the head behind it."""
    found: Learned = {}
    for learned in several:
        for role, recordings in learned.items():
            found.setdefault(role, {}).update(recordings)
    return found


def scored_again(dataset: MultiViewDataset, items: Sequence[Item], learned: Learned) -> dict[str, list[str]]:
    """Recordings among the items that were learned from, by role.

    A recording is the same if its name is, and the frames of a view that both know (another data set may use the same
    names), or if blocks of a view's features are, whatever it is called.
    """
    source, names = dataset.source, dict.fromkeys(item.recording for item in items)
    marks = {name: {view: _mark(source, name, view) for view in source.views(name)} for name in names}
    found = {}
    for role, recordings in learned.items():
        known = {mark[2] for views in recordings.values() for mark in views.values() if len(mark) > 2 and mark[2]}
        same = [name for name in names if name in recordings and _share(marks[name], recordings[name])]
        found[role] = [name for name in names if name in same or any(m[2] in known for m in marks[name].values())]
    return {role: recordings for role, recordings in found.items() if recordings}


def _mark(source: FeatureSource, recording: str, view: str) -> list[Any]:
    """The frames of a view, and a hash of blocks of its features; empty where they are all alike: such say nothing."""
    span, stored = source.span(recording, view), source.stored_span(recording, view)
    middle = (stored.first + stored.end) // 2
    frames = (stored.first, middle, stored.end - 1)
    x_TD = np.concatenate([source.read_stored(recording, view, frame, frame + 1) for frame in frames])
    varied = bool((np.nan_to_num(x_TD) != np.nan_to_num(x_TD[:1])).any())
    return [*span, rows_hash(source, recording, view, "sampled") if varied else ""]


def _share(one: Mapping[str, Sequence[Any]], other: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a view that both have covers the same frames."""
    return any(list(one[view][:2]) == list(other[view][:2]) for view in one if view in other)


def allowed_roles(names: str | None, split: str) -> tuple[str, ...]:
    """Roles whose recordings may be scored: those named, and that of a split which was asked for itself.

    Raises:
        ConfigError: a name that is no such role.
    """
    named = names_in(names)
    unknown = [name for name in named if name not in WAYS]
    if unknown:
        raise ConfigError(f"--allow_learned names {listed(unknown)}, but it can be: {listed(WAYS)}.")
    return (*named, split)


def refuse_learned(found: Mapping[str, Sequence[str]], allowed: Sequence[str]) -> None:
    """`ConfigError` for recordings that the run learned from, in a way that was not allowed."""
    refused = {role: names for role, names in found.items() if role not in allowed}
    if refused:
        ways = "; ".join(f"{listed(names, 3)} ({len(names)}) by {WAYS[role]}" for role, names in refused.items())
        raise ConfigError(
            f"The run has learned from recordings that would be scored: {ways}. Score others (--splits), or pass "
            f"--allow_learned {','.join(refused)} to score them all the same, marked in every table."
        )
