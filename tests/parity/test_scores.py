"""Fast scores against the plain reference, under every protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import score

from .reference_scores import plain_scores


@st.composite
def sequences(draw, same_length=True):
    """A few pairs of label sequences made of runs, with unlabelled stretches in the truth."""
    pairs = []
    for _ in range(draw(st.integers(1, 4))):
        both = []
        for labels in ([0, 1, 2, 3], [0, 1, 2, 3, -100]):
            pieces = draw(st.lists(st.tuples(st.sampled_from(labels), st.integers(1, 6)), max_size=8))
            both.append([label for label, length in pieces for _ in range(length)])
        if same_length:
            shorter = min(map(len, both))
            both = [sequence[:shorter] for sequence in both]
        pairs.append(both)
    return pairs


@pytest.mark.parametrize("name", list(PROTOCOLS))
@pytest.mark.parametrize("background", [(), (0,), (1, 3)])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_protocol_equals_the_plain_reference(name, background, data):
    pairs = data.draw(sequences(same_length=PROTOCOLS[name].truth == "whole"))
    predictions, truths = [p for p, _ in pairs], [t for _, t in pairs]
    arrays = [[np.array(sequence, np.int64) for sequence in side] for side in (predictions, truths)]
    expected = plain_scores(predictions, truths, PROTOCOLS[name], background)
    got = score(*arrays, protocol=name, background=background)
    np.testing.assert_allclose([*got.as_dict().values()], expected, rtol=0, atol=1e-9)


def test_long_realistic_sequences_equal_the_plain_reference():
    rng = np.random.default_rng(0)
    truths = [np.repeat(rng.integers(0, 24, 60), rng.integers(5, 60, 60)) for _ in range(5)]
    predictions = [np.where(rng.random(len(t)) < 0.02, rng.integers(0, 24, len(t)), np.roll(t, 7)) for t in truths]
    expected = plain_scores(
        [p.tolist() for p in predictions], [t.tolist() for t in truths], PROTOCOLS["canonical"]
    )
    got = score(predictions, truths)
    np.testing.assert_allclose([*got.as_dict().values()], expected, rtol=0, atol=1e-9)
