"""In which order a toy comes apart and together: parts sit on parts, so not every order is possible."""

from collections.abc import Iterable, Mapping

import numpy as np

from viewloom.simulate.actions import TOY, Action
from viewloom.simulate.seeds import stream

TOY_PARTS = 6
"""Parts of one toy, about: with the parts these sit on it may be more."""

INSPECTIONS = 0.12
"""Probability of looking at the toy between two steps."""


def parts_tree(actions: Iterable[Action], world: int) -> dict[str, str | None]:
    """Which part each one sits on (None: the toy's frame), for all parts that the actions name."""
    parts = list(dict.fromkeys(action.noun for action in actions if action.noun != TOY))
    tree: dict[str, str | None] = {}
    for index, part in enumerate(parts):
        rng = stream("tree", world, part)
        below = int(rng.integers(0, index)) if index and rng.random() < 0.6 else None
        tree[part] = parts[below] if below is not None else None
    return tree


def parts_of(tree: Mapping[str, str | None], parts: Iterable[str]) -> dict[str, str | None]:
    """The tree cut to one toy's parts."""
    return {part: tree[part] for part in parts}


def toy_parts(tree: Mapping[str, str | None], rng: np.random.Generator) -> tuple[str, ...]:
    """Parts of one toy: drawn at random, each with what it sits on, until there are `TOY_PARTS`."""
    chosen: set[str] = set()
    for index in rng.permutation(len(tree)):
        part: str | None = list(tree)[index]
        if len(chosen) >= TOY_PARTS:
            break
        while part is not None and part not in chosen:
            chosen.add(part)
            part = tree[part]
    return tuple(part for part in tree if part in chosen)


def _pick(parts: list[str], preference: Mapping[str, float], rng: np.random.Generator) -> str:
    """One of the parts, a person's favourites more often."""
    weights = np.exp([preference[part] for part in parts])
    return parts[int(rng.choice(len(parts), p=weights / weights.sum()))]


def disassembly(
    known: Mapping[Action, int],
    tree: Mapping[str, str | None],
    preference: Mapping[str, float],
    slips: float,
    rng: np.random.Generator,
) -> list[Action]:
    """Take a whole toy apart: a part comes off once nothing sits on it and its screw is out.

    Args:
        known: the actions there are; steps without an action of their own are not seen.
        tree: the toy's parts and what each sits on.
        preference: the person's liking for each part.
        slips: probability of a failed attempt.
        rng: source of the choices.
    """
    attached, done = list(tree), [Action("inspect", TOY)]
    while attached:
        free = [part for part in attached if part not in {tree[other] for other in attached}]
        part = _pick(free, preference, rng)
        if rng.random() < slips:
            done.append(Action("attempt to detach", part))
        done += [Action("unscrew", part), Action("detach", part)]
        attached.remove(part)
        if rng.random() < INSPECTIONS:
            done.append(Action("inspect", TOY))
    return _seen(done, known)


def assembly(
    known: Mapping[Action, int],
    tree: Mapping[str, str | None],
    preference: Mapping[str, float],
    slips: float,
    rng: np.random.Generator,
) -> list[Action]:
    """Put a toy together: a part goes on once what it sits on is there, then it is screwed tight.

    A slip is a failed attempt, at this part or at one whose turn has not come, or a part that goes on, comes
    off and goes on again. Arguments as in `disassembly`.
    """
    missing, done = list(tree), []
    while missing:
        free = [part for part in missing if tree[part] not in missing]
        part = _pick(free, preference, rng)
        if rng.random() < slips:
            done.append(Action("attempt to attach", _pick(missing, preference, rng)))
        done.append(Action("attach", part))
        if rng.random() < 0.5 * slips and Action("detach", part) in known:
            done += [Action("detach", part), Action("attach", part)]
        done.append(Action("screw", part))
        missing.remove(part)
        if rng.random() < INSPECTIONS:
            done.append(Action("inspect", TOY))
    return _seen([*done, Action("demonstrate", TOY)], known)


def _seen(done: list[Action], known: Mapping[Action, int]) -> list[Action]:
    """Steps that have an action; two equal ones in a row are one."""
    seen = [action for action in done if action in known]
    return [action for index, action in enumerate(seen) if index == 0 or action != seen[index - 1]]
