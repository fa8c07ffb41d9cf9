"""Scores worked out by hand, defined answers at the edges, and what must never change a score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import count, score, score_per_item

from .made import f1_counts, frames, random_pairs, sequences, trimmed

PAIRS = st.lists(st.tuples(sequences(), sequences()), min_size=1, max_size=4).map(trimmed)
NOTHING = np.empty(0, np.int64)


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
    hits, false_alarms, misses = f1_counts([prediction], [truth])
    assert (hits.tolist(), false_alarms.tolist(), misses.tolist()) == ([3, 3, 3], [2, 2, 2], [0, 0, 0])
    assert got.mof == pytest.approx(100 * (6 + 1 + 7 + 10) / 30)
    assert got.total == pytest.approx(60 + 3 * 75 + 80)
    assert [*got.as_dict()] == ["edit", "f1_10", "f1_25", "f1_50", "mof"]


def test_each_overlap_has_its_own_hits():
    truth = frames((0, 20), (1, 20), (2, 20))
    prediction = frames((0, 4), (3, 16), (1, 6), (3, 14), (2, 14), (3, 6))
    # IoU 4/20, 6/20 and 14/20: three hits at .10, two at .25, one at .50, of 6 predicted and 3 true.
    got = score([prediction], [truth])
    assert (got.f1_10, got.f1_25, got.f1_50) == pytest.approx((100 * 6 / 9, 100 * 4 / 9, 100 * 2 / 9))


def test_an_overlap_of_exactly_the_threshold_is_a_hit():
    for share, name in ((1, "f1_10"), (5, "f1_50")):
        prediction = frames((0, share), (1, 10 - share))
        assert getattr(score([prediction], [frames((0, 10))]), name) == pytest.approx(100 * 2 / 3)
    # 5 of 20 frames is .25, and one less is not.
    assert score([frames((0, 5), (1, 15))], [frames((0, 20))]).f1_25 == pytest.approx(100 * 2 / 3)
    assert score([frames((0, 4), (1, 16))], [frames((0, 20))]).f1_25 == 0


def test_a_true_segment_can_be_hit_once():
    truth = frames((0, 10))
    prediction = frames((0, 5), (1, 1), (0, 4))
    # Overlaps .5 and .4, both claim the one true segment: one hit, two false alarms -> F1 = 2/(3+1).
    assert score([prediction], [truth]).f1_10 == pytest.approx(50)


def test_the_first_true_segment_wins_a_tie_and_the_second_is_missed():
    truth = frames((0, 4), (1, 2), (0, 4))
    # One long prediction overlaps both 0s by 4 of 10: it claims the first. The other stays unhit: 2/(1+3).
    assert score([frames((0, 10))], [truth]).f1_25 == pytest.approx(50)


def test_the_best_claimant_may_come_too_late():
    """Greedy in time: what an earlier prediction took is gone, and a taken segment's runner-up isn't tried."""
    truth = frames((0, 10), (1, 2), (0, 10))
    # 0-3: IoU .3 with the first. 4-14: 6/14 = .43 with the first, 2/20 = .1 with the second: claims the first,
    # which is taken at .10; so is not matched to the second. 15-22 hits the second (7/10).
    prediction = frames((0, 3), (2, 1), (0, 10), (2, 1), (0, 7))
    hits, false_alarms, misses = f1_counts([prediction], [truth])
    assert (hits[0], false_alarms[0], misses[0]) == (2, 3, 1)
    # At .50 neither 3/10 nor 6/14 is enough.
    assert (hits[2], false_alarms[2], misses[2]) == (1, 4, 2)


def test_f1_and_mof_pool_and_edit_averages():
    predictions = [frames((0, 30)), frames((1, 5), (2, 5))]
    truths = [frames((0, 30)), frames((3, 5), (2, 5))]
    got = score(predictions, truths)
    assert got.edit == pytest.approx((100 + 50) / 2)
    assert got.f1_50 == pytest.approx(100 * 2 * 2 / (3 + 3))  # hits 1 + 1
    assert got.mof == pytest.approx(100 * 35 / 40)


def test_frames_without_a_label_split_and_do_not_count():
    truth = frames((0, 4), (-100, 2), (0, 4))
    # The prediction is split there too: two segments each, both hit, and 8 labelled frames.
    counts = count([frames((0, 10))], [truth])
    assert (counts.predicted[0], counts.true[0], counts.frames[0], counts.right[0]) == (2, 2, 8, 8)
    # What is predicted on unlabelled frames alone is no false alarm.
    assert score([frames((0, 4), (5, 2), (0, 4))], [truth]).total == 500


def test_background_is_dropped_after_segmenting_and_counts_as_frames():
    truth = frames((0, 4), (9, 2), (0, 4))
    # Dropped before segmenting, the two 0s would be one segment and the edit score 50.
    got = score([frames((0, 4), (1, 2), (0, 4))], [truth], background=(9,))
    # Strings 0 1 0 and 0 0: one deletion of 3. Hits 2 of 3 + 2.
    assert (got.edit, got.f1_50, got.mof) == pytest.approx((100 * 2 / 3, 80, 80))


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_defined_answers_for_empty_and_single(protocol):
    assert score([], [], protocol).total == 500
    assert score([NOTHING], [NOTHING], protocol).total == 500
    one = frames((3, 7))
    assert score([one], [one], protocol).total == 500
    unlabelled = frames((-100, 5))
    assert score([frames((1, 5))], [unlabelled], protocol).total == 500
    assert [row.total for row in score_per_item([NOTHING, one], [NOTHING, one], protocol)] == [500, 500]
    assert score_per_item([], [], protocol) == []


def test_only_one_side_with_segments_is_zero():
    truth = frames((0, 5), (1, 5))
    background = frames((2, 10))
    got = score([background], [truth], background=(2,))
    assert (got.edit, got.f1_10, got.f1_50, got.mof) == (0, 0, 0, 0)
    got = score([truth], [background], background=(2,))
    assert (got.edit, got.f1_10, got.f1_50, got.mof) == (0, 0, 0, 0)


def test_one_segment_against_another():
    got = score([frames((1, 6))], [frames((0, 6))])
    assert got.total == 0
    # A single frame is a segment.
    assert score([frames((1, 1))], [frames((1, 1))]).total == 500


def test_lengths_that_differ_are_named():
    with pytest.raises(DataError, match="sequence 1 has 4 predicted and 5 true frames"):
        score([frames((0, 5)), frames((0, 4))], [frames((0, 5)), frames((0, 5))])
    with pytest.raises(DataError, match="1 predicted and 2 true sequences"):
        score([NOTHING], [NOTHING, NOTHING])


def test_what_is_no_class_id_is_refused():
    with pytest.raises(DataError, match="true sequence 0 is an array of float64"):
        score([frames((0, 2))], [np.array([0.0, np.nan])])
    with pytest.raises(DataError, match=r"predicted sequence 0 .* shape \(2, 3\)"):
        score([np.zeros((2, 3), np.int64)], [frames((0, 2))])
    with pytest.raises(ConfigError, match="there are: canonical"):
        score([], [], "homemade")


def test_small_and_unsigned_class_ids_score_alike():
    predictions, truths = random_pairs(seed=3, items=3)
    for kind in (np.uint8, np.int16, np.uint64):
        assert score([p.astype(kind) for p in predictions], [t.astype(kind) for t in truths]) == score(
            predictions, truths
        )


def test_class_ids_with_one_hash_are_told_apart():
    """Python's hash(-1) is hash(-2), and hash(2**61 - 1) is hash(0): an edit distance over hashes mixes them up."""
    for a, b in ((-1, -2), (0, 2**61 - 1)):
        assert score([frames((a, 5))], [frames((b, 5))]).edit == 0


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "last_segment_short"])
@settings(max_examples=50, deadline=None)
@given(st.lists(sequences(), max_size=4), st.sampled_from([(), (0, 2)]))
def test_perfect_is_100(protocol, truths, background):
    predictions = [np.where(truth == -100, 1, truth) for truth in truths]
    assert score(predictions, truths, protocol, background).total == pytest.approx(500)


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False), st.sampled_from(list(PROTOCOLS)))
def test_order_of_files_and_names_of_classes_change_nothing(pairs, random, protocol):
    names = np.append(random.sample(range(4), 4), -100)  # -100 is index 4 from the front, and -1 from the back
    renamed = [tuple(names[np.where(side == -100, 4, side)] for side in pair) for pair in pairs]
    shuffled = random.sample(renamed, len(renamed))
    expected = score(*zip(*pairs, strict=True), protocol, (0,)).as_dict()
    got = score(*zip(*shuffled, strict=True), protocol, (int(names[0]),)).as_dict()
    assert got == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.sampled_from(list(PROTOCOLS)))
def test_scores_are_percentages_and_f1_falls_with_the_overlap(pairs, protocol):
    got = score(*zip(*pairs, strict=True), protocol)
    assert 100 >= got.f1_10 >= got.f1_25 >= got.f1_50 >= 0
    assert 100 >= got.edit >= 0
    assert 100 >= got.mof >= 0


@settings(max_examples=50, deadline=None)
@given(PAIRS, st.sampled_from(list(PROTOCOLS)))
def test_items_among_others_equal_items_scored_alone(pairs, protocol):
    rows = score_per_item(*zip(*pairs, strict=True), protocol, (1,))
    assert rows == [score([p], [t], protocol, (1,)) for p, t in pairs]


def test_thousands_of_segments_need_no_table_of_all_pairs():
    """60,000 segments on either side: a table of all pairs would take 29 GB."""
    truth = np.arange(120_000) // 2 % 7
    prediction = np.append(truth[1:], 0)
    # Every predicted segment covers one of the two frames of its truth and one beside: IoU 1/3.
    got = score([prediction], [truth])
    assert got.f1_25 > 99.9
    assert got.f1_50 < 0.1
