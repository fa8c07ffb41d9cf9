"""Alignment error: how far from the truth a step of one view lands in another view of the same recording.

AE2 (Xue and Grauman, NeurIPS 2023) aligns by nearest neighbours and by dynamic time warping (Sakoe and Chiba, IEEE
Trans. ASSP 26, 1978). Here the views are synchronised, so that the truth is the step at the same time.
"""

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.segments import Floats, Ints


def neighbour_errors(found_N: Ints, times_N: Ints, times_M: Ints) -> Ints:
    """Distance in time between each step and its nearest neighbour.

    Args:
        found_N: place of each step's neighbour among the M steps of the other view.
        times_N: time of each step (frames, or any unit), ascending.
        times_M: time of each step of the other view.

    Returns:
        (N,) in that unit.
    """
    return np.abs(np.asarray(times_M)[found_N] - np.asarray(times_N))


def blind_error(times_N: Ints, times_M: Ints) -> float:
    """Mean of `neighbour_errors` where every neighbour is drawn blindly."""
    times_M = np.sort(np.asarray(times_M, np.float64))
    sums_M = np.concatenate([[0.0], np.cumsum(times_M)])
    below_N = np.searchsorted(times_M, times_N)
    # Sum over m of |t - t_m|: those before it, and those behind it.
    before_N = below_N * np.asarray(times_N) - sums_M[below_N]
    behind_N = sums_M[-1] - sums_M[below_N] - (len(times_M) - below_N) * np.asarray(times_N)
    return float((before_N + behind_N).mean() / len(times_M))


def distances(one_NZ: Features, other_MZ: Features) -> Floats:
    """Euclidean distances (N, M)."""
    from scipy.spatial.distance import cdist

    found: Floats = cdist(np.asarray(one_NZ, np.float64), np.asarray(other_MZ, np.float64))
    return found


def warping_path(cost_NM: Floats) -> Ints:
    """The cheapest monotone path from the first steps of two sequences to their last ones, (P, 2).

    Moves are one step on in both, in the first alone, or in the second alone; all cost what the cell costs that they
    lead to. Of moves as cheap, the one in both, then the one in the first, is taken.
    """
    rows, columns = cost_NM.shape
    moves_NM = np.zeros((rows, columns), np.int8)
    last_N, before_N = np.full(rows + 1, np.inf), np.full(rows + 1, np.inf)  # at place i + 1; before the first: none
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        ways_3I = np.stack([before_N[i], last_N[i], last_N[i + 1]])
        best_I = ways_3I.argmin(axis=0)
        cheapest_I = ways_3I.min(axis=0) if diagonal else np.zeros(1)
        moves_NM[i, diagonal - i] = best_I
        before_N, last_N = last_N, np.full(rows + 1, np.inf)
        last_N[i + 1] = cheapest_I + cost_NM[i, diagonal - i]
    return _walk_back(moves_NM)


def _walk_back(moves_NM: Ints) -> Ints:
    """The path that the moves to each cell describe, from its end."""
    i, j = moves_NM.shape[0] - 1, moves_NM.shape[1] - 1
    path = [(i, j)]
    while i or j:
        move = 2 if i == 0 else 1 if j == 0 else moves_NM[i, j]
        i, j = i - (move != 2), j - (move != 1)
        path.append((i, j))
    return np.array(path[::-1], np.int64)


def warping_errors(one_NZ: Features, other_MZ: Features, times_N: Ints, times_M: Ints) -> Ints:
    """Distance in time between the two steps of every cell of the warping path, (P,)."""
    path_P2 = warping_path(distances(one_NZ, other_MZ))
    return np.abs(np.asarray(times_N)[path_P2[:, 0]] - np.asarray(times_M)[path_P2[:, 1]])
