"""How well would labels of one view carry over to another? Measured without a single label.

Labels are stood in for by clusters of plain features of the view that is to be segmented, smoothed over time, as
actions last: things that this view can tell apart. A step of the view is told by its nearest neighbours among
the refined features of *another* view, at moments of known cluster, on pairs to learn from; it is scored on held-out
pairs. A refiner that loses what the views share has wrong neighbours, one that keeps the views apart has none in the
other view: both score low. Cluster targets are those of Caron et al., "Deep Clustering for
Unsupervised Learning of Visual Features" (ECCV 2018); to train on one view and score on the other is what the pairs are
for. Clusters of the view learned in were tried first, and told less (docs/log.md).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.ndimage import uniform_filter1d

from viewloom.metrics.linear_probe import balanced_accuracy
from viewloom.metrics.neighbours import nearest

Floats = NDArray[np.floating]
Ids = NDArray[np.int64]

CLUSTERS = 24
"""Clusters of a view's features, fewer where steps are few."""
STEPS_A_CLUSTER = 20
"""Steps that a cluster has on average, at least."""
COMPONENTS = 32
"""Principal components that clusters are sought in."""
NEIGHBOURS = 15
"""Steps that vote for the cluster of another one."""
MOST_STEPS = 20000
"""Steps that neighbours are sought among, at most."""


