"""Held-out pairs: which recordings, and what is measured on them without a single label."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.dataset.dataset import Item
from viewloom.dataset.splits import deal
from viewloom.errors import DataError, listed
from viewloom.methods.base import Method
from viewloom.metrics.invariance import InvarianceState, retrieval_accuracy, retrieval_chance
from viewloom.windows.batch import ViewBatch

RETRIEVAL_TOLERANCE_STEPS = 2
"""A step counts as found when its nearest neighbour in the other view is at most this many steps away."""

LEAST_IN_TIME = 0.2
"""Share of a single recording that is held out, at least."""


@dataclass(frozen=True)
class HeldOut:
    """Measures on held-out pairs.

    Attributes:
        values: loss (the method's own), retrieval (percent of steps whose nearest neighbour among the same
            window's steps in another view is the same moment; NaN where views come out of unequal sizes),
            effective_rank of the refined features and input_rank of the plain ones, deviation (mean per-feature
            standard deviation), view_share (share of variance between views) and input_view_share; the method's
            own measures (percent), such as the agreement of a distilled head with its teacher; and where they were
            asked for plain_retrieval, the retrieval of the features that the method starts from (standardised, and
            behind its stem, where it does that; left out where views have feature sizes of their own, which nothing
            can be found by), and chance, that of blind guesses.
        collapse: what collapsed, in words, or None.
    """

    values: dict[str, float]
    collapse: str | None


def hold_out(
    items: Sequence[Item], share: float, seed: int, complete: Collection[str]
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split items by recording into those to learn from and a seeded share held out (one recording at least).

    Of a single recording the end is held out: the share, and a fifth at least.

    Args:
        items: the pairs.
        share: of the recordings to hold out.
        seed: of the draw.
        complete: recordings that have all views: only on these can agreement be measured, so only they are drawn.
    """
    recordings = sorted({item.recording for item in items})
    whole = [name for name in recordings if name in complete]
    if not whole:
        raise DataError(
            f"The pairs come from {len(recordings)} recording(s), none of them with all views; one that has them all "
            "is needed, to be held out. Add recordings to the pairs list."
        )
    if len(recordings) == 1:
        return _cut_in_time(items, max(share, LEAST_IN_TIME))
    count = min(max(1, round(share * len(recordings))), len(recordings) - 1, len(whole))
    held = deal(whole, {"held out": count}, np.random.default_rng([seed, 1]))
    learn = tuple(item for item in items if item.recording not in held)
    return learn, tuple(item for item in items if item.recording in held)


def _cut_in_time(items: Sequence[Item], share: float) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Hold out the end of each item of a single recording."""
    cuts = [item.end - max(1, round(share * (item.end - item.start))) for item in items]
    learn = tuple(replace(item, end=cut) for item, cut in zip(items, cuts, strict=True) if cut > item.start)
    if not learn:
        raise DataError("The pairs are one frame long, so none can be held out. Add recordings to the pairs list.")
    return learn, tuple(replace(item, start=cut) for item, cut in zip(items, cuts, strict=True))


@torch.inference_mode()
def measure(method: Method, batches: Iterable[ViewBatch], device: torch.device, with_plain: bool = False) -> HeldOut:
    """Loss, retrieval and collapse of a method over batches of held-out windows.

    Args:
        method: what is measured.
        batches: held-out windows.
        device: where to compute.
        with_plain: also measure the features it starts from, and chance, against which it should be held.
    """
    losses, weights, found, before, blind = [], [], [], [], []
    own: dict[str, tuple[int, int]] = {}
    plain, started, refined = InvarianceState(), InvarianceState(), InvarianceState()
    dtype = next((p.dtype for p in method.parameters()), torch.float32)  # float64 with precision 64-true
    for batch in batches:
        batch = batch.to(device).with_numbers(dtype)
        losses.append(float(method(batch).total) if method.fit == "gradient" else 0.0)
        weights.append(int(batch.mask_BVT.sum()))
        for name, (hits, steps) in method.held_out_counts(batch).items():
            so_far = own.get(name, (0, 0))
            own[name] = so_far[0] + hits, so_far[1] + steps
        for x_VTD, s_VTD, z_VTZ in refined_windows(method, batch):
            plain.add(x_VTD)
            started.add(s_VTD)
            refined.add(z_VTZ)
            if len(z_VTZ) == len(batch.views):
                found.append(retrieval_accuracy(z_VTZ, RETRIEVAL_TOLERANCE_STEPS))
            if with_plain:
                blind.append(retrieval_chance(z_VTZ.shape[1], RETRIEVAL_TOLERANCE_STEPS))
                if len(s_VTD) == len(batch.views):
                    before.append(retrieval_accuracy(s_VTD, RETRIEVAL_TOLERANCE_STEPS))
    if not refined.moments:
        raise DataError(
            f"No held-out recording has all of the views {listed(method.views)} at two moments or more, so nothing "
            "can be measured. Add recordings with all views to the pairs, take smaller steps "
            "(--sampling.chunk_frames), or hold out more (--held_out of `viewloom pretrain`)."
        )
    values = {
        "loss": float(np.average(losses, weights=weights)),
        "retrieval": 100.0 * float(np.mean(found)) if found else np.nan,
        "effective_rank": refined.effective_rank if np.isfinite(refined.scatter_ZZ).all() else np.nan,
        "input_rank": plain.effective_rank,
        "deviation": float(refined.deviation_Z.mean()),
        "view_share": refined.view_share,
        "input_view_share": plain.view_share if len(set(method.dims)) == 1 else np.nan,
    }
    values |= {name: 100.0 * hits / max(steps, 1) for name, (hits, steps) in own.items()}
    plain_values = {"plain_retrieval": before, "chance": blind}
    values |= {name: 100.0 * float(np.mean(each)) for name, each in plain_values.items() if each}
    return HeldOut(values, refined.verdict(started, own_scale=method.fit == "closed_form"))


def together(features: Mapping[str, Tensor]) -> NDArray[np.float32]:
    """Features of all views (B, V, T, D), or of the smallest one alone where they have sizes of their own."""
    smallest = min(x_BTD.shape[-1] for x_BTD in features.values())
    same = all(x_BTD.shape[-1] == smallest for x_BTD in features.values())
    alike = [x_BTD for x_BTD in features.values() if x_BTD.shape[-1] == smallest]
    stacked: NDArray[np.float32] = torch.stack(alike if same else alike[:1], dim=1).float().cpu().numpy()
    return stacked


def refined_windows(
    method: Method, batch: ViewBatch
) -> Iterable[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """Raw (V, T, D), prepared (V, T, W) and refined (V, T, Z) features of windows, at the steps that all views have.

    Prepared as the method does it: standardised, behind its stem. Of views with feature sizes of their own the
    smallest stands for all in the first two.
    """
    views = {view: (x_BTD, batch.mask_of(view)) for view, x_BTD in batch.features.items()}
    z_BVTZ = together({view: method.encode(x_BTD, mask_BT, view) for view, (x_BTD, mask_BT) in views.items()})
    s_BVTW = together({view: method.refiner.prepare(x_BTD, view) for view, (x_BTD, _) in views.items()})
    x_BVTD = together(batch.features)
    shared_BT = batch.mask_BVT.all(dim=1).cpu().numpy()
    for x_VTD, s_VTW, z_VTZ, both_T in zip(x_BVTD, s_BVTW, z_BVTZ, shared_BT, strict=True):
        if both_T.sum() > 1:
            yield x_VTD[:, both_T], s_VTW[:, both_T], z_VTZ[:, both_T]
