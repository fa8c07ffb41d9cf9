"""Average precision of scored segments, against ActivityNet's evaluation written out slowly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewloom.metrics.class_segments import ScoredSegments, decided_segments, segments_of_classes
from viewloom.metrics.detection import OVERLAPS, average_precision, detection_aps, mean_ap
from viewloom.metrics.segments import Segments

K = 3


def overlap(one, other):
    inside = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, inside) / (one[1] - one[0] + other[1] - other[0] - max(0, inside))


def by_hand(predicted, true, label, least):
    """One class: predictions of all sequences by falling score, each takes the free true segment it overlaps most."""
    ours = [
        (-score, place, start, row)
        for place, of in enumerate(predicted)
        for (start, end, k), score in zip(of.rows, of.confidences.tolist(), strict=True)
        if k == label
        for row in [(start, end)]
    ]
    wanted = {(place, *row[:2]) for place, of in enumerate(true) for row in of.rows if row[2] == label}
    if not wanted:
        return np.nan
    free, right = set(wanted), []
    for _, place, _, row in sorted(ours):
        near = [(overlap(row, one[1:]), -one[1], one) for one in free if one[0] == place]
        iou, _, one = max(near, default=(0.0, 0, None))
        right.append(iou >= least)
        if iou >= least:
            free.remove(one)
    precision = [sum(right[: n + 1]) / (n + 1) for n in range(len(right))]
    recall = [sum(right[: n + 1]) / len(wanted) for n in range(len(right))]
    area, before = 0.0, 0.0
    for n in range(len(right)):
        area += (recall[n] - before) * max(precision[n:])
        before = recall[n]
    return area


def drawn(rng, sequences, frames):
    probs = [np.repeat(rng.random((frames // 4, K)).round(2), 4, axis=0) for _ in range(sequences)]
    true = [np.repeat(rng.random((frames // 4, K)) < 0.3, 4, axis=0) for _ in range(sequences)]
    return [decided_segments(p, 0.5, 100) for p in probs], [segments_of_classes(t, 100) for t in true]


@given(seed=st.integers(0, 400), sequences=st.integers(1, 4))
def test_as_activitynet_scores(seed, sequences):
    predicted, true = drawn(np.random.default_rng(seed), sequences, 60)
    found = detection_aps(predicted, true, K)
    wanted = [[by_hand(predicted, true, k, least) for k in range(K)] for least in OVERLAPS]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def segments(*rows):
    rows = sorted(rows)
    found = Segments.of_rows([row[:3] for row in rows])
    return ScoredSegments(found.starts, found.ends, found.labels, np.array([row[3] for row in rows], np.float64))


def test_the_second_to_find_a_segment_is_wrong_and_the_surer_one_comes_first():
    true = [Segments.of_rows([[0, 100, 0]])]
    aps = detection_aps([segments((0, 60, 0, 0.6), (60, 100, 0, 0.9))], true, 1, (0.3, 0.5))
    # At 0.3 both would do and the surer one does; at 0.5 only the second in rank does: precision 1/2.
    assert aps[:, 0].tolist() == [1.0, 0.5]


def test_sequences_and_classes_are_kept_apart():
    true = [Segments.of_rows([[0, 10, 0]]), Segments.of_rows([[0, 10, 1]])]
    assert detection_aps([segments((0, 10, 0, 1.0)), segments((0, 10, 1, 1.0))], true, 2)[:, :].min() == 1
    assert detection_aps([segments((0, 10, 1, 1.0)), segments((0, 10, 0, 1.0))], true, 2)[:, :].max() == 0


def test_means_leave_out_classes_that_do_not_occur():
    assert mean_ap(np.array([0.5, np.nan, 1.0])) == 75
    assert (mean_ap(np.array([np.nan])), mean_ap(np.array([np.nan]), 3)) == (100, 0)
    assert average_precision(np.array([True, False, True]), 4) == pytest.approx((1 + 2 / 3) / 4)


def test_runs_of_classes_overlap():
    there_TK = np.array([[1, 0], [1, 1], [0, 1], [0, 1], [1, 0]], bool)
    assert segments_of_classes(there_TK, 10).rows == [[10, 12, 0], [11, 14, 1], [14, 15, 0]]
    assert len(segments_of_classes(np.zeros((0, 2), bool))) == 0


def test_a_segment_has_the_mean_probability_of_its_frames():
    probs_TK = np.array([[0.5, 0.1], [0.9, 0.6], [0.2, 0.8]])
    found = decided_segments(probs_TK, 0.5, 7)
    assert found.rows == [[7, 9, 0], [8, 10, 1]]
    np.testing.assert_allclose(found.confidences, [0.7, 0.7])
    cut = decided_segments(probs_TK, 0.5, 7, np.array([True, False, True]))
    assert cut.rows == [[7, 8, 0], [9, 10, 1]]
