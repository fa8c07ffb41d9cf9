"""What tells, without labels, which refiner will carry labels of one view over to another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray

from viewloom.methods.refiner import Refiner
from viewloom.metrics.invariance import retrieval_accuracy
from viewloom.metrics.surrogate import Told, mean_over_pairs, smoothed, surrogate_transfer
from viewloom.training.invariance import RETRIEVAL_TOLERANCE_STEPS
from viewloom.windows.batch import ViewBatch
from viewloom.windows.pairs import ViewWindows, make_view_loader

MOST_VALUES = 2**28
"""Feature values that are held in memory, at most, to choose by: one gibibyte."""
SMOOTH_S = 2.0
"""Seconds over which plain features are averaged before clusters are sought in them."""
SEEDS = (0, 1, 2)
"""Clusterings that a figure is the mean of."""
BLOCKS = 10
"""Stretches of the held-out steps, each of which is left out once to see how much a figure rests on it."""


@dataclass(frozen=True)
class Sample:
    """Windows of pairs in memory, one a batch.

    Attributes:
        learn: windows to learn from, spread evenly over all.
        held_out: windows held out, likewise.
        step_s: seconds from one step to the next.
    """

    learn: tuple[ViewBatch, ...]
    held_out: tuple[ViewBatch, ...]
    step_s: float


def take_sample(learn: ViewWindows, held_out: ViewWindows) -> Sample:
    """Read windows of pairs, unaugmented, as many as the memory for them takes."""
    step_s = learn.sampling.chunk_frames / learn.source.fps
    return Sample(_windows(learn), _windows(held_out), step_s)


def _windows(windows: ViewWindows) -> tuple[ViewBatch, ...]:
    still = ViewWindows(windows.source, windows.items, windows.views, windows.sampling)
    values = sum(window.steps for window in still.rows) * sum(still.dims.values())
    every = max(1, -(-values // MOST_VALUES))
    still.rows = still.rows[::every]
    return tuple(make_view_loader(still, 1))


@dataclass(frozen=True)
class Measured:
    """What a refiner is chosen by, in percent, means over ordered pairs of views.

    Attributes:
        transfer: how well clusters of a view are told in it by what was learned in another.
        own: the same, told in the view that was learned in.
        retrieval: how often a step finds itself in another view, among the steps of its window.
        by_seed: ``transfer`` of each clustering.
        without: ``transfer`` without each of `BLOCKS` stretches of the held-out steps.
        chance: ``transfer`` of blind guesses.
    """

    transfer: float
    own: float
    retrieval: float
    by_seed: tuple[float, ...] = ()
    without: tuple[float, ...] = ()
    chance: float = 0.0

    @property
    def spread(self) -> float:
        """Standard error of ``transfer``: over held-out stretches, and over clusterings."""
        return standard_error(self.by_seed, self.without)

    def ahead_of(self, other: "Measured") -> tuple[float, float]:
        """How much more transfer this has than another of the same sample, and the standard error of that."""
        seeds = [one - two for one, two in zip(self.by_seed, other.by_seed, strict=True)]
        without = [one - two for one, two in zip(self.without, other.without, strict=True)]
        return self.transfer - other.transfer, standard_error(seeds, without)


def standard_error(by_seed: Sequence[float], without: Sequence[float]) -> float:
    """Standard error of a mean over seeds, by the jackknife over what was left out (Efron, Stein, Annals of Statistics
    9, 1981), and by the spread over seeds; 0 of nothing."""
    variance = float(np.var(by_seed, ddof=1) / len(by_seed)) if len(by_seed) > 1 else 0.0
    count = len(without)
    return float((variance + (count - 1) * float(np.var(without)) if count else variance) ** 0.5)


@torch.inference_mode()
def measure_transfer(refiner: Refiner, sample: Sample, labelled: Collection[str] = ()) -> Measured:
    """Measure a refiner on a sample of pairs; NaN where two views never meet.

    Args:
        refiner: what to measure.
        sample: windows of pairs.
        labelled: views that clusters are told from, in all others; empty: every view to every other.
    """
    names = sample.learn[0].views
    learn, held = ([_encoded(refiner, batch) for batch in part] for part in (sample.learn, sample.held_out))
    told, found = list[list[Told]](), list[float]()
    for source, target in directions(names, labelled):
        met_learn, met_held = (_meeting(part, source, target) for part in (sample.learn, sample.held_out))
        if not any(mask_T.any() for mask_T in met_learn) or not any(mask_T.sum() > 1 for mask_T in met_held):
            continue
        plain = [_plain(part, names[target], sample.step_s) for part in (sample.learn, sample.held_out)]
        arrays = (
            _joined(plain[0], met_learn),
            _joined(plain[1], met_held),
            _joined([z[source] for z in learn], met_learn),
            _joined([z[source] for z in held], met_held),
            _joined([z[target] for z in held], met_held),
        )
        told.append([surrogate_transfer(*arrays, seed=seed) for seed in SEEDS])
        found += [
            retrieval_accuracy(np.stack([z[source][mask_T], z[target][mask_T]]), RETRIEVAL_TOLERANCE_STEPS)
            for z, mask_T in zip(held, met_held, strict=True)
            if mask_T.sum() > 1
        ]
    nan, retrieval = float("nan"), 100 * mean_over_pairs(found)
    if not told:
        return Measured(nan, nan, retrieval)
    by_seed = 100 * np.mean([[each.transfer for each in seeds] for seeds in told], axis=0)
    without = 100 * np.mean([[each.without_each(BLOCKS) for each in seeds] for seeds in told], axis=(0, 1))
    own = 100 * float(np.mean([[each.own for each in seeds] for seeds in told]))
    chance = 100 * float(np.mean([[each.chance for each in seeds] for seeds in told]))
    return Measured(float(by_seed.mean()), own, retrieval, tuple(by_seed.tolist()), tuple(without.tolist()), chance)


def directions(views: Sequence[str], labelled: Collection[str]) -> list[tuple[int, int]]:
    """Places of the view learned in and of the one told in: from labelled views to the others, or from all to all."""
    return [
        (source, target)
        for source, target in permutations(range(len(views)), 2)
        if not labelled or (views[source] in labelled and views[target] not in labelled)
    ]


def _encoded(refiner: Refiner, batch: ViewBatch) -> list[NDArray[np.float32]]:
    """Refined features (T, Z) of a window in each view."""
    return [refiner.encode(batch.features[view], batch.mask_of(view), view)[0].float().numpy() for view in batch.views]


def _meeting(batches: Sequence[ViewBatch], source: int, target: int) -> list[NDArray[np.bool_]]:
    """Where each window has both views."""
    return [(batch.mask_BVT[0, source] & batch.mask_BVT[0, target]).numpy() for batch in batches]


def _plain(batches: Sequence[ViewBatch], view: str, step_s: float) -> list[NDArray[np.float64]]:
    """Plain features of a view, smoothed over time."""
    steps = round(SMOOTH_S / step_s)
    return [smoothed(batch.features[view][0].numpy(), batch.mask_of(view)[0].numpy(), steps) for batch in batches]


def _joined(arrays: Sequence[NDArray[np.floating]], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.floating]:
    return np.concatenate([x_TD[mask_T] for x_TD, mask_T in zip(arrays, masks, strict=True)])
