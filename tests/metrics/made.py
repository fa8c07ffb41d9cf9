"""Label sequences for the tests of the scores."""

import numpy as np
from hypothesis import strategies as st

from viewloom.metrics.segmentation import count

LABELS = (0, 1, 2, 3, -100)


def frames(*runs):
    """(label, length) runs as one array."""
    return np.array([label for label, length in runs for _ in range(length)], np.int64)


def sequences(labels=LABELS, min_size=0):
    """One label sequence of up to eight runs, one to six frames long; neighbours may be of one label."""
    run = st.integers(0, 6 * len(labels) - 1).map(lambda n: (labels[n // 6], n % 6 + 1))
    return st.lists(run, min_size=min_size, max_size=8).map(lambda runs: frames(*runs))


def trimmed(pairs):
    """Pairs of sequences, the longer one of each cut to the other."""
    return [(p[: len(t)], t[: len(p)]) for p, t in pairs]


def random_pairs(seed, items, classes=6, runs=9):
    """Predictions and truths that have something to do with each other."""
    rng = np.random.default_rng(seed)
    truths = [np.repeat(rng.integers(0, classes, runs), rng.integers(3, 20, runs)) for _ in range(items)]
    shifted = [np.roll(t, int(rng.integers(-6, 7))) for t in truths]
    noise = [np.repeat(rng.random(len(t) // 5 + 1) < 0.2, 5)[: len(t)] for t in truths]
    return [np.where(n, rng.integers(0, classes), s) for n, s in zip(noise, shifted, strict=True)], truths


def f1_counts(predictions, truths):
    """Hits, false alarms and misses over all sequences, each (3,) at the three overlaps."""
    counts = count(predictions, truths)
    hits = counts.hits.sum(axis=0)
    return hits, counts.predicted.sum() - hits, counts.true.sum() - hits
