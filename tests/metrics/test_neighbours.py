"""Nearest neighbours and what is made of them, against loops."""

import numpy as np
import pytest

from viewloom.metrics import neighbours
from viewloom.metrics.alignment import blind_error, neighbour_errors, warping_errors, warping_path
from viewloom.metrics.frame_retrieval import LabelledSteps, average_precision, label_retrieval
from viewloom.metrics.kendall import kendall_tau, sequence_tau
from viewloom.metrics.neighbours import nearest
from viewloom.metrics.segments import IGNORE

RNG = np.random.default_rng(0)


def plain_nearest(query, gallery, k):
    rows = [sorted(range(len(gallery)), key=lambda m: (np.square(q - gallery[m]).sum(), m))[:k] for q in query]
    return np.array(rows)


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("block", [1, 100, 1 << 22])
def test_nearest_is_that_of_a_loop_in_blocks_of_any_size(k, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    query, gallery = RNG.normal(size=(23, 5)), RNG.normal(size=(17, 5))
    np.testing.assert_array_equal(nearest(query, gallery, k), plain_nearest(query, gallery, k))
    far = nearest(query + 1e7, gallery + 1e7, 1)
    np.testing.assert_array_equal(far, plain_nearest(query, gallery, 1))


def test_the_first_of_equals_is_nearest():
    gallery = np.repeat(RNG.normal(size=(4, 3)), 3, axis=0)
    np.testing.assert_array_equal(nearest(gallery[::3], gallery, 1)[:, 0], [0, 3, 6, 9])
    np.testing.assert_array_equal(nearest(gallery[::3], gallery, 3)[1], [3, 4, 5])


def plain_tau(places):
    pairs = [(i, j) for i in range(len(places)) for j in range(i + 1, len(places))]
    return sum(np.sign(places[j] - places[i]) for i, j in pairs) / len(pairs)


@pytest.mark.parametrize("most", [3, 10, 1000])
def test_tau_is_the_papers_formula_with_ties(most):
    for length in (2, 3, 40):
        places = RNG.integers(0, most, length)
        assert kendall_tau(places) == pytest.approx(plain_tau(places))


def test_tau_of_orders():
    order = np.arange(30)
    assert kendall_tau(order) == pytest.approx(1)
    assert kendall_tau(order[::-1]) == pytest.approx(-1)
    assert kendall_tau(np.zeros(30)) == 0
    assert np.isnan(kendall_tau(np.zeros(30), "released"))
    steps = np.repeat([3, 8], 15)
    assert kendall_tau(steps) == pytest.approx(225 / 435)
    assert kendall_tau(steps, "released") == pytest.approx(225 / np.sqrt(435 * 225))
    assert np.isnan(kendall_tau(np.arange(1)))
    z = np.cumsum(RNG.random((40, 3)), axis=0)
    assert sequence_tau(z, z[::2]) > 0.9
    assert sequence_tau(z, z[::-1]) == pytest.approx(-1)
    assert abs(sequence_tau(RNG.normal(size=(400, 4)), RNG.normal(size=(300, 4)))) < 0.15


def cheapest(cost, open_ends=False):
    """Dynamic programming, cell by cell."""
    total = np.full(cost.shape, np.inf)
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            ways = [total[i - a, j - b] for a, b in ((1, 1), (1, 0), (0, 1)) if i >= a and j >= b]
            total[i, j] = cost[i, j] + (min(ways) if ways and not (open_ends and i == 0) else 0)
    return total[-1].min() if open_ends else total[-1, -1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (9, 14), (20, 8)])
def test_warping_path_is_monotone_and_cheapest(shape):
    cost = RNG.random(shape)
    path = warping_path(cost)
    assert tuple(path[0]) == (0, 0) and tuple(path[-1]) == (shape[0] - 1, shape[1] - 1)
    moves = {tuple(move) for move in np.diff(path, axis=0)}
    assert moves <= {(1, 1), (1, 0), (0, 1)}
    assert cost[path[:, 0], path[:, 1]].sum() == pytest.approx(cheapest(cost))
    placed = warping_path(cost, open_ends=True)
    assert (placed[0, 0], placed[-1, 0]) == (0, shape[0] - 1)
    assert {tuple(move) for move in np.diff(placed, axis=0)} <= {(1, 1), (1, 0), (0, 1)}
    assert cost[placed[:, 0], placed[:, 1]].sum() == pytest.approx(cheapest(cost, open_ends=True))


