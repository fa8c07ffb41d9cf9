"""Segments from frames and rows, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.metrics.overlaps import SequenceSegments, find_segments
from viewloom.metrics.segments import IGNORE, Segments

from .made import frames, sequences

NOTHING = np.empty(0, np.int64)


def test_segments_cover_the_sequence():
    found = Segments.of_frames(frames((4, 3), (1, 2), (4, 1)))
    assert found.rows == [[0, 3, 4], [3, 5, 1], [5, 6, 4]]
    assert found.durations.tolist() == [3, 2, 1]
    assert Segments.of_frames(NOTHING).rows == []
    assert Segments.of_frames(frames((7, 4))).rows == [[0, 4, 7]]


@given(sequences(), st.integers(0, 50))
def test_segments_give_the_sequence_back(labels_T, first):
    found = Segments.of_frames(labels_T, first)
    np.testing.assert_array_equal(np.repeat(found.labels, found.durations), labels_T)
    assert (found.labels[1:] != found.labels[:-1]).all()
    np.testing.assert_array_equal(found.frame_labels(first, first + len(labels_T)), labels_T)
    np.testing.assert_array_equal(found.labelled.frame_labels(first, first + len(labels_T)), labels_T)
    assert IGNORE not in found.labelled.labels and len(found.labelled) == (found.labels != IGNORE).sum()


@given(sequences(labels=(0, 1, 2)), st.integers(-4, 9), st.integers(0, 60))
def test_frames_outside_have_no_label(labels_T, start, length):
    found = Segments.of_frames(labels_T, 3).frame_labels(start, start + length)
    wanted = [labels_T[t - 3] if 0 <= t - 3 < len(labels_T) else IGNORE for t in range(start, start + length)]
    assert found.tolist() == wanted


@given(sequences())
def test_rows_come_back(labels_T):
    found = Segments.of_frames(labels_T, 5)
    again = Segments.of_rows(found.rows)
    assert again.rows == found.rows
    assert again.starts.dtype == again.ends.dtype == again.labels.dtype == np.int64


@pytest.mark.parametrize("rows", [[[1, 2]], [["a", 2, 3]], [[1, None, 2]], [[2**70, 1, 2]], 5, {"a": 1}])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Segments.of_rows(rows)


def test_what_a_subclass_holds_is_selected_too():
    found = find_segments(frames((1, 4), (IGNORE, 2), (1, 3)), np.array([2, 2, 9]))
    assert found.rows == [[0, 2, 1], [2, 4, 1], [4, 6, IGNORE], [6, 9, 1]]
    assert found.sequences.tolist() == [0, 2, 2, 2]
    kept = found.labelled
    assert isinstance(kept, SequenceSegments)
    assert kept.sequences.tolist() == [0, 2, 2]
