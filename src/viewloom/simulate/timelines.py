"""Who does what when: timelines from the simulator's grammar, or from real label files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.label_files import read_segments, recording_of
from viewloom.dataset.labels import Annotation
from viewloom.dataset.splits import deal, read_list
from viewloom.dataset.text_files import is_number, read_csv
from viewloom.errors import DataError, listed
from viewloom.simulate.actions import Action
from viewloom.simulate.grammar import assembly, disassembly, pieces_tree, toy_tree
from viewloom.simulate.seeds import stream

MEDIAN_S = 357 / 30
"""Median length of a real action, from the 6,409 labelled segments of Assembly101."""

SPREAD = 0.9085
"""Deviation of the logarithm of an action's length: ln(1129 / 110) / (2 * 1.2816), from the real deciles."""

SPEED_SPREAD = 0.15
"""Deviation of the logarithm of a person's speed."""

PUBLISHED_LISTS = {
    "pairs": "FINAL_USE_Pair_vic.txt",
    "train": "FINAL_USE_Train_vic.txt",
    "val": "FINAL_USE_Val_vic.txt",
    "test": "FINAL_USE_Test_vic.txt",
}
"""List files of the published split, by role."""

COLUMNS = ("action_id", "verb_cls", "noun_cls")
"""Columns of ``actions.csv`` that are read."""

SHARES = {"pairs": 0.375, "train": 0.375, "val": 0.05, "test": 0.2}
"""Shares of the recordings in the simulator's own split."""


@dataclass(frozen=True)
class Timeline:
    """A recording to simulate: frames 1 to ``frames``, and what is labelled in them."""

    recording: str
    person: str
    frames: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Script:
    """All that is to be recorded.

    Attributes:
        actions: classes in order of their ids.
        timelines: sorted by recording name, which is the order of the keys in the store.
        lists: list file name to the items in it.
        copied: list, label and action files to copy as they are; empty for the simulator's own timelines.
    """

    actions: tuple[Action, ...]
    timelines: tuple[Timeline, ...]
    lists: Mapping[str, tuple[str, ...]]
    copied: tuple[Path, ...] = ()


def own_script(
    actions: tuple[Action, ...], recordings: int, people: int, pace: float, fps: float, seed: int, world: int
) -> Script:
    """Timelines from the grammar: each recording takes a toy apart, then puts it together again."""
    tree = pieces_tree(actions, world)
    width = max(4, len(str(recordings)))
    timelines = []
    for index in range(recordings):
        name = f"sim_{index + 1:0{width}d}_person{index % people + 1:02d}"
        timelines.append(_own_timeline(name, f"person{index % people + 1:02d}", actions, tree, fps / pace, seed))
    return Script(actions, tuple(timelines), _own_lists(timelines, seed))


def _own_timeline(
    recording: str,
    person: str,
    actions: tuple[Action, ...],
    tree: Mapping[str, str | None],
    unit_fps: float,
    seed: int,
) -> Timeline:
    """One recording: lead-in, disassembly, a short pause, assembly, lead-out."""
    rng = stream("timeline", seed, recording)
    style = stream("style", seed, person)
    speed = float(np.exp(style.normal(0, SPEED_SPREAD)))
    slips = float(style.uniform(0.1, 0.4))
    preference = {piece: float(style.normal()) for piece in tree}
    toy = toy_tree(tree, rng)
    ids = {action: index for index, action in enumerate(actions)}
    frame, annotations = 1 + int(rng.uniform(60, 300)), []
    for kind, grammar in (("disassembly", disassembly), ("assembly", assembly)):
        done = grammar(ids, toy, preference, slips, rng)
        if not done:
            continue
        lengths = _lengths(len(done), speed, unit_fps, rng)
        bounds = frame + np.concatenate([[0], np.cumsum(lengths)])
        chosen = np.array([ids[action] for action in done], np.int64)
        item = f"{kind}_{recording}"
        annotations.append(Annotation(bounds[:-1], bounds[1:], chosen, item, recording, Path(f"{item}.txt")))
        frame = int(bounds[-1]) + int(rng.uniform(15, 90))
    return Timeline(recording, person, frame + int(rng.uniform(15, 120)), tuple(annotations))


