"""Errors in figures: seconds and counts of each kind, by action, verb, noun, head and tail; what is taken for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from viewloom.metrics.action_groups import HEAD_SHARE, Words, head_actions
from viewloom.metrics.error_kinds import KINDS, Errors, class_errors, find_errors, tally
from viewloom.metrics.segments import IGNORE, Flags, Ints, Segments

HEAD, TAIL = "head", "tail"
NO_NOUN = "(no noun)"


class Judged(Protocol):
    """Truth and prediction of one item over the frames [start, end); ``ignored`` are stretches without a label where a
    frame may have several."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def truth(self) -> Segments: ...

    @property
    def prediction(self) -> Segments: ...

    @property
    def ignored(self) -> Sequence[tuple[int, int]]: ...


@dataclass(frozen=True)
class ActionFacts:
    """What is known of K actions besides their names.

    Attributes:
        actions: names by class id.
        words: verb and noun of each; None where they are not made of both.
        words_from: where these come from: the name of a file, or ``names``.
        train_frames: training frames of each; None where nobody knows.
    """

    actions: tuple[str, ...]
    words: Words | None = None
    words_from: str = ""
    train_frames: tuple[int, ...] | None = None

    @cached_property
    def groups(self) -> dict[str, tuple[list[str], Ints]]:
        """Names of groups and the group of each class id, by what groups: action, verb, noun, part (head, tail)."""
        found = {"action": (list(self.actions), np.arange(len(self.actions)))}
        if self.words is not None:
            for place, what in enumerate(("verb", "noun")):
                names, of_K = np.unique([pair[place] or NO_NOUN for pair in self.words], return_inverse=True)
                found[what] = (names.tolist(), of_K.reshape(-1).astype(np.int64))
        if self.head_K is not None:
            found["part"] = ([HEAD, TAIL], np.where(self.head_K, 0, 1))
        return found

    @property
    def head_K(self) -> Flags | None:
        """Which actions are the head; None where training frames are unknown."""
        if self.train_frames is None or not sum(self.train_frames):
            return None
        return head_actions(np.array(self.train_frames, np.int64))

    def to_json(self) -> dict[str, Any]:
        """JSON values for ``errors.json``."""
        head_K = self.head_K
        return {
            "actions": list(self.actions),
            "verbs": None if self.words is None else [verb for verb, _ in self.words],
            "nouns": None if self.words is None else [noun for _, noun in self.words],
            "words_from": self.words_from,
            "train_frames": None if self.train_frames is None else list(self.train_frames),
            "head": None if head_K is None else head_K.tolist(),
            "head_share": HEAD_SHARE,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ActionFacts":
        """From its JSON values; KeyError, TypeError or ValueError where they are none."""
        verbs, nouns, frames = value["verbs"], value["nouns"], value["train_frames"]
        actions = tuple(map(str, value["actions"]))
        words = None if verbs is None else [(str(v), str(n)) for v, n in zip(verbs, nouns, strict=True)]
        counts = None if frames is None else tuple(map(int, frames))
        if any(of is not None and len(of) != len(actions) for of in (words, counts)):
            raise ValueError("verbs, nouns and train_frames must be as many as actions")
        if counts is not None and min(counts, default=0) < 0:
            raise ValueError("train_frames must be 0 or more")
        return cls(actions, words, str(value["words_from"]), counts)


def item_errors(items: Sequence[Judged], multi: bool = False, background: Sequence[int] = ()) -> Errors:
    """All errors of items, each a sequence.

    Args:
        items: truth and prediction.
        multi: whether a frame may have several actions (`class_errors`).
        background: class ids that stand for nothing happening.
    """
    if multi:
        spans = [(item.start, item.end) for item in items]
        ignored = [item.ignored for item in items]
        return class_errors([item.prediction for item in items], [item.truth for item in items], spans, ignored)
    said, true = (
        [of.frame_labels(item.start, item.end) for item, of in pairs]
        for pairs in ([(item, item.prediction) for item in items], [(item, item.truth) for item in items])
    )
    return find_errors(said, true, background)


def true_frames(items: Sequence[Judged], classes: int) -> Ints:
    """True frames of each class over items, (K,)."""
    labels, frames = (
        np.concatenate([np.empty(0, np.int64), *each])
        for each in ([item.truth.labels for item in items], [item.truth.durations for item in items])
    )
    kept = labels != IGNORE
    return np.bincount(labels[kept], frames[kept], classes).astype(np.int64)


def figures(errors: Errors, frames_K: Ints, facts: ActionFacts, fps: float) -> dict[str, Any]:
    """Errors as plain data.

    Args:
        errors: all errors in one view.
        frames_K: true frames of each class.
        facts: groups of actions.
        fps: frames a second.

    Returns:
        ``seconds`` that are labelled (of all actions together where a frame may have several), ``wrong`` seconds;
        ``kinds``: seconds and errors by kind; ``by``: {action, verb, noun, part: rows with the same, those of the true
        action, and ``said``, seconds wrongly said to be it}; ``confused``: {verb, noun: [true, said, seconds]}, most
        first; ``words``: wrong seconds in which the verb alone, or the noun alone, is right, or neither.
    """
    whole = tally(errors, np.zeros(len(errors), np.int64), 1)
    return {
        "seconds": float(frames_K.sum()) / fps,
        "wrong": float(errors.durations.sum()) / fps,
        "kinds": _kinds(whole[0][0], whole[1][0], fps),
        "by": {what: _rows(errors, frames_K, *of, fps) for what, of in facts.groups.items()},
        "confused": {what: confused(errors, *facts.groups[what], fps) for what in ("verb", "noun") if facts.words},
        "words": words_right(errors, facts, fps),
    }


def _kinds(frames: Ints, counts: Ints, fps: float) -> dict[str, dict[str, float | int]]:
    return {kind: {"seconds": int(f) / fps, "errors": int(n)} for kind, f, n in zip(KINDS, frames, counts, strict=True)}


def _rows(errors: Errors, frames_K: Ints, names: Sequence[str], of_K: Ints, fps: float) -> list[dict[str, Any]]:
    """A row for each group that truly occurs or is said, most seconds lost first, then by name."""
    frames_G5, counts_G5 = tally(errors, of_K[errors.labels], len(names))
    true_G = np.bincount(of_K, frames_K, len(names))
    spoken = errors.predicted != IGNORE
    said_G = np.bincount(of_K[errors.predicted[spoken]], errors.durations[spoken], len(names))
    wrong_G = frames_G5.sum(axis=1)
    order = sorted(range(len(names)), key=lambda g: (-wrong_G[g], names[g]))
    return [
        {
            "name": names[g],
            "seconds": float(true_G[g]) / fps,
            "wrong": float(wrong_G[g]) / fps,
            "said": float(said_G[g]) / fps,
            "kinds": _kinds(frames_G5[g], counts_G5[g], fps),
        }
        for g in order
        if true_G[g] or wrong_G[g] or said_G[g]
    ]


def confused(errors: Errors, names: Sequence[str], of_K: Ints, fps: float) -> list[list[Any]]:
    """Pairs of different groups, true and said, and the seconds; most first."""
    spoken = errors.predicted != IGNORE
    true_S, said_S = of_K[errors.labels[spoken]], of_K[errors.predicted[spoken]]
    size = len(names)
    frames = np.bincount(true_S * size + said_S, errors.durations[spoken], size * size).reshape(size, size)
    np.fill_diagonal(frames, 0)
    order = np.argsort(-frames, axis=None, kind="stable")[: np.count_nonzero(frames)]
    rows, columns = np.unravel_index(order, frames.shape)
    return [[names[i], names[j], float(frames[i, j]) / fps] for i, j in zip(rows, columns, strict=True)]


def words_right(errors: Errors, facts: ActionFacts, fps: float) -> dict[str, float]:
    """Wrong seconds by what is right of the action all the same; empty where actions aren't of verb and noun."""
    if facts.words is None:
        return {}
    spoken = errors.predicted != IGNORE
    same = {what: np.zeros(len(errors), np.bool_) for what in ("verb", "noun")}
    for what, alike_S in same.items():
        of_K = facts.groups[what][1]
        alike_S[spoken] = of_K[errors.labels[spoken]] == of_K[errors.predicted[spoken]]
    verb, noun = same.values()
    chosen = {"verb alone": verb & ~noun, "noun alone": noun & ~verb, "neither": ~verb & ~noun}
    return {name: float(errors.durations[flags].sum()) / fps for name, flags in chosen.items()}
