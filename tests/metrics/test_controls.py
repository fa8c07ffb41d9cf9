"""Controls without features: commonest action, and clock, against plain loops and known answers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import DataError
from viewloom.metrics.controls import clock_labels, clock_scores, clock_scores_left_out, majority_label
from viewloom.metrics.segmentation import score

from .made import frames, sequences


def slow_clock(items, length):
    """Frame by frame, vote by vote."""
    total = Counter(int(label) for item in items for label in item if label != -100)
    chosen = []
    for t in range(length):
        votes = Counter()
        for item in items:
            if len(item):
                label = int(item[int((t + 0.5) / length * len(item))])
                if label != -100:
                    votes[label] += 1
        chosen.append(max(sorted(votes), key=lambda k: (votes[k], total[k])) if votes else None)
    there = [t for t, label in enumerate(chosen) if label is not None]
    if not there:
        return [max(sorted(total), key=lambda k: total[k])] * length
    return [chosen[min(there, key=lambda s: (abs(s - t), s))] for t in range(length)]


@settings(max_examples=80, deadline=None)
@given(st.lists(sequences(min_size=1), min_size=1, max_size=5), st.integers(1, 40))
def test_the_clock_equals_voting_frame_by_frame(items, length):
    if all((item == -100).all() for item in items):
        with pytest.raises(DataError, match="No training frame"):
            clock_labels(items, length)
        return
    assert clock_labels(items, length).tolist() == slow_clock(items, length)


def test_the_clock_is_right_where_order_and_shares_are_fixed_and_wrong_where_they_are_not():
    fixed = [frames((0, n), (1, 2 * n), (2, n)) for n in (10, 15, 33)]
    assert clock_scores(fixed[:2], fixed[2:]).mof > 97 and clock_scores(fixed[:2], fixed[2:]).f1_50 == 100
    rng = np.random.default_rng(0)
    free = [frames(*((int(label), 20) for label in rng.permutation(8))) for _ in range(12)]
    assert clock_scores(free[:8], free[8:]).f1_50 < 40


def test_the_majority_is_the_commonest_frame_with_ties_to_the_lowest_id():
    assert majority_label([frames((3, 4), (-100, 9)), frames((1, 4), (2, 1))]) == 1
    assert majority_label([frames((3, 5), (1, 4))]) == 3
    with pytest.raises(DataError, match="No training frame"):
        majority_label([frames((-100, 3))])


def test_left_out_scores_are_of_clocks_that_never_saw_the_recording():
    items = [frames((0, 10), (1, 10)), frames((1, 8), (0, 8)), frames((0, 12), (1, 12)), frames((0, 9), (1, 9))]
    recordings = ["a", "a", "b", "c"]
    predicted = []
    for item, name in zip(items, recordings, strict=True):
        others = [other for other, of in zip(items, recordings, strict=True) if of != name]
        predicted.append(clock_labels(others, len(item)))
    assert clock_scores_left_out(items, recordings) == score(predicted, items)
    assert clock_scores_left_out(items[:2], ["a", "a"]) is None
