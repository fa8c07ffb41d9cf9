"""Whole windows as sequences: evenly sampled steps of each view, and which sequences are held against which.

What is drawn depends on what a window is and on the epoch, never on its place in a batch, so that neither the order
of rows nor the number of processes changes a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.nn.distributed import gather_over_processes
from viewloom.windows.batch import Window

Pairs = Literal["recordings", "views", "both"]
"""Which sequences are pairs: those of different recordings, those of one window in different views, or both."""

STILL = (0, 0)
"""Seed and epoch of what is drawn in evaluation, so that losses of different epochs and runs compare."""


@dataclass(frozen=True)
class ViewSequences:
    """S sequences of N steps at most.

    Attributes:
        z_SNZ: refined features, zeros where there is no step.
        there_SN: bool, True for the first n steps of each sequence: what was missing between is closed up.
        recording_S: int64, the same for sequences of one recording.
        window_S: int64, the same for sequences of one window.
        view_S: int64, place of the view.
    """

    z_SNZ: Tensor
    there_SN: Tensor
    recording_S: Tensor
    window_S: Tensor
    view_S: Tensor

    def over_processes(self) -> ViewSequences:
        """Those of all processes; gradients go into this one's."""
        z_SNZ = gather_over_processes(self.z_SNZ.flatten(1)).reshape(-1, *self.z_SNZ.shape[1:])
        there_SN = gather_over_processes(self.there_SN.long()).bool()
        ids_S3 = gather_over_processes(torch.stack([self.recording_S, self.window_S, self.view_S], dim=1))
        return ViewSequences(z_SNZ, there_SN, *ids_S3.unbind(1))


def window_key(*names: object) -> int:
    """A number of 62 bits that stands for some names, the same in every process and run."""
    return int.from_bytes(blake2b(repr(names).encode(), digest_size=8).digest(), "big") >> 2


def key_of(window: Window) -> int:
    """What stands for a window, at any chunk size."""
    return window_key(window.recording, window.item, window.start)


def sampled_places(there_RT: Tensor, most: int, phase_R: Tensor) -> tuple[Tensor, Tensor]:
    """Places (R, N) of up to ``most`` evenly spaced steps among those that are there, in order, and which exist (R, N).

    Args:
        there_RT: bool, True where a row has a step.
        most: N; rows with no more steps keep all of theirs.
        phase_R: where between two samples the first one stands, from 0 to below 1.
    """
    have_R1 = there_RT.sum(dim=1, keepdim=True)
    taken_R1 = have_R1.clamp(max=most)
    steps_N = torch.arange(most, device=there_RT.device)
    # Half a sample is added where all steps are taken, so that rounding can't fall onto a neighbour.
    phase_R1 = torch.where(have_R1 > most, phase_R[:, None].double(), 0.5)
    place_RN = ((steps_N + phase_R1) * have_R1 / taken_R1.clamp(min=1)).long()
    order_RT = torch.argsort(~there_RT, dim=1, stable=True)  # steps that are there first, in time
    place_RN = torch.minimum(place_RN, (have_R1 - 1).clamp(min=0))
    return order_RT.gather(1, place_RN), steps_N < taken_R1


def as_sequences(
    z_BVTZ: Tensor, mask_BVT: Tensor, windows: Sequence[Window], most: int, draw: tuple[int, int] | None
) -> ViewSequences:
    """A sequence of every window in each view that it has a step of.

    Args:
        z_BVTZ: refined features.
        mask_BVT: bool, True where a view has a step that counts.
        windows: what each row is.
        most: steps of a sequence, N.
        draw: seed and epoch, by which each sequence's first step is drawn; None: the middle of its range.
    """
    device, views = z_BVTZ.device, z_BVTZ.shape[1]
    keys = np.array([[window_key(window.recording), key_of(window)] for window in windows], dtype=np.int64)
    phase_BV = np.full((len(windows), views), 0.5)
    if draw is not None:
        phase_BV = np.stack([np.random.default_rng([*draw, key]).random(views) for key in keys[:, 1].tolist()])
    mask_RT, z_RTZ = mask_BVT.flatten(0, 1), z_BVTZ.flatten(0, 1)
    places_RN, there_RN = sampled_places(mask_RT, most, torch.from_numpy(phase_BV).to(device).flatten())
    sampled_RNZ = z_RTZ.gather(1, places_RN[..., None].expand(-1, -1, z_RTZ.shape[-1]))
    ids_R2 = torch.from_numpy(keys).to(device).repeat_interleave(views, dim=0)
    view_R = torch.arange(views, device=device).repeat(len(windows))
    has_R = there_RN[:, 0]
    every = sampled_RNZ.masked_fill(~there_RN[..., None], 0.0), there_RN, ids_R2[:, 0], ids_R2[:, 1], view_R
    return ViewSequences(*(value[has_R] for value in every))


def pair_up(sequences: ViewSequences, pairs: Pairs, count: int, draw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Ordered pairs of sequences of different views: places (P,) of the first, and of the second.

    Args:
        sequences: those of all processes.
        pairs: which may be held against each other.
        count: partners drawn for each sequence, at most.
        draw: seed and epoch.
    """
    recording_S, window_S, view_S = (
        value.cpu().numpy() for value in (sequences.recording_S, sequences.window_S, sequences.view_S)
    )
    of_views_SS = view_S[:, None] != view_S
    same_SS = window_S[:, None] == window_S
    other_SS = recording_S[:, None] != recording_S
    rule_SS = {"views": same_SS, "recordings": other_SS, "both": same_SS | other_SS}[pairs]
    may_SS = of_views_SS & rule_SS
    own_S = window_S.astype(np.uint64) ^ (view_S.astype(np.uint64) << np.uint64(48))
    rank_SS = np.where(may_SS, _mixed(own_S[:, None], own_S, *draw), np.iinfo(np.uint64).max)
    chosen_SC = np.argsort(rank_SS, axis=1, kind="stable")[:, :count]
    first_SC = np.broadcast_to(np.arange(len(own_S))[:, None], chosen_SC.shape)
    kept_SC = np.take_along_axis(may_SS, chosen_SC, axis=1)
    device = sequences.z_SNZ.device
    return torch.from_numpy(first_SC[kept_SC]).to(device), torch.from_numpy(chosen_SC[kept_SC]).to(device)


def _mixed(a: NDArray[np.uint64], b: NDArray[np.uint64], seed: int, epoch: int) -> NDArray[np.uint64]:
    """A number for each two, as good as drawn (the finish of splitmix64, Steele et al., OOPSLA 2014)."""
    salt = np.uint64(window_key(seed, epoch))
    with np.errstate(over="ignore"):
        x = a * np.uint64(0x9E3779B97F4A7C15) + b * np.uint64(0xC2B2AE3D27D4EB4F) + salt
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
