"""Groups of actions: verbs, nouns, and the head and tail of a long-tailed list."""

from collections.abc import Sequence
from re import split

import numpy as np

from viewloom.metrics.segments import Flags, Ints

HEAD_SHARE = 0.7
"""Share of the training frames that head actions hold together: the 31 of 202 actions of Assembly101 that its authors
don't list as tail hold 71 % of the frames (and 70 % of the segments) of its training labels."""
LEAST_NAMED = 0.75
"""Share of the actions that must be named verb and noun for names to be read so."""

Words = list[tuple[str, str]]
"""Verb and noun of each class id; an action without a noun is its own verb."""


def head_actions(frames_K: Ints, share: float = HEAD_SHARE) -> Flags:
    """Which actions are the head: the fewest that hold a share of the frames, the longest first, (K,).

    Args:
        frames_K: training frames of each; of two as long the first is taken first.
        share: from 0 to 1.
    """
    order = np.argsort(-frames_K, kind="stable")
    before = frames_K[order].cumsum() - frames_K[order]
    head_K = np.zeros(len(frames_K), np.bool_)
    head_K[order] = (before < share * frames_K.sum()) & (frames_K[order] > 0)
    return head_K


def words_in_names(actions: Sequence[str]) -> Words | None:
    """Verb and noun of each action, read from its name; None where names aren't of that form.

    Words are separated by blanks or underscores. The first one is the verb, the others the noun; but an action whose
    name ends with that of another one ("attempt to attach cabin", "attach cabin") has that one's noun, and what stands
    before it is its verb. Names are of that form if three quarters of them have two words or more, and these share
    verbs and nouns: there are fewer of either than of them.
    """
    names = [tuple(split(r"[\s_]+", action.strip())) for action in actions]
    known, found = set(names), []
    for words in names:
        rests = (at for at in range(1, len(words) - 1) if words[at:] in known)
        at = next(rests, 0) + 1
        found.append((" ".join(words[:at]), " ".join(words[at:])))
    both = [pair for pair in found if pair[1]]
    if len(both) < LEAST_NAMED * len(actions) or not both:
        return None
    verbs, nouns = ({pair[side] for pair in both} for side in (0, 1))
    return found if max(len(verbs), len(nouns)) < len(both) else None
