"""In which order a toy comes apart and together: pieces sit on pieces, so not every order is possible."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from viewloom.simulate.actions import TOY, Action
from viewloom.simulate.seeds import stream

TOY_PIECES = 6
"""Pieces of one toy, about: with the pieces these sit on it may be more."""

INSPECTIONS = 0.12
"""Probability of looking at the toy between two steps."""


def pieces_tree(actions: Iterable[Action], world: int) -> dict[str, str | None]:
    """Which piece each one sits on (None: the toy's frame), for all pieces that the actions name."""
    pieces = list(dict.fromkeys(action.noun for action in actions if action.noun != TOY))
    tree: dict[str, str | None] = {}
    for index, piece in enumerate(pieces):
        rng = stream("tree", world, piece)
        below = int(rng.integers(0, index)) if index and rng.random() < 0.6 else None
        tree[piece] = pieces[below] if below is not None else None
    return tree


def toy_tree(tree: Mapping[str, str | None], rng: np.random.Generator) -> dict[str, str | None]:
    """The tree cut to one toy's pieces: drawn at random, each with what it sits on, until there are `TOY_PIECES`."""
    chosen: set[str] = set()
    for index in rng.permutation(len(tree)):
        piece: str | None = list(tree)[index]
        if len(chosen) >= TOY_PIECES:
            break
        while piece is not None and piece not in chosen:
            chosen.add(piece)
            piece = tree[piece]
    return {piece: below for piece, below in tree.items() if piece in chosen}


def _pick(pieces: list[str], preference: Mapping[str, float], rng: np.random.Generator) -> str:
    """One of the pieces, a person's favourites more often."""
    weights = np.exp([preference[piece] for piece in pieces])
    return pieces[int(rng.choice(len(pieces), p=weights / weights.sum()))]


def disassembly(
    actions: Collection[Action],
    tree: Mapping[str, str | None],
    preference: Mapping[str, float],
    slips: float,
    rng: np.random.Generator,
) -> list[Action]:
    """Take a whole toy apart: a piece comes off once nothing sits on it and its screw is out.

    Args:
        actions: the actions there are; steps without an action of their own are not seen.
        tree: the toy's pieces and what each sits on.
        preference: the person's liking for each piece.
        slips: probability of a failed attempt.
        rng: source of the choices.
    """
    attached, done = list(tree), [Action("inspect", TOY)]
    while attached:
        free = [piece for piece in attached if piece not in {tree[other] for other in attached}]
        piece = _pick(free, preference, rng)
        if rng.random() < slips:
            done.append(Action("attempt to detach", piece))
        done += [Action("unscrew", piece), Action("detach", piece)]
        attached.remove(piece)
        if rng.random() < INSPECTIONS:
            done.append(Action("inspect", TOY))
    return _seen(done, actions)


def assembly(
    actions: Collection[Action],
    tree: Mapping[str, str | None],
    preference: Mapping[str, float],
    slips: float,
    rng: np.random.Generator,
) -> list[Action]:
    """Put a toy together: a piece goes on once what it sits on is there, then it is screwed tight.

    A slip is a failed attempt, at this piece or at one whose turn has not come, or a piece that goes on, comes
    off and goes on again. Arguments as in `disassembly`.
    """
    missing, done = list(tree), []
    while missing:
        free = [piece for piece in missing if tree[piece] not in missing]
        piece = _pick(free, preference, rng)
        if rng.random() < slips:
            done.append(Action("attempt to attach", _pick(missing, preference, rng)))
        done.append(Action("attach", piece))
        if rng.random() < 0.5 * slips and Action("detach", piece) in actions:
            done += [Action("detach", piece), Action("attach", piece)]
        done.append(Action("screw", piece))
        missing.remove(piece)
        if rng.random() < INSPECTIONS:
            done.append(Action("inspect", TOY))
    return _seen([*done, Action("demonstrate", TOY)], actions)


def _seen(done: list[Action], actions: Collection[Action]) -> list[Action]:
    """Steps that have an action; two equal ones in a row are one."""
    seen = [action for action in done if action in actions]
    return [action for index, action in enumerate(seen) if index == 0 or action != seen[index - 1]]
