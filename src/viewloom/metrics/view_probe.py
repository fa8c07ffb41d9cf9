"""How well a linear probe still tells which view a step is of; chance is 1/V.

Where views agree there is nothing to tell them by. So classifiers of the domain measure a shift between domains
(Ben-David et al., "A theory of learning from different domains", Machine Learning 79, 2010).
"""

from collections.abc import Sequence

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.linear_probe import DEFAULT_PENALTY, balanced_accuracy, fit_probe, half_of, one_hot
from viewloom.metrics.segments import Ints


def view_probe(z_of_views: Sequence[Features], recordings_of_views: Sequence[Ints]) -> float:
    """Balanced accuracy of telling V views apart, from 0 to 1, on recordings that the probe hasn't seen.

    Every other recording trains the probe, whose penalty is fixed (`DEFAULT_PENALTY`), and the others test it, and the
    other way round; the mean of both. A single recording is cut in halves, the earlier and the later one.

    Args:
        z_of_views: features (N_v, Z) of each view, steps in order of time.
        recordings_of_views: the recording of each step (N_v,).
    """
    z_NZ = np.concatenate([np.asarray(z_NZ, np.float64) for z_NZ in z_of_views])
    views_N = np.repeat(np.arange(len(z_of_views)), [len(z_NZ) for z_NZ in z_of_views])
    recordings_N = np.concatenate(list(recordings_of_views))
    if len(np.unique(recordings_N)) < 2:
        recordings_N = np.concatenate([np.arange(len(each)) * 2 // max(len(each), 1) for each in recordings_of_views])
    odd_N = half_of(recordings_N)
    found = []
    for train_N, test_N in ((odd_N, ~odd_N), (~odd_N, odd_N)):
        if not train_N.any() or not test_N.any():
            return np.nan
        targets_NV = one_hot(views_N[train_N], len(z_of_views))
        probe = fit_probe(z_NZ[train_N], targets_NV, recordings_N[train_N], [DEFAULT_PENALTY])
        found.append(balanced_accuracy(probe(z_NZ[test_N]).argmax(axis=1), views_N[test_N]))
    return float(np.mean(found))
