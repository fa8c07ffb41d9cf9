"""One temperature: what it does to probabilities, and that the likeliest one is found."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from viewloom.errors import ConfigError, DataError
from viewloom.metrics.segments import IGNORE
from viewloom.metrics.temperature import HIGHEST, LOWEST, LabelledRuns, at_temperature, fit_temperature

temperatures = st.floats(0.1, 10.0)
seeds = st.integers(0, 10_000)


def drawn(seed, frames=300, classes=5, true_temperature=1.0, scale=2.0):
    """Logits, and labels drawn with their probabilities at a temperature."""
    rng = np.random.default_rng(seed)
    logits_NK = scale * rng.normal(size=(frames, classes))
    at_N = rng.random(frames)
    labels_N = (softmax(logits_NK / true_temperature, axis=1).cumsum(axis=1) < at_N[:, None]).sum(axis=1)
    return logits_NK, np.minimum(labels_N, classes - 1)


@given(seed=seeds, temperature=temperatures)
def test_of_a_softmax_it_is_logits_divided_by_the_temperature(seed, temperature):
    logits_NK, _ = drawn(seed, 20)
    found = at_temperature(softmax(logits_NK, axis=1), temperature)
    np.testing.assert_allclose(found, softmax(logits_NK / temperature, axis=1), atol=1e-9)


@given(seed=seeds, temperature=temperatures)
def test_no_class_overtakes_another(seed, temperature):
    probs_NK = softmax(drawn(seed, 50)[0], axis=1)
    order = np.argsort(probs_NK, axis=1)
    scaled = np.take_along_axis(at_temperature(probs_NK, temperature), order, axis=1)
    assert (np.diff(scaled, axis=1) >= 0).all()
    np.testing.assert_allclose(scaled.sum(axis=1), 1.0)


def test_temperature_one_leaves_the_numbers_alone_and_others_are_refused():
    probs_NK = np.array([[0.7, 0.3, 0.0]], np.float32)
    assert (at_temperature(probs_NK, 1.0) == probs_NK).all()
    assert np.isfinite(at_temperature(probs_NK, 10.0)).all()
    for wrong in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="above 0"):
            at_temperature(probs_NK, wrong)


def test_the_likelihood_of_runs_is_that_of_their_frames_one_by_one():
    rng = np.random.default_rng(3)
    probs_RK = rng.dirichlet(np.full(4, 0.4), 12).astype(np.float32)
    probs_RK[2, 1] = 0.0
    probs_TK = np.repeat(probs_RK, rng.integers(1, 9, 12), axis=0)
    labels_T = rng.integers(0, 4, len(probs_TK))
    labels_T[rng.random(len(labels_T)) < 0.3] = IGNORE
    runs = LabelledRuns.of_frames(probs_TK, labels_T)
    assert len(runs.logs_RK) <= 12
    assert runs.frames == (labels_T != IGNORE).sum()
    for temperature in (0.3, 1.0, 4.0):
        losses = []
        for p_K, label in zip(probs_TK, labels_T, strict=True):
            if label == IGNORE:
                continue
            logs = [math.log(max(float(p), float(np.finfo(np.float32).tiny))) / temperature for p in p_K]
            losses.append(math.log(sum(math.exp(log) for log in logs)) - logs[label])
        assert runs.log_loss(temperature) == pytest.approx(sum(losses) / len(losses))
    halves = [LabelledRuns.of_frames(probs_TK[at], labels_T[at]) for at in (slice(0, 7), slice(7, None))]
    assert LabelledRuns.joined(halves).log_loss(2.0) == pytest.approx(runs.log_loss(2.0))


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_at_is_found(true_temperature):
    logits_NK, labels_N = drawn(1, 20_000, true_temperature=true_temperature)
    runs = LabelledRuns.of_frames(softmax(logits_NK, axis=1).astype(np.float32), labels_N)
    assert fit_temperature(runs) == pytest.approx(true_temperature, rel=0.04)


@given(seed=seeds, true_temperature=temperatures)
def test_no_temperature_on_a_grid_has_a_lower_loss(seed, true_temperature):
    logits_NK, labels_N = drawn(seed, 60, true_temperature=true_temperature)
    runs = LabelledRuns.of_frames(softmax(logits_NK, axis=1), labels_N)
    found = fit_temperature(runs)
    assert LOWEST <= found <= HIGHEST
    grid = np.geomspace(LOWEST, HIGHEST, 300)
    least = min(map(runs.log_loss, grid))
    assert runs.log_loss(found) <= least + 1e-6
    assert runs.log_loss(found) <= runs.log_loss(1.0)


def test_labels_that_are_always_right_stop_at_the_limit_and_none_are_refused():
    probs_NK = np.full((6, 2), [0.8, 0.2], np.float32)
    assert fit_temperature(LabelledRuns.of_frames(probs_NK, np.zeros(6, np.int64))) == LOWEST
    assert fit_temperature(LabelledRuns.of_frames(probs_NK, np.ones(6, np.int64))) == HIGHEST
    with pytest.raises(DataError, match="no labelled frame"):
        fit_temperature(LabelledRuns.of_frames(probs_NK, np.full(6, IGNORE)))
