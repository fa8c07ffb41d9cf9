"""Decoding within bounds of durations against slow plain references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parity.reference_durations import allowed, by_every_duration, by_trying_all
from viewloom.training.bounded import bounded_labels


def draw(rng, steps, classes, longest, sharp=2.0):
    """Log-probabilities, and bounds up to a duration."""
    logits_SK = sharp * rng.normal(size=(steps, classes))
    logp_SK = logits_SK - np.log(np.exp(logits_SK).sum(axis=1, keepdims=True))
    shortest_K = rng.integers(1, longest + 1, classes)
    return logp_SK, shortest_K, shortest_K + rng.integers(0, longest - shortest_K + 1)


def score(logp_SK, labels_S):
    return logp_SK[np.arange(len(labels_S)), labels_S].sum()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8), classes=st.integers(2, 3), longest=st.integers(1, 9))
def test_it_is_the_best_of_all_labellings(seed, steps, classes, longest):
    logp_SK, *bounds = draw(np.random.default_rng(seed), steps, classes, longest)
    labels_S = bounded_labels(logp_SK, *bounds)
    assert allowed(labels_S.tolist(), *bounds)
    assert score(logp_SK, labels_S) == pytest.approx(by_trying_all(logp_SK.tolist(), *bounds), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 70), classes=st.integers(2, 6), longest=st.integers(1, 60))
def test_it_is_what_every_duration_gives(seed, steps, classes, longest):
    """Windows of many widths, with starts far back."""
    rng = np.random.default_rng(seed)
    logp_SK, *bounds = draw(rng, steps, classes, longest)
    logp_SK = np.repeat(logp_SK, rng.integers(1, 4), axis=0)  # runs, as a head gives
    labels_S = bounded_labels(logp_SK, *bounds)
    assert allowed(labels_S.tolist(), *bounds)
    expected = by_every_duration(logp_SK.tolist(), *(each.tolist() for each in bounds))
    assert score(logp_SK, labels_S) == pytest.approx(expected, abs=1e-9)
