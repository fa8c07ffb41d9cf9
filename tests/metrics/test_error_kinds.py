"""Kinds of errors: each wrong frame has one, they add up, and agree with the definitions written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.made import frames, random_pairs, sequences, trimmed
from tests.parity.reference_errors import errors as plain_errors
from tests.parity.reference_errors import frame_kinds
from viewloom.errors import DataError
from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.error_kinds import KINDS, class_errors, find_errors, tally
from viewloom.metrics.segmentation import count


def kinds_of(predicted, true, background=()):
    """(start, end, kind) of each wrong stretch of one sequence."""
    found = find_errors([predicted], [true], background)
    return [(s, e, KINDS[k]) for s, e, k in zip(found.starts, found.ends, found.kinds, strict=True)]


A, B, C, X = 0, 1, 2, 3
CASES = {
    "a border that comes late": (frames((A, 6), (B, 2)), frames((A, 4), (B, 4)), [(4, 6, "shifted_boundary")]),
    "a border that comes early": (frames((A, 2), (B, 6)), frames((A, 4), (B, 4)), [(2, 4, "shifted_boundary")]),
    "a segment taken for another": (
        frames((A, 3), (X, 3), (C, 3)),
        frames((A, 3), (B, 3), (C, 3)),
        [(3, 6, "wrong_action")],
    ),
    "taken for another but for a speck": (
        frames((A, 3), (X, 4), (B, 1), (X, 5), (C, 3)),
        frames((A, 3), (B, 10), (C, 3)),
        [(3, 7, "wrong_action"), (8, 13, "wrong_action")],
    ),
    "a segment cut to pieces": (frames((A, 4), (X, 2), (A, 4)), frames((A, 10)), [(4, 6, "over_segmented")]),
    "a segment swallowed by a neighbour": (
        frames((A, 6), (C, 3)),
        frames((A, 3), (B, 3), (C, 3)),
        [(3, 6, "missed")],
    ),
    "a segment swallowed by both": (
        frames((A, 4), (C, 5)),
        frames((A, 3), (B, 3), (C, 3)),
        [(3, 4, "missed"), (4, 6, "missed")],
    ),
    "something between two segments": (
        frames((A, 4), (X, 2), (B, 4)),
        frames((A, 5), (B, 5)),
        [(4, 5, "inserted"), (5, 6, "inserted")],
    ),
    "two that changed places": (
        frames((B, 4), (A, 4)),
        frames((A, 4), (B, 4)),
        [(0, 4, "wrong_action"), (4, 8, "wrong_action")],
    ),
}


@pytest.mark.parametrize(("predicted", "true", "wanted"), CASES.values(), ids=CASES)
def test_each_kind_as_it_is_meant(predicted, true, wanted):
    assert kinds_of(predicted, true) == wanted


def test_background_is_where_nothing_happens():
    bg = 9
    true = frames((A, 4), (bg, 4), (B, 4))
    assert kinds_of(frames((A, 4), (bg, 1), (X, 2), (bg, 1), (B, 4)), true, (bg,)) == [(5, 7, "inserted")]
    assert kinds_of(frames((A, 6), (bg, 2), (B, 4)), true, (bg,)) == [(4, 6, "shifted_boundary")]
    assert kinds_of(frames((A, 2), (bg, 6), (B, 4)), true, (bg,)) == [(2, 4, "shifted_boundary")]
    assert kinds_of(frames((bg, 8), (B, 4)), true, (bg,)) == [(0, 4, "missed")]
    assert kinds_of(frames((A, 1), (bg, 1), (A, 2), (bg, 4), (B, 4)), true, (bg,)) == [(1, 2, "over_segmented")]


def test_a_segment_swallowed_by_two_neighbours_is_one_error():
    found = find_errors([frames((A, 4), (C, 5))], [frames((A, 3), (B, 3), (C, 3))])
    seconds, counts = tally(found, found.labels, 4)
    assert seconds[B].tolist() == [0, 0, 0, 3, 0]
    assert counts[B].tolist() == [0, 0, 0, 1, 0]


pairs = st.lists(st.tuples(sequences(), sequences()), max_size=3).map(trimmed)


@given(pairs, st.sampled_from([(), (3,), (2, 3)]))
def test_kinds_add_up_and_are_those_written_out(found, background):
    predictions, truths = [p for p, _ in found], [t for _, t in found]
    errors = find_errors(predictions, truths, background)
    counts = count(predictions, truths)
    assert errors.durations.sum() == (counts.frames - counts.right).sum()
    for place, (predicted, true) in enumerate(found):
        mine = errors.select(errors.sequences == place)
        plain = frame_kinds(predicted.tolist(), true.tolist(), background)
        for start, end, kind, label, said in zip(
            mine.starts, mine.ends, mine.kinds, mine.labels, mine.predicted, strict=True
        ):
            assert plain[start:end] == [KINDS[kind]] * (end - start)
            assert set(true[start:end]) == {label}
            assert set(predicted[start:end]) == {said}
        frames_G, counts_G = tally(mine, np.zeros(len(mine), np.int64), 1)
        wanted = plain_errors(predicted.tolist(), true.tolist(), background)
        assert [tuple(pair) for pair in zip(frames_G[0], counts_G[0], strict=True)] == list(wanted.values())


def test_realistic_sequences_have_all_kinds_and_sequences_do_not_touch():
    predictions, truths = random_pairs(3, items=12)
    errors = find_errors(predictions, truths)
    assert set(errors.kinds) == set(range(len(KINDS)))
    alone = [find_errors([p], [t]) for p, t in zip(predictions, truths, strict=True)]
    assert np.concatenate([one.kinds for one in alone]).tolist() == errors.kinds.tolist()
    assert np.concatenate([one.starts for one in alone]).tolist() == errors.starts.tolist()
    assert np.concatenate([one.counted for one in alone]).tolist() == errors.counted.tolist()


def test_lengths_that_differ_are_refused_and_nothing_is_no_error():
    with pytest.raises(DataError, match="Expected a prediction for each frame"):
        find_errors([frames((A, 3))], [frames((A, 4))])
    assert len(find_errors([], [])) == len(find_errors([frames()], [frames()])) == 0


def test_several_classes_a_frame_have_no_wrong_action_and_add_up():
    rng = np.random.default_rng(0)
    true_TK = np.repeat(rng.random((12, 4)) < 0.4, 6, axis=0)
    said_TK = np.repeat(rng.random((24, 4)) < 0.4, 3, axis=0)
    ignored_T = np.arange(72) // 10 == 3
    segments = [segments_of_classes(of & ~ignored_T[:, None], 100) for of in (said_TK, true_TK)]
    found = class_errors([segments[0]], [segments[1]], [(100, 172)], [[(130, 140)]])
    assert found.durations.sum() == (true_TK ^ said_TK)[~ignored_T].sum()
    assert KINDS.index("wrong_action") not in found.kinds
    for start, end, label, said in zip(found.starts, found.ends, found.labels, found.predicted, strict=True):
        assert said_TK[start:end, label].all() == (said == label)
        assert (true_TK[start:end, label] != said_TK[start:end, label]).all()