def test_alignment_errors():
    z, times = np.cumsum(RNG.random((30, 4)), axis=0), np.arange(30) * 5
    assert neighbour_errors(nearest(z, z)[:, 0], times, times).max() == 0
    assert warping_errors(z, z, times, times).max() == 0
    late = nearest(z[1:], z[:-1])[:, 0]
    assert set(neighbour_errors(late, times[:-1], times[:-1])[:-1].tolist()) == {5}
    assert warping_errors(z[7:20], z, times[7:20], times).max() == 0
    blind = [
        warping_errors(RNG.normal(size=(10, 4)), RNG.normal(size=(30, 4)), times[10:20], times).mean()
        for _ in range(30)
    ]
    assert np.mean(blind) > 15, "what says nothing isn't placed right by being synchronised"


def test_blind_error_is_the_mean_over_all_pairs():
    one, other = np.sort(RNG.integers(0, 99, 12)), np.sort(RNG.integers(0, 99, 7))
    assert blind_error(one, other) == pytest.approx(np.abs(one[:, None] - other).mean())


def plain_retrieval(query, gallery, k):
    """Query by query, as AE2 defines it."""
    first, aps = [], []
    for z, label, recording in zip(query.z_NZ, query.labels_N, query.recordings_N, strict=True):
        there = (gallery.recordings_N != recording) & (gallery.labels_N != IGNORE)
        if label == IGNORE or label not in gallery.labels_N[there]:
            continue
        order = np.argsort(np.square(gallery.z_NZ[there] - z).sum(axis=1))
        right = (gallery.labels_N[there][order] == label)[:k]
        precisions = [right[: j + 1].mean() for j in range(len(right)) if right[j]]
        aps.append(np.mean(precisions) if precisions else 0.0)
        first.append(right[0])
    return np.mean(first), np.mean(aps), len(first)


def steps(count, noise, classes=5):
    labels = RNG.integers(0, classes, count)
    z = np.eye(classes)[labels] + noise * RNG.normal(size=(count, classes))
    return LabelledSteps(z, np.where(RNG.random(count) < 0.1, IGNORE, labels), RNG.integers(0, 4, count))


@pytest.mark.parametrize("k", [1, 5, 500])
def test_label_retrieval_against_a_loop(k):
    query, gallery = steps(80, 0.6), steps(90, 0.6)
    found = label_retrieval(query, gallery, [k])
    first, ap, count = plain_retrieval(query, gallery, k)
    assert (found.recall_1, found.mean_ap[k], found.queries) == (pytest.approx(first), pytest.approx(ap), count)
    assert 0.2 < ap < 1


def test_label_retrieval_of_the_same_features_and_of_none():
    query = steps(200, 0.0)
    found = label_retrieval(query, query)
    assert found.recall_1 == 1 and set(found.mean_ap.values()) == {1.0}
    blind = [steps(400, 0.0) for _ in range(2)]
    blind = [LabelledSteps(RNG.normal(size=(400, 5)), one.labels_N, one.recordings_N) for one in blind]
    lost = label_retrieval(*blind)
    assert lost.recall_1 == pytest.approx(lost.chance, abs=0.07) and lost.chance == pytest.approx(0.2, abs=0.02)


def test_a_query_never_finds_its_own_recording():
    one = LabelledSteps(RNG.normal(size=(9, 2)), np.zeros(9, int), np.zeros(9, int))
    assert label_retrieval(one, one) is None
    labels, recordings = np.array([0, 0, 1, 0]), np.array([0, 1, 0, 1])
    some = LabelledSteps(RNG.normal(size=(4, 2)), labels, recordings)
    assert label_retrieval(some, some).queries == 3, "a label of one recording alone can't be found"


def test_average_precision():
    ranked = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]], bool)
    expected = [(1 + 2 / 3) / 2, 0, (1 / 2 + 2 / 3 + 3 / 4) / 3, 1]
    np.testing.assert_allclose(average_precision(ranked), expected)
