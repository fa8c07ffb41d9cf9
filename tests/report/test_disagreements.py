"""Where views or runs disagree, against a plain count frame by frame."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.segments import Segments
from viewloom.report.disagreements import Disagreement, disagreements, longest_first
from viewloom.report.player import who
from viewloom.report.reading import ItemResult
from viewloom.report.strips import Card, Strip

FRAMES, FIRST = 40, 100


def cards(seed, multi):
    """A card of three runs and two views, two results shorter than the others, and what each says of each frame."""
    rng, strips, said = np.random.default_rng(seed), [], {}
    for run in "abc":
        for view in ("v1", "e1"):
            start = FIRST + (10 if (run, view) == ("b", "e1") else 0)
            end = FIRST + FRAMES - (15 if (run, view) == ("c", "v1") else 0)
            frames = end - start
            if multi:
                there_TK = np.repeat(rng.random((frames // 5, 2)) < 0.5, 5, axis=0)
                found, names = (
                    segments_of_classes(there_TK, start),
                    [frozenset(np.flatnonzero(row)) for row in there_TK],
                )
            else:
                labels_T = np.repeat(rng.integers(0, 2, frames // 5), 5)
                found, names = Segments.of_frames(labels_T, start), labels_T.tolist()
            result = ItemResult("i", "r", start, end, found, found)
            strips.append(Strip(SimpleNamespace(name=run), view, result))
            said[run, view] = [None] * (start - FIRST) + names + [None] * (FIRST + FRAMES - end)
    return Card(None, strips, 10.0), said


@pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])
@given(seed=st.integers(0, 400))
def test_disagreements_are_those_of_a_count_frame_by_frame(seed, multi):
    card, said = cards(seed, multi)

    def differ(keys, t):
        return len({said[key][t] for key in keys if said[key][t] is not None}) > 1

    plain = {}
    for t in range(FRAMES):
        runs = {run for run in "abc" if differ([(run, "v1"), (run, "e1")], t)}
        views = {view for view in ("v1", "e1") if differ([(run, view) for run in "abc"], t)}
        if runs or views:
            plain[t + FIRST] = (runs, views)
    found = disagreements(card)
    assert [t for one in found for t in range(one.start, one.end)] == sorted(plain)
    for one in found:
        assert all(plain[t] == (set(one.runs), set(one.views)) for t in range(one.start, one.end))
        assert all(plain.get(t) != plain[one.start] for t in (one.start - 1, one.end))  # it is as long as can be


def test_the_longest_are_listed_in_order_of_time():
    found = [Disagreement(10 * n, 10 * n + length, ("a",), ()) for n, length in enumerate((3, 9, 1, 5))]
    assert [one.start for one in longest_first(found, 2)] == [10, 30]
    assert who(Disagreement(0, 1, ("a", "b"), ("v1",))) == "views of a, b; runs on v1"
