"""Each named protocol on a case where it is known to differ from the canonical one, figures worked out by hand."""

import numpy as np
import pytest

from viewloom.errors import DataError
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import count, score

from .made import frames, random_pairs


def test_last_segment_short():
    truth, prediction = frames((0, 6), (1, 4)), frames((0, 8), (1, 2))
    # IoU of 0: 6/8. Of 1: 8-10 in 6-10 is 2/4, a hit at .50; ending at 9 it is 1/3, none: 2*1/(2+2).
    assert score([prediction], [truth]).f1_50 == 100
    assert score([prediction], [truth], "last_segment_short").f1_50 == 50


def test_a_last_segment_of_one_frame_becomes_empty_and_still_counts():
    truth = frames((0, 9), (1, 1))
    assert score([truth], [truth]).total == 500
    short = score([truth], [truth], "last_segment_short")
    # 0 is hit, 1 overlaps nothing: 2*1/(2+2). The strings are equal all the same.
    assert (short.edit, short.f1_10, short.f1_50, short.mof) == (100, 50, 50, 100)


def test_the_segment_that_ends_short_is_the_sequences_last_even_if_it_is_dropped():
    # The last run is unlabelled: 0 keeps its whole length, under either.
    truth = frames((0, 2), (-100, 3))
    prediction = frames((0, 1), (1, 4))
    for name in ("canonical", "last_segment_short"):
        assert score([prediction], [truth], name).f1_50 == pytest.approx(100 * 2 / 3)


def test_mean_f1():
    # One video with its one segment right, one with three of which none is.
    truths = [frames((0, 8)), frames((0, 8), (1, 8), (0, 8))]
    predictions = [frames((0, 8)), frames((2, 8), (3, 8), (2, 8))]
    # Pooled: 2*1 / (4 + 4). Mean: (100 + 0) / 2.
    assert score(predictions, truths).f1_50 == 25
    assert score(predictions, truths, "mean_f1").f1_50 == 50


def test_ignored_deleted():
    truth = frames((0, 4), (-100, 2), (0, 4), (1, 2))
    prediction = frames((0, 10), (2, 2))
    # Split: 0 0 1 against 0 0 2. Joined: 0 1 against 0 2.
    assert score([prediction], [truth]).edit == pytest.approx(100 * 2 / 3)
    assert score([prediction], [truth], "ignored_deleted").edit == 50
    # Split: two hits of 3 + 3. Joined: one of 2 + 2.
    assert score([prediction], [truth]).f1_50 == pytest.approx(100 * 4 / 6)
    assert score([prediction], [truth], "ignored_deleted").f1_50 == 50


def test_per_video():
    # A long video with its one segment wrong, a short one all right, and a third with frames to be deleted.
    truths = [frames((0, 90)), frames((1, 10)), frames((0, 4), (-100, 2), (0, 4))]
    predictions = [frames((2, 90)), frames((1, 10)), frames((0, 10))]
    # Pooled: 18 of 108 labelled frames; 2 * 3 / (4 + 4). Per video: (0 + 100 + 100) / 3, and F1 likewise.
    pooled, mean = score(predictions, truths), score(predictions, truths, "per_video")
    assert (pooled.mof, pooled.f1_50) == (pytest.approx(100 * 18 / 108), 75)
    assert (mean.mof, mean.f1_50, mean.edit) == pytest.approx((200 / 3, 200 / 3, 200 / 3))
    # What it deletes, it joins: one segment is found, not two.
    assert count(predictions, truths, "per_video").true.tolist() == [1, 1, 1]
    # mean_f1 averages F1 alone.
    assert score(predictions, truths, "mean_f1").mof == pooled.mof


def test_background_counted():
    # Background right, action wrong.
    truth, prediction = frames((9, 5), (0, 5)), frames((9, 5), (1, 5))
    dropped = score([prediction], [truth], "canonical", (9,))
    counted = score([prediction], [truth], "background_counted", (9,))
    assert (dropped.edit, dropped.f1_50, dropped.mof) == (0, 0, 50)
    assert (counted.edit, counted.f1_50, counted.mof) == (50, 50, 50)


def test_cut_to_prediction():
    # A prediction that stops early scores as if the rest had not happened.
    prediction, truth = frames((0, 5)), frames((0, 5), (1, 5))
    assert score([prediction], [truth], "cut_to_prediction").total == 500
    assert count([prediction], [truth], "cut_to_prediction").frames.tolist() == [5]
    # Nothing is made up for a truth that stops early.
    assert score([truth], [prediction], "cut_to_prediction").total == 500
    with pytest.raises(DataError, match="5 predicted and 10 true"):
        score([prediction], [truth])


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if PROTOCOLS[name].f1 == "pooled"])
def test_on_one_video_labelled_throughout_only_the_last_frame_can_matter(name):
    predictions, truths = random_pairs(seed=5, items=1)
    predictions[0][-5:] = truths[0][-5:] = 7
    assert score(predictions, truths, name) == score(predictions, truths)


def test_every_protocol_names_its_source_and_differs_from_the_canonical_one():
    assert all(protocol.source for protocol in PROTOCOLS.values())
    rules = [str(vars(protocol) | {"source": ""}) for protocol in PROTOCOLS.values()]
    assert len(set(rules)) == len(PROTOCOLS)


def test_no_protocol_writes_into_its_input():
    predictions, truths = random_pairs(seed=6, items=2)
    truths[0][5:9] = -100
    before = [array.copy() for array in (*predictions, *truths)]
    for name in PROTOCOLS:
        score(predictions, truths, name, (1,))
    for array, copy in zip((*predictions, *truths), before, strict=True):
        np.testing.assert_array_equal(array, copy)
