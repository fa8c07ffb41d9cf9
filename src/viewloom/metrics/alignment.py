"""Alignment error: how far from the truth a step of one view lands in another view of the same recording.

AE2 (Xue and Grauman, NeurIPS 2023) aligns by nearest neighbours and by dynamic time warping (Sakoe and Chiba, IEEE
Trans. ASSP 26, 1978). Here the views are synchronised, so that the truth is the step at the same time.
"""

import numpy as np
from numpy.typing import NDArray

from viewloom.metrics.invariance import Features
from viewloom.metrics.segments import Floats, Ints

BEGIN = 3
"""Move that stands for none: the path begins here."""


def neighbour_errors(found_N: Ints, times_N: Ints, times_M: Ints) -> Ints:
    """Distance in time between each step and its nearest neighbour.

    Args:
        found_N: place of each step's neighbour among the M steps of the other view.
        times_N: time of each step (frames, or any unit), ascending.
        times_M: time of each step of the other view.

    Returns:
        (N,) in that unit.
    """
    errors_N: Ints = np.abs(np.asarray(times_M)[found_N] - np.asarray(times_N))
    return errors_N


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
    one_NZ, other_MZ = np.asarray(one_NZ, np.float64), np.asarray(other_MZ, np.float64)
    origin_Z = other_MZ.mean(axis=0)  # near the origin less is lost to rounding
    one_NZ, other_MZ = one_NZ - origin_Z, other_MZ - origin_Z
    squares_NM = np.square(one_NZ).sum(axis=1)[:, None] + np.square(other_MZ).sum(axis=1) - 2 * one_NZ @ other_MZ.T
    found: Floats = np.sqrt(squares_NM.clip(min=0))
    return found


def warping_path(cost_NM: Floats, open_ends: bool = False) -> Ints:
    """The cheapest monotone path through two sequences, (P, 2): places in the first and in the second.

    Moves are one step on in both, in the first alone, or in the second alone; all cost what the cell costs that they
    lead to. Of moves as cheap, the one in both, then the one in the first, is taken.

    Args:
        cost_NM: cost of each cell.
        open_ends: the first sequence is a stretch of the second, which may begin and end anywhere in it (subsequence
            DTW: Müller, Information Retrieval for Music and Motion, 2007, section 4.4); else both begin and end
            together.
    """
    rows, columns = cost_NM.shape
    moves_NM: NDArray[np.int8] = np.zeros((rows, columns), np.int8)
    ends_M = np.full(columns, np.inf)  # cost of the path to each cell of the last row
    last_N, before_N = np.full(rows + 1, np.inf), np.full(rows + 1, np.inf)  # at place i + 1; before the first: none
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        begins_I = np.where((i == 0) & (open_ends or diagonal == 0), 0.0, np.inf)
        ways_4I = np.stack([before_N[i], last_N[i], last_N[i + 1], begins_I])
        moves_NM[i, diagonal - i] = ways_4I.argmin(axis=0)
        before_N, last_N = last_N, np.full(rows + 1, np.inf)
        last_N[i + 1] = ways_4I.min(axis=0) + cost_NM[i, diagonal - i]
        if i[-1] == rows - 1:
            ends_M[diagonal - rows + 1] = last_N[rows]
    return _walk_back(moves_NM, int(ends_M.argmin()) if open_ends else columns - 1)


def _walk_back(moves_NM: NDArray[np.int8], end: int) -> Ints:
    """The path that the moves to each cell describe, from a cell of the last row back to where it begins."""
    i, j = len(moves_NM) - 1, end
    path = [(i, j)]
    while (move := moves_NM[i, j]) != BEGIN:
        i, j = i - (move != 2), j - (move != 1)
        path.append((i, j))
    return np.array(path[::-1], np.int64)


def warping_errors(one_NZ: Features, other_MZ: Features, times_N: Ints, times_M: Ints) -> Ints:
    """Distance in time between the two steps of every cell of the path that places a stretch in a sequence, (P,).

    Two whole synchronised sequences wouldn't do: where features say nothing, the path is the diagonal, which is right.

    Args:
        one_NZ: steps of a stretch of one view.
        other_MZ: steps of the other view, before and behind it too.
        times_N: time of each step of the stretch.
        times_M: time of each step of the other view.
    """
    path_P2 = warping_path(distances(one_NZ, other_MZ), open_ends=True)
    found_P: Ints = np.abs(np.asarray(times_N)[path_P2[:, 0]] - np.asarray(times_M)[path_P2[:, 1]])
    return found_P
