"""Scores worked out by hand, defined answers at the edges, and what must never change a score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import ConfigError
from viewloom.metrics.per_class import confusion_matrix, most_confused, score_per_class
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import score, score_per_item, segments


def frames(*runs):
    """(label, length) runs as one array."""
    return np.array([label for label, length in runs for _ in range(length)], np.int64)


def test_a_case_worked_out_by_hand():
    truth = frames((0, 10), (1, 10), (2, 10))
    # 0 is cut short, 1 starts early and is interrupted, 2 is right.
    prediction = frames((0, 6), (1, 5), (3, 2), (1, 7), (2, 10))
    got = score([prediction], [truth])
    # Strings 0 1 3 1 2 and 0 1 2: two insertions, longer one 5 -> 60.
    assert got.edit == pytest.approx(60)
    # IoU: 0: 6/10; first 1 (6-11 against 10-20): 1/14 = .071; 3: none; second 1 (13-20): 7/10; 2: 1.
    # Both 1s claim the same true segment; at .10 the first has .071 only, so the second is the hit.
    # Hits 3 of 5 predicted and 3 true: F1 = 2*3/8 at every overlap up to .5.
    assert got.f1_10 == got.f1_25 == got.f1_50 == pytest.approx(75)
    assert got.mof == pytest.approx(100 * (6 + 1 + 7 + 10) / 30)
    assert got.total == pytest.approx(60 + 3 * 75 + 80)


def test_a_true_segment_can_be_hit_once():
    truth = frames((0, 10))
    prediction = frames((0, 5), (1, 1), (0, 4))
    # Overlaps .5 and .4, both claim the one true segment: one hit, two false alarms -> F1 = 2/(3+1).
    assert score([prediction], [truth]).f1_10 == pytest.approx(50)


def test_perfect_is_100_under_every_protocol():
    truth = frames((0, 10), (1, 10), (0, 3), (-100, 4), (2, 5))
    prediction = np.where(truth == -100, 0, truth)
    for name in PROTOCOLS:
        got = score([prediction], [truth], name)
        assert got.total == pytest.approx(500), name


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_defined_answers_for_empty_and_single(protocol):
    nothing = np.empty(0, np.int64)
    assert score([], [], protocol).total == 500
    assert score([nothing], [nothing], protocol).total == 500
    one = frames((3, 7))
    assert score([one], [one], protocol).total == 500
    unlabelled = frames((-100, 5))
    assert score([frames((1, 5))], [unlabelled], protocol).total == 500


def test_only_one_side_with_segments_is_zero():
    truth = frames((0, 5), (1, 5))
    background = frames((2, 10))
    got = score([background], [truth], background=(2,))
    assert (got.edit, got.f1_10, got.f1_50, got.mof) == (0, 0, 0, 0)
    assert score([truth], [background], background=(2,)).edit == 0


def test_each_variant_differs_where_it_is_known_to():
    # Last segment of one frame: it vanishes when cut short, and with it the hit.
    truth = frames((0, 9), (1, 1))
    assert score([truth], [truth], "canonical").f1_50 == 100
    assert score([frames((0, 8), (1, 2))], [truth], "canonical").f1_50 == 100
    assert score([frames((0, 8), (1, 2))], [truth], "last_segment_short").f1_50 == 50
    # Two videos, one perfect with one segment, one with four of which none is hit.
    truths = [frames((0, 8)), frames((0, 8), (1, 8))]
    predictions = [frames((0, 8)), frames((2, 8), (3, 8))]
    assert score(predictions, truths).f1_50 == pytest.approx(100 * 2 / 6)
    assert score(predictions, truths, "mean_f1").f1_50 == pytest.approx(50)
    # Ignored frames between two segments of one action: deleting joins them.
    truth = frames((0, 5), (-100, 2), (0, 5))
    prediction = frames((0, 5), (1, 2), (0, 5))
    assert score([prediction], [truth]).edit == 100
    joined = score([frames((0, 4), (1, 1), (1, 2), (0, 5))], [truth], "ignored_deleted").edit
    assert joined != score([frames((0, 4), (1, 1), (1, 2), (0, 5))], [truth]).edit
    # Background found right counts only where it is counted.
    truth, prediction = frames((9, 5), (0, 5)), frames((9, 5), (1, 5))
    assert score([prediction], [truth], "canonical", (9,)).f1_50 == 0
    assert score([prediction], [truth], "background_counted", (9,)).f1_50 == 50
    # A prediction that stops early scores as if the rest had not happened.
    assert score([frames((0, 5))], [frames((0, 5), (1, 5))], "cut_to_prediction").total == 500


def test_lengths_that_differ_are_named():
    with pytest.raises(ConfigError, match="sequence 1 has 4 predicted and 5 true frames"):
        score([frames((0, 5)), frames((0, 4))], [frames((0, 5)), frames((0, 5))])
    with pytest.raises(ConfigError, match="known: canonical"):
        score([], [], "homemade")


labels = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=8)


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=5), st.randoms())
@settings(deadline=None)
def test_order_of_files_and_names_of_classes_change_nothing(pairs, random):
    both = [(frames(*p), frames(*t)) for p, t in pairs]
    both = [(p[: min(len(p), len(t))], t[: min(len(p), len(t))]) for p, t in both]
    expected = score([p for p, _ in both], [t for _, t in both]).as_dict()
    shuffled = random.sample(both, len(both))
    names = np.array(random.sample(range(4), 4))
    got = score([names[p] for p, _ in shuffled], [names[t] for _, t in shuffled]).as_dict()
    assert got == pytest.approx(expected)
    assert expected["f1_10"] >= expected["f1_25"] >= expected["f1_50"]


def test_items_alone_equal_items_scored_alone():
    rng = np.random.default_rng(1)
    truths = [np.repeat(rng.integers(0, 5, 9), 7) for _ in range(4)]
    predictions = [np.roll(t, 3) for t in truths]
    for alone, p, t in zip(score_per_item(predictions, truths), predictions, truths, strict=True):
        assert alone == score([p], [t])


def test_segments_cover_the_sequence():
    starts, ends, ids = segments(frames((4, 3), (1, 2), (4, 1)))
    assert (starts.tolist(), ends.tolist(), ids.tolist()) == ([0, 3, 5], [3, 5, 6], [4, 1, 4])


def test_classes_add_up():
    truths = [frames((0, 10), (1, 10)), frames((1, 10), (2, 10))]
    predictions = [frames((0, 10), (2, 10)), frames((1, 6), (2, 14))]
    rows = {row.action: row for row in score_per_class(predictions, truths, ["a", "b", "c", "never"])}
    assert set(rows) == {"a", "b", "c"}
    assert (rows["a"].f1_50, rows["a"].mof) == (100, 100)
    # b: two true segments, one predicted and hit (6/10); 6 of 20 frames.
    assert (rows["b"].segments, rows["b"].precision, rows["b"].recall, rows["b"].mof) == (2, 100, 50, 30)
    # c: predicted twice, hit once (10/14).
    assert (rows["c"].segments, rows["c"].precision, rows["c"].recall) == (1, 50, 100)
    confusion = confusion_matrix(predictions, truths, 4)
    assert confusion.sum() == 40
    assert most_confused(confusion, ["a", "b", "c", "never"], 5) == [("b", "c", 14)]
