"""Scores of each class, and confusions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import DataError
from viewloom.metrics.per_class import confusion_matrix, most_confused, score_per_class
from viewloom.metrics.segmentation import score

from .made import f1_counts, frames, sequences, trimmed

NAMES = ["a", "b", "c", "d"]


def test_a_case_worked_out_by_hand():
    truths = [frames((0, 10), (1, 10)), frames((1, 10), (2, 10))]
    predictions = [frames((0, 10), (2, 10)), frames((1, 6), (2, 14))]
    rows = {row.action: row for row in score_per_class(predictions, truths, NAMES)}
    assert set(rows) == {"a", "b", "c"}
    assert (rows["a"].f1_50, rows["a"].mof) == (100, 100)
    # b: two true segments, one predicted and hit (6/10); 6 of 20 frames; F1 = 2*1/(1+2).
    assert (rows["b"].segments, rows["b"].frames) == (2, 20)
    assert (rows["b"].precision, rows["b"].recall, rows["b"].mof) == (100, 50, 30)
    assert rows["b"].f1_50 == pytest.approx(100 * 2 / 3)
    # c: predicted twice, hit once (10/14).
    assert (rows["c"].segments, rows["c"].precision, rows["c"].recall) == (1, 50, 100)
    assert [*rows["a"].as_dict()] == ["action", "segments", "frames", "precision", "recall", "f1_50", "mof"]


def test_a_class_of_one_side_only_has_a_row_of_zeros():
    rows = score_per_class([frames((3, 5))], [frames((1, 5))], NAMES)
    assert [(r.action, r.segments, r.frames, r.precision, r.recall, r.f1_50, r.mof) for r in rows] == [
        ("b", 1, 5, 0, 0, 0, 0),
        ("d", 0, 0, 0, 0, 0, 0),
    ]
    assert score_per_class([], [], NAMES) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sequences(labels=(0, 1, 2, 3)), sequences()), max_size=3).map(trimmed))
def test_classes_add_up_to_the_scores(pairs):
    predictions, truths = [p for p, _ in pairs], [t for _, t in pairs]
    rows = score_per_class(predictions, truths, NAMES)
    hits, _, misses = f1_counts(predictions, truths)
    assert sum(row.segments for row in rows) == hits[2] + misses[2]
    assert sum(row.recall * row.segments for row in rows) == pytest.approx(100 * hits[2])
    frames_right = sum(row.mof * row.frames for row in rows)
    labelled = sum(row.frames for row in rows)
    assert frames_right == pytest.approx(score(predictions, truths).mof * labelled)


def test_confusions_are_counted_true_by_predicted():
    truths = [frames((0, 3), (1, 2)), frames((2, 4), (-100, 5))]
    predictions = [frames((0, 2), (2, 3)), frames((1, 1), (2, 8))]
    confusion = confusion_matrix(predictions, truths, 4)
    # 0: two right, one as 2. 1: both as 2. 2: one as 1, three right. Unlabelled frames are nowhere.
    assert confusion.tolist() == [[2, 0, 1, 0], [0, 0, 2, 0], [0, 1, 3, 0], [0, 0, 0, 0]]
    # Largest first, the lower id first on a tie, none without frames.
    expected = [("b", "c", 2), ("a", "c", 1), ("c", "b", 1)]
    assert most_confused(confusion, NAMES, 10) == expected
    assert most_confused(confusion, NAMES, 1) == expected[:1]
    assert confusion[0, 0] == 2  # asking changes nothing


def test_ids_without_a_name_are_refused():
    for prediction, truth, told in ((4, 0, "prediction has class id 4"), (0, -1, "truth has class id -1")):
        with pytest.raises(DataError, match=f"{told}, but there are 4 classes"):
            score_per_class([frames((prediction, 2))], [frames((truth, 2))], NAMES)
    with pytest.raises(DataError, match="2 predicted and 3 true frames"):
        confusion_matrix([frames((0, 2))], [frames((0, 3))], 4)


def test_no_frames_give_an_empty_matrix():
    assert np.array_equal(confusion_matrix([], [], 2), np.zeros((2, 2)))
