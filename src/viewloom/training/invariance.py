"""Held-out pairs: which recordings, and what is measured on them without a single label."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class HeldOut:
    """Measures on held-out pairs.

    Attributes:
        values: loss (the method's own), retrieval (percent of steps whose nearest neighbour among the same
            window's steps in another view is the same moment; NaN where views come out of unequal sizes),
            effective_rank of the refined features and input_rank of the plain ones, deviation (mean per-feature
            standard deviation), view_share (share of variance between views) and input_view_share; and the method's
            own measures (percent), such as the agreement of a distilled head with its teacher.
        collapse: what collapsed, in words, or None.
    """

    values: dict[str, float]
    collapse: str | None


def hold_out(
    items: Sequence[Item], share: float, seed: int, complete: Collection[str]
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split items by recording into those to learn from and a seeded share held out (one recording at least).

    Args:
        items: the pairs.
        share: of the recordings to hold out.
        seed: of the draw.
        complete: recordings that have all views: only on these can agreement be measured, so only they are drawn.
    """
    recordings = sorted({item.recording for item in items})
    whole = [name for name in recordings if name in complete]
    if len(recordings) < 2 or not whole:
        raise DataError(
            f"The pairs come from {len(recordings)} recording(s), {len(whole)} of them with all views; two at least "
            "are needed, one of them, with all views, held out. Add recordings to the pairs list."
        )
    count = min(max(1, round(share * len(recordings))), len(recordings) - 1, len(whole))
    held = deal(whole, {"held out": count}, np.random.default_rng([seed, 1]))
    learn = tuple(item for item in items if item.recording not in held)
    return learn, tuple(item for item in items if item.recording in held)


@torch.inference_mode()
def measure(method: Method, batches: Iterable[ViewBatch], device: torch.device) -> HeldOut:
    """Loss, retrieval and collapse of a method over batches of held-out windows."""
    losses, weights, found = [], [], []
    own: dict[str, tuple[int, int]] = {}
    plain, started, refined = InvarianceState(), InvarianceState(), InvarianceState()
    dtype = next((p.dtype for p in method.parameters()), torch.float32)  # float64 with precision 64-true
    for batch in batches:
        batch = batch.to(device).with_numbers(dtype)
        losses.append(float(method(batch).total) if method.fit == "gradient" else 0.0)
        weights.append(int(batch.mask_BVT.sum()))
        for name, (hits, steps) in method.held_out_counts(batch).items():
            before = own.get(name, (0, 0))
            own[name] = before[0] + hits, before[1] + steps
        for x_VTD, s_VTD, z_VTZ in refined_windows(method, batch):
            plain.add(x_VTD)
            started.add(s_VTD)
            refined.add(z_VTZ)
            if len(z_VTZ) == len(batch.views):
                found.append(retrieval_accuracy(z_VTZ, RETRIEVAL_TOLERANCE_STEPS))
    if not refined.moments:
        raise DataError(
            f"No held-out recording has all of the views {listed(method.views)} at two moments or more, so nothing "
            "can be measured. Raise --held_out, or add recordings with all views to the pairs."
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
    return HeldOut(values, refined.verdict(started, own_scale=method.fit == "closed_form"))


@torch.inference_mode()
def measure_plain(method: Method, batches: Iterable[ViewBatch], device: torch.device) -> dict[str, float]:
    """What `measure` should be held against, in percent: ``plain_retrieval``, the retrieval of the features that the
    method starts from (standardised, and behind its stem, where it does that), and ``chance``, that of blind guesses.
    The former is left out where views have feature sizes of their own, which nothing can be found by."""
    found, blind = [], []
    dtype = next((value.dtype for value in method.parameters()), torch.float32)
    for batch in batches:
        batch = batch.to(device)
        x_BVTD = together({view: method.refiner.prepare(x.to(dtype), view) for view, x in batch.features.items()})
        for s_VTD, both_T in zip(x_BVTD, batch.mask_BVT.all(dim=1).cpu().numpy(), strict=True):
            if both_T.sum() > 1:
                blind.append(retrieval_chance(int(both_T.sum()), RETRIEVAL_TOLERANCE_STEPS))
                if len(s_VTD) == len(batch.views):
                    found.append(retrieval_accuracy(s_VTD[:, both_T], RETRIEVAL_TOLERANCE_STEPS))
    plain = {"plain_retrieval": 100.0 * float(np.mean(found))} if found else {}
    return plain | {"chance": 100.0 * float(np.mean(blind))}


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