def _lengths(count: int, speed: float, unit_fps: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Log-normal lengths in frames; ``unit_fps`` is the frame rate over the pace."""
    spread = np.sqrt(SPREAD**2 - SPEED_SPREAD**2)
    seconds = MEDIAN_S / speed * np.exp(rng.normal(0, spread, count))
    return np.maximum(8, np.round(seconds * unit_fps)).astype(np.int64)


def _own_lists(timelines: Sequence[Timeline], seed: int) -> dict[str, tuple[str, ...]]:
    """Deal the recordings to the four roles by `SHARES`, at least one to each where there are four."""
    sizes = dict(zip(SHARES, _sizes(len(timelines), list(SHARES.values())), strict=True))
    role_of = deal([timeline.recording for timeline in timelines], sizes, stream("split", seed))
    items = [item for timeline in timelines for item in timeline.annotations]
    return {f"{role}.txt": tuple(i.name for i in items if role_of[i.recording] == role) for role in SHARES}


def _sizes(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to ``shares`` that add up to ``total``, none zero if that can be."""
    least = 1 if total >= len(shares) else 0
    free = total - least * len(shares) if least else total
    exact = np.array(shares) / sum(shares) * total - least
    exact = np.maximum(exact, 0) * (free / max(np.maximum(exact, 0).sum(), 1e-12))
    cuts = np.floor(exact).astype(int)
    for index in np.argsort(cuts - exact, kind="stable")[: free - cuts.sum()]:
        cuts[index] += 1
    return [int(cut) + least for cut in cuts]


def real_script(folder: Path, recordings: int, fps: float, seed: int) -> Script:
    """Timelines of real label files: the published lists' recordings, or ``recordings`` of them.

    Raises:
        DataError: where a file is missing or a line can't be read.
    """
    table, splits = folder / "actions.csv", folder / "coarse_splits"
    missing = [path for path in (table, *(splits / name for name in PUBLISHED_LISTS.values())) if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]} is missing. --timelines wants a folder with coarse_labels/, coarse_splits/ holding "
            f"{listed(PUBLISHED_LISTS.values())}, and actions.csv."
        )
    actions = _read_actions(table)
    lists = {name: read_list(splits / name) for name in PUBLISHED_LISTS.values()}
    chosen = _choose(lists, recordings, seed)
    kept = {name: tuple(item for item in items if recording_of(item) in chosen) for name, items in lists.items()}
    files = [
        folder / "coarse_labels" / f"{item}.txt" for item in sorted({name for names in kept.values() for name in names})
    ]
    names = [action.name for action in actions]
    by_recording: dict[str, list[Annotation]] = {recording: [] for recording in sorted(chosen)}
    for annotation in (found for path in files for found in read_segments(path, names).values()):
        by_recording[annotation.recording].append(annotation)
    timelines = [_real_timeline(name, items, fps) for name, items in by_recording.items()]
    return Script(actions, tuple(timelines), kept, (table, *files))


def _real_timeline(recording: str, items: list[Annotation], fps: float) -> Timeline:
    items.sort(key=lambda item: item.start)
    if items[0].start < 1:
        raise DataError(f"{items[0].path}: frames count from 1, but a segment begins at {items[0].start}.")
    for before, after in pairwise(items):
        if after.start < before.end:
            raise DataError(f"{before.name} and {after.name} overlap: one recording can't show both at once.")
    end = max(item.end for item in items)
    # Real names carry the person's number: ..._9011-b06b_9011_user_id_...
    head, _, _ = recording.partition("_user_id_")
    return Timeline(recording, head.rsplit("_", 1)[-1], end + round(fps), tuple(items))


def _choose(lists: Mapping[str, tuple[str, ...]], recordings: int, seed: int) -> set[str]:
    """Recordings of the lists, all of them or a number in proportion to the lists' lengths."""
    roles: dict[str, list[str]] = {name: [] for name in lists}
    seen: set[str] = set()
    for name, items in lists.items():
        for recording in dict.fromkeys(map(recording_of, items)):
            if recording not in seen:
                roles[name].append(recording)
                seen.add(recording)
    if recordings in (0, len(seen)):
        return seen
    if recordings > len(seen):
        raise DataError(
            f"The timelines hold {len(seen)} recordings, fewer than --recordings {recordings}. "
            "Ask for fewer, or pass --recordings 0 for all."
        )
    cuts = _sizes(recordings, [len(names) for names in roles.values()])
    chosen: set[str] = set()
    for (role, names), cut in zip(roles.items(), cuts, strict=True):
        order = stream("timelines", seed, role).permutation(len(names))
        chosen.update(names[index] for index in order[:cut])
    return chosen


def _read_actions(path: Path) -> tuple[Action, ...]:
    table = read_csv(path)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(f"{path}: no column {listed(missing)}. Every line needs {listed(COLUMNS)}.")
    named: dict[int, Action] = {}
    for line, fields in table.rows:
        where = f"{path}, line {line}"
        table.check_length(where, fields, COLUMNS)
        number, verb, noun = (fields[name] for name in COLUMNS)
        if not is_number(number):
            raise DataError(f"{where}: action_id must be a whole number, but is {number[:40]!r}. Correct it.")
        if int(number) in named:
            raise DataError(f"{where}: action_id {number} is there twice. Number the actions from 0, each once.")
        named[int(number)] = Action(verb, noun)
    if sorted(named) != list(range(len(named))):
        raise DataError(f"{path}: action_id must count from 0 without gaps.")
    return tuple(named[number] for number in range(len(named)))