def smoothed(x_TD: Floats, mask_T: NDArray[np.bool_], steps: int) -> NDArray[np.float64]:
    """Each step's mean with its neighbours, ``steps`` in all (odd, or one more is taken), as far as they are there.

    Args:
        x_TD: features.
        mask_T: True where a step is there; what stands at others is never used, and they come out as zeros.
        steps: how many.
    """
    size = max(1, steps // 2 * 2 + 1)
    kept_TD = np.where(mask_T[:, None], np.asarray(x_TD, np.float64), 0.0)
    sums_TD, shares_T = (uniform_filter1d(x, size, axis=0, mode="constant") for x in (kept_TD, mask_T.astype(float)))
    return np.where(mask_T[:, None], sums_TD / np.where(mask_T, shares_T, 1.0)[:, None], 0.0)


def cluster_ids(learn_ND: Floats, held_MD: Floats, seed: int = 0) -> tuple[Ids, Ids]:
    """Clusters of steps to learn from, and of held-out ones by the same centres.

    Args:
        learn_ND: plain features of steps to learn from, smoothed.
        held_MD: the same of held-out steps.
        seed: of the first centres.

    Returns:
        Cluster of each step, (N,) and (M,).
    """
    learn_NP, held_MP = _principal(np.asarray(learn_ND, np.float64), np.asarray(held_MD, np.float64))
    count = max(2, min(CLUSTERS, len(learn_NP) // STEPS_A_CLUSTER))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty clusters, which steps that are all alike leave: nobody misses them
        centres_KP, ids_N = kmeans2(learn_NP, count, iter=20, minit="++", rng=np.random.default_rng(seed))
    distances_MK = np.square(centres_KP).sum(axis=1) - 2 * held_MP @ centres_KP.T
    return ids_N.astype(np.int64), distances_MK.argmin(axis=1).astype(np.int64)


def _principal(learn_ND: NDArray[np.float64], held_MD: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Standardised features on the principal components of those to learn from."""
    mean_D, deviation_D = learn_ND.mean(axis=0), learn_ND.std(axis=0)
    scale_D = np.where(deviation_D > 0, deviation_D, 1.0)
    learn_ND, held_MD = (learn_ND - mean_D) / scale_D, (held_MD - mean_D) / scale_D
    if learn_ND.shape[1] <= COMPONENTS:
        return learn_ND, held_MD
    values_D, vectors_DD = np.linalg.eigh(learn_ND.T @ learn_ND)
    basis_DP = vectors_DD[:, np.argsort(values_D)[::-1][:COMPONENTS]]
    return learn_ND @ basis_DP, held_MD @ basis_DP


def told_by_neighbours(z_NZ: Floats, ids_N: Ids, z_MZ: Floats, classes: int) -> Ids:
    """The class (M,) that most of a step's `NEIGHBOURS` nearest neighbours are of, every class weighing the same.

    No map is learned, so what a classifier could make of the features, such as a curved expansion offers to a linear
    one, gives no method an advantage (Fix and Hodges, "Discriminatory Analysis", 1951).

    Args:
        z_NZ: refined features of steps of known class; evenly spaced ones where they are more than `MOST_STEPS`.
        ids_N: their classes.
        z_MZ: refined features of the steps to tell.
        classes: number of classes K.
    """
    every = -(-len(z_NZ) // MOST_STEPS)
    z_NZ, ids_N = np.asarray(z_NZ, np.float64)[::every], ids_N[::every]
    voters_MC = ids_N[nearest(np.asarray(z_MZ, np.float64), z_NZ, NEIGHBOURS)]
    weight_K = 1.0 / np.bincount(ids_N, minlength=classes).clip(min=1)
    votes_MK = np.zeros((len(z_MZ), classes))
    np.add.at(votes_MK, (np.arange(len(z_MZ))[:, None], voters_MC), weight_K[voters_MC])
    return np.asarray(votes_MK.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class Told:
    """Clusters of held-out steps, and what a classifier that learned in one view takes them for.

    Attributes:
        truth_M: cluster of each step.
        other_M: what it is taken for in the view that the clusters are of.
        own_M: what it is taken for in the view that the classifier learned in.
    """

    truth_M: Ids
    other_M: Ids
    own_M: Ids

    @property
    def transfer(self) -> float:
        """Balanced accuracy in the view that the clusters are of, from 0 to 1."""
        return balanced_accuracy(self.other_M, self.truth_M)

    @property
    def own(self) -> float:
        """Balanced accuracy in the view that the classifier learned in."""
        return balanced_accuracy(self.own_M, self.truth_M)

    @property
    def chance(self) -> float:
        """Balanced accuracy of blind guesses: all of it where the steps are of one cluster alone."""
        return 1 / max(1, len(np.unique(self.truth_M)))

    def without_each(self, blocks: int) -> NDArray[np.float64]:
        """``transfer`` (G,) without each of some equal stretches of the steps, in their order."""
        classes, block_M = int(self.truth_M.max()) + 1, stretches_of(len(self.truth_M), blocks)
        at_M, size = block_M * classes + self.truth_M, blocks * classes
        hits_GK, steps_GK = (
            np.bincount(at_M, counted, size).reshape(blocks, classes)
            for counted in (self.other_M == self.truth_M, None)
        )
        hits_GK, steps_GK = hits_GK.sum(axis=0) - hits_GK, steps_GK.sum(axis=0) - steps_GK
        there_GK = steps_GK > 0
        recalls_GK = np.where(there_GK, hits_GK / np.where(there_GK, steps_GK, 1), 0.0)
        return np.asarray(recalls_GK.sum(axis=1) / there_GK.sum(axis=1).clip(min=1), np.float64)


def stretches_of(steps: int, blocks: int) -> Ids:
    """Number of the stretch that each step is in, (steps,)."""
    return np.asarray(np.arange(steps) * blocks // max(1, steps), np.int64)


def surrogate_transfer(
    learn_ND: Floats, held_MD: Floats, learn_NZ: Floats, held_own_MZ: Floats, held_other_MZ: Floats, seed: int = 0
) -> Told:
    """How well clusters of a view are told from its refined features by what was learned in another view.

    Args:
        learn_ND: plain features of the view, smoothed, of steps to learn from.
        held_MD: the same of held-out steps.
        learn_NZ: refined features of the other view, which is learned in, at the steps to learn from.
        held_own_MZ: the same at the held-out steps.
        held_other_MZ: refined features of the view itself at the held-out steps.
        seed: of the clusters.
    """
    ids_N, ids_M = cluster_ids(learn_ND, held_MD, seed)
    classes = int(max(ids_N.max(), ids_M.max())) + 1
    there = np.unique(ids_N)  # k-means may leave a cluster empty
    renamed = np.full(classes, -1, np.int64)
    renamed[there] = np.arange(len(there))
    truth_M = renamed[ids_M]
    kept_M = truth_M >= 0
    guesses = [told_by_neighbours(learn_NZ, renamed[ids_N], z_MZ, len(there)) for z_MZ in (held_other_MZ, held_own_MZ)]
    return Told(truth_M[kept_M], *(guess_M[kept_M] for guess_M in guesses))


def mean_over_pairs(values: Sequence[float]) -> float:
    """Their mean; NaN of none."""
    return float(np.mean(values)) if values else float("nan")
