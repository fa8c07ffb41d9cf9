"""Fast scores against the plain reference, under every protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.metrics.overlaps import best_overlaps, find_segments
from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import score

from ..metrics.made import f1_counts, random_pairs, sequences, trimmed
from .reference_scores import OVERLAPS, match, plain_scores, runs

PAIRS = st.lists(st.tuples(sequences(), sequences()), max_size=4)
BACKGROUNDS = st.sampled_from([(), (0,), (1, 3), (-100,)])


def listed(arrays):
    return [array.tolist() for array in arrays]


@pytest.mark.parametrize("name", list(PROTOCOLS))
@settings(max_examples=150, deadline=None)
@given(pairs=PAIRS, background=BACKGROUNDS)
def test_every_protocol_equals_the_plain_reference(name, pairs, background):
    if PROTOCOLS[name].truth == "whole":
        pairs = trimmed(pairs)
    predictions, truths = [p for p, _ in pairs], [t for _, t in pairs]
    expected = plain_scores(listed(predictions), listed(truths), PROTOCOLS[name], background)
    got = score(predictions, truths, name, background)
    np.testing.assert_allclose([*got.as_dict().values()], expected, rtol=0, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(sequences(labels=(0, 1)), sequences(labels=(0, 1)))
def test_counts_equal_the_plain_reference(prediction, truth):
    ((prediction, truth),) = trimmed([(prediction, truth)])
    predicted, true = runs(prediction.tolist()), runs(truth.tolist())
    expected = np.transpose([match(predicted, true, overlap) for overlap in OVERLAPS])
    np.testing.assert_array_equal(f1_counts([prediction], [truth]), expected)


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_long_sequences_equal_the_plain_reference(name):
    predictions, truths = random_pairs(seed=0, items=6, classes=12, runs=60)
    for truth in truths:
        truth[100:130] = -100
    expected = plain_scores(listed(predictions), listed(truths), PROTOCOLS[name], (3,))
    got = [*score(predictions, truths, name, (3,)).as_dict().values()]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)
    assert 5 < min(got) < max(got) < 95  # neither side is trivial


def test_overlaps_equal_the_whole_table():
    """The sweep over neighbours against the IoU of every pair of segments."""
    rng = np.random.default_rng(2)
    predicted, true = (find_segments(rng.integers(0, 3, 400), np.array([0, 90, 90, 250, 400])) for _ in range(2))
    one, other = (np.stack([r.starts, r.ends, r.labels, r.sequences])[:, :, None] for r in (predicted, true))
    other = other.transpose(0, 2, 1)
    inside = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    table = np.where(inside > 0, inside / (np.maximum(one[1], other[1]) - np.minimum(one[0], other[0])), 0)
    table *= (one[2:] == other[2:]).all(axis=0)
    best, iou = best_overlaps(predicted, true)
    np.testing.assert_array_equal(iou, table.max(axis=1))
    np.testing.assert_array_equal(best, np.where(table.max(axis=1) > 0, table.argmax(axis=1), -1))
