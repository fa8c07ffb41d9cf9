"""Segments that overlap, in lanes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from viewloom.metrics.class_segments import segments_of_classes
from viewloom.metrics.segments import Segments
from viewloom.report.lanes import lay, wrong_frames
from viewloom.report.reading import ItemResult

FRAMES, K = 60, 4


def drawn(seed):
    there_TK = np.repeat(np.random.default_rng(seed).random((FRAMES // 5, K)) < 0.4, 5, axis=0)
    return there_TK, segments_of_classes(there_TK, 100)


@given(seed=st.integers(0, 300))
def test_nothing_overlaps_in_a_lane_and_there_are_no_more_lanes_than_actions_at_once(seed):
    there_TK, segments = drawn(seed)
    laid = lay(segments)
    assert [list(row[:3]) for row in laid.rows] == segments.rows
    for lane in range(laid.lanes):
        mine = [row for row in laid.rows if row[3] == lane]
        assert all(one[1] <= other[0] for one, other in zip(mine, mine[1:], strict=False))
    assert laid.lanes == max(1, there_TK.sum(axis=1).max())


@given(seed=st.integers(0, 300))
def test_a_prediction_that_is_right_lies_where_the_truth_does(seed):
    _, segments = drawn(seed)
    truth = lay(segments)
    assert lay(segments, truth) == truth


def test_a_lane_that_is_taken_is_not_taken_again():
    truth = lay(Segments.of_rows([[0, 10, 0], [0, 20, 1], [10, 20, 2]]))
    assert [row[3] for row in truth.rows] == [0, 1, 0]
    # Class 2 comes too early, while class 0 is still said in its lane; class 3 isn't true at all.
    found = lay(Segments.of_rows([[0, 14, 0], [2, 20, 1], [12, 20, 2], [15, 20, 3]]), truth)
    assert [row[3] for row in found.rows] == [0, 1, 2, 0] and found.lanes == 3
    alone = lay(Segments.of_rows([[2, 18, 1]]), truth)  # where the truth has it, though the first lane is free
    assert alone.rows == [(2, 18, 1, 1)] and alone.lanes == 2


@given(seed=st.integers(0, 200))
def test_frames_are_wrong_where_the_classes_are_not_exactly_those(seed):
    (true_TK, true), (said_TK, said) = drawn(seed), drawn(seed + 1000)
    result = ItemResult("i", "r", 100, 100 + FRAMES, true, said, ((110, 120),))
    off_T = np.array([true_TK[t].tolist() != said_TK[t].tolist() and not 10 <= t < 20 for t in range(FRAMES)])
    found_T = np.zeros(FRAMES, bool)
    for start, end, _ in wrong_frames(result).rows:
        found_T[start - 100 : end - 100] = True
    np.testing.assert_array_equal(found_T, off_T)
