"""Kendall's tau: do the nearest neighbours of one sequence's steps in another come in the same order?

Dwibedi et al., "Temporal Cycle-Consistency Learning" (CVPR 2019), section 4.2; so used by AE2 (Xue and Grauman, NeurIPS
2023): for all pairs of steps i < j of one sequence, whose nearest neighbours in the other are p and q, tau is the
number of pairs with p < q less that of pairs with p > q, over the number of all pairs. 1: the same order; 0: none; -1:
reversed.
"""

from typing import Literal

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.neighbours import nearest
from viewloom.metrics.segments import Ints

Ties = Literal["formula", "released"]


def kendall_tau(places_N: Ints, ties: Ties = "formula") -> float:
    """Tau of the places of consecutive steps' neighbours, in O(N log N).

    Args:
        places_N: where the neighbour of each step lies.
        ties: two steps with one neighbour are neither concordant nor discordant. ``formula``: they count among all
            pairs, as printed in the paper, so that one neighbour for all gives 0. ``released``: they are taken out of
            one factor of the denominator (tau-b of Kendall, 1945), as the released code of both papers has it through
            scipy.stats.kendalltau: a few neighbours in the right order then give 1.

    Returns:
        From -1 to 1; NaN for fewer than two steps, and with ``released`` where all have one neighbour.
    """
    from scipy.stats import kendalltau

    places_N = np.asarray(places_N)
    count = len(places_N)
    if count < 2:
        return np.nan
    times_U = np.unique(places_N, return_counts=True)[1].astype(np.float64)
    pairs = count * (count - 1) / 2
    untied = pairs - float((times_U * (times_U - 1)).sum()) / 2
    if untied == 0:
        return 0.0 if ties == "formula" else np.nan
    tau_b = float(kendalltau(np.arange(count), places_N).statistic)
    return tau_b if ties == "released" else tau_b * float(np.sqrt(untied / pairs))


def sequence_tau(query_NZ: Features, other_MZ: Features, ties: Ties = "formula") -> float:
    """`kendall_tau` of a sequence's nearest neighbours in another; it isn't symmetric.

    Args:
        query_NZ: N steps in order.
        other_MZ: M steps in order, the gallery.
        ties: see `kendall_tau`.
    """
    return kendall_tau(nearest(query_NZ, other_MZ)[:, 0], ties)
