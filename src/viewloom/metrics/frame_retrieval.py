"""Retrieval by label: among the steps of another view, of other recordings, are the nearest of the same action?

AE2 (Xue and Grauman, "Learning Fine-grained View-Invariant Representations from Unpaired Ego-Exo Videos via Temporal
Alignment", NeurIPS 2023), cross-view frame retrieval: mAP@10, queries of one view, gallery of the other, never the
query's own recording. The average precision of a query is the mean, over those of its k nearest that have its label, of
the precision at their ranks; 0 where none has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from viewloom.metrics.invariance import Features
from viewloom.metrics.neighbours import nearest
from viewloom.metrics.segments import IGNORE, Flags, Floats, Ints


@dataclass(frozen=True)
class LabelledSteps:
    """Steps of one view: features (N, Z), class ids (N,) with `IGNORE` where there is none, recordings (N,)."""

    z_NZ: Features
    labels_N: Ints
    recordings_N: Ints

    def select(self, keep_N: Flags) -> "LabelledSteps":
        """The steps at some places."""
        return LabelledSteps(self.z_NZ[keep_N], self.labels_N[keep_N], self.recordings_N[keep_N])


@dataclass(frozen=True)
class Retrieved:
    """Shares from 0 to 1.

    Attributes:
        recall_1: queries whose nearest neighbour has their label.
        mean_ap: {k: mean average precision at k}.
        chance: `recall_1` where every neighbour is drawn blindly.
        queries: queries that count: those whose label occurs in another recording of the gallery.
    """

    recall_1: float
    mean_ap: dict[int, float]
    chance: float
    queries: int


def label_retrieval(query: LabelledSteps, gallery: LabelledSteps, ks: Sequence[int] = (5, 10, 15)) -> Retrieved | None:
    """Recall@1 and mAP@k by label; None where no query's label occurs in another recording of the gallery.

    Args:
        query: steps of one view; those without a label are left out.
        gallery: steps of the other view, the same.
        ks: numbers of nearest neighbours.
    """
    query, gallery = (steps.select(steps.labels_N != IGNORE) for steps in (query, gallery))
    relevant, chances = [], []
    for recording in np.unique(query.recordings_N):
        own = query.select(query.recordings_N == recording)
        others = gallery.select(gallery.recordings_N != recording)
        own = own.select(np.isin(own.labels_N, others.labels_N))
        if len(own.labels_N):
            found_NK = nearest(own.z_NZ, others.z_NZ, max(ks))
            relevant.append(others.labels_N[found_NK] == own.labels_N[:, None])
            names, counts = np.unique(others.labels_N, return_counts=True)
            chances.append(counts[np.searchsorted(names, own.labels_N)] / len(others.labels_N))
    if not relevant:
        return None
    # A gallery smaller than the largest k has fewer columns; nothing stands in those that are lacking.
    aps = {k: np.concatenate([average_precision(found_NK[:, :k]) for found_NK in relevant]) for k in ks}
    first = np.concatenate([found_NK[:, 0] for found_NK in relevant])
    mean_ap = {k: float(ap_N.mean()) for k, ap_N in aps.items()}
    return Retrieved(float(first.mean()), mean_ap, float(np.concatenate(chances).mean()), len(first))


def average_precision(relevant_NK: Flags) -> Floats:
    """Average precision (N,) of ranked lists (N, K), True where what was found is relevant; 0 where nothing is."""
    hits_NK = np.asarray(relevant_NK, np.float64)
    precision_NK = hits_NK.cumsum(axis=1) / np.arange(1, hits_NK.shape[1] + 1)
    found: Floats = (precision_NK * hits_NK).sum(axis=1) / np.maximum(hits_NK.sum(axis=1), 1)
    return found
