"""Scores where a frame may have several classes, against plain ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from viewloom.errors import DataError
from viewloom.metrics.detection import OVERLAPS, detection_aps
from viewloom.metrics.multilabel import NAMES, SUMMED, TITLES, ClassResult, frame_scores, score_classes
from viewloom.metrics.segments import IGNORE

K, ACTIONS = 3, ("a", "b", "c")


def drawn(seed, frames=40, ignored=0.2):
    rng = np.random.default_rng(seed)
    probs_TK = np.repeat(rng.random((frames // 2, K)).round(1).astype(np.float32), 2, axis=0)
    classes_TK = np.repeat((rng.random((frames // 4, K)) < 0.4).astype(np.int8), 4, axis=0)
    classes_TK[rng.random(frames) < ignored] = IGNORE
    return probs_TK, classes_TK


@given(seed=st.integers(0, 500), threshold=st.sampled_from([0.3, 0.5]))
def test_frames_score_as_scikit_learn_says(seed, threshold):
    made = [drawn(seed + place, frames) for place, frames in enumerate((40, 20, 8))]
    results = [ClassResult.of_frames(*one, threshold) for one in made]
    found = score_classes(results, ACTIONS, threshold)
    probs_NK, true_NK = (np.concatenate(side) for side in zip(*made, strict=True))
    kept = (true_NK != IGNORE).all(axis=1)
    said_NK, probs_NK, true_NK = probs_NK[kept] >= np.float32(threshold), probs_NK[kept], true_NK[kept] == 1
    assert found.scores["f1_micro"] == pytest.approx(100 * f1_score(true_NK, said_NK, average="micro"))
    assert found.scores["f1_macro"] == pytest.approx(100 * f1_score(true_NK, said_NK, average="macro"))
    there = true_NK.any(axis=0)
    wanted = [average_precision_score(true_NK[:, k], probs_NK[:, k]) for k in np.flatnonzero(there)]
    assert found.scores["frame_map"] == pytest.approx(100 * np.mean(wanted))
    for row in found.per_class:
        k = ACTIONS.index(row.action)
        assert row.frames == true_NK[:, k].sum()
        assert row.f1 == pytest.approx(100 * f1_score(true_NK[:, k], said_NK[:, k]))


def test_detection_beside_it_and_the_total():
    results = [ClassResult.of_frames(*drawn(seed), 0.5) for seed in range(3)]
    scores = score_classes(results, ACTIONS, 0.5).scores
    assert set(scores) == {*NAMES, "total"} == set(TITLES)
    aps = 100 * detection_aps([one.predicted for one in results], [one.true for one in results], K)
    for overlap, row in zip(OVERLAPS, aps, strict=True):
        assert scores[f"map_{round(100 * overlap)}"] == pytest.approx(row.mean())
    assert scores["map"] == pytest.approx(aps.mean())
    assert scores["total"] == pytest.approx(sum(scores[name] for name in SUMMED))
    assert scores["map_10"] >= scores["map_50"]


def test_perfect_and_nothing():
    _, classes_TK = drawn(1, ignored=0.0)
    right = score_classes([ClassResult.of_frames(classes_TK.astype(np.float32), classes_TK, 0.5)], ACTIONS, 0.5)
    assert set(right.scores.values()) == {100.0, 400.0}
    silent = ClassResult.of_frames(np.zeros((9, K), np.float32), np.zeros((9, K), np.int8), 0.5)
    assert set(score_classes([silent], ACTIONS, 0.5).scores.values()) == {100.0, 400.0}
    loud = ClassResult.of_frames(np.ones((9, K), np.float32), np.zeros((9, K), np.int8), 0.5)
    scores = score_classes([loud], ACTIONS, 0.5).scores
    assert (scores["f1_micro"], scores["f1_macro"], scores["map"]) == (0, 0, 0)
    assert score_classes([], ACTIONS, 0.5).scores["total"] == 400


def test_what_is_said_where_nobody_says_the_truth_counts_for_nothing():
    probs_TK, classes_TK = drawn(5, ignored=0.3)
    other_TK = probs_TK.copy()
    other_TK[(classes_TK == IGNORE).any(axis=1)] = 1 - probs_TK[(classes_TK == IGNORE).any(axis=1)]
    results = [ClassResult.of_frames(probs, classes_TK, 0.5) for probs in (probs_TK, other_TK)]
    one, other = (score_classes([result], ACTIONS, 0.5) for result in results)
    assert one.scores == other.scores and one.per_class == other.per_class


def test_one_item_alone():
    result = ClassResult.of_frames(*drawn(3), 0.5)
    scores = score_classes([result], ACTIONS, 0.5).scores
    assert frame_scores(result, 0.5) == {name: scores[name] for name in ("f1_micro", "f1_macro")}


def test_runs_keep_all_frames():
    probs_TK, classes_TK = drawn(7, 400, ignored=0.1)
    result = ClassResult.of_frames(probs_TK, classes_TK, 0.5)
    assert result.frames_R.sum() == (classes_TK != IGNORE).all(axis=1).sum() and len(result.frames_R) < 400


def test_other_shapes_are_refused():
    with pytest.raises(DataError, match="one shape"):
        ClassResult.of_frames(np.zeros((5, 3), np.float32), np.zeros((5, 2), np.int8), 0.5)
