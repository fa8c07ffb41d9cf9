"""Moments of pairs of views in a few folds, so that what is fitted on most pairs can be measured on the others.

One pass, whatever the order of batches and the number of processes: which fold a step falls into depends on the set of
all recordings alone. Every step has a key, the hash of its recording and behind it the frame where its quarter of the
window begins; folds are the steps whose keys share their leading digits, of which as many are looked at as give
`FOLDS` folds or fewer. So up to that many recordings are a fold each, more share folds by chance, and a single
recording is divided by time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from viewloom.methods.canonical import Covariances
from viewloom.methods.pair_moments import Pair, PairMoments
from viewloom.nn.distributed import values_of_processes
from viewloom.nn.moments import Moments
from viewloom.nn.standardise import Standardiser
from viewloom.windows.batch import ViewBatch, Window

FOLDS = 4
"""Folds at most: each takes the memory of all moments ..."""
ROOM_BYTES = 2**30
"""... and where that is more than this for all of them, there are only two."""
PIECES = 4
"""Into as many pieces a window is cut, where there are too few recordings."""
FRAME_BITS = 32
"""Digits of a key that are a frame; those before it are a recording."""


@dataclass(frozen=True)
class Fold:
    """What is learned from, and what was held out of it.

    Attributes:
        learn: covariances of the other folds.
        held: covariances of this one.
        steps: steps of each pair of views in it.
    """

    learn: Covariances
    held: Covariances
    steps: dict[Pair, int]


class FoldMoments:
    """`PairMoments` of each fold.

    Args:
        dims: feature size of each view.
        views: their names.
    """

    def __init__(self, dims: tuple[int, ...], views: tuple[str, ...]) -> None:
        self.dims, self.views = dims, views
        numbers = sum(a * b for a, b in combinations_with_replacement(dims, 2))
        self.most = FOLDS if 8 * numbers * FOLDS <= ROOM_BYTES else 2
        self.folds: dict[int, PairMoments] = {}
        self.digits = 0
        """Digits at the end of a key that are not looked at."""

    def add(self, batch: ViewBatch) -> None:
        """Take a batch in."""
        keys_BT = _keys(batch.windows, batch.mask_BVT.shape[2]).to(batch.mask_BVT.device)
        seen_BT = batch.mask_BVT.any(dim=1)
        self._make_room(_distinct(keys_BT[seen_BT]))
        for fold in _distinct(keys_BT[seen_BT] >> self.digits):
            mask_BVT = batch.mask_BVT & ((keys_BT >> self.digits) == fold)[:, None]
            self._of(fold).add(replace(batch, mask_BVT=mask_BVT))

    def totals(self, device: torch.device) -> dict[Pair, Moments]:
        """What all processes have seen, over all folds; see `PairMoments.totals`."""
        self._meet()
        whole = PairMoments(self.dims, self.views)
        for fold in self.folds.values():
            whole.merge(fold)
        return whole.totals(device)

    def held_out(self, totals: dict[Pair, Moments], standardiser: Standardiser, device: torch.device) -> Iterator[Fold]:
        """Each fold against all others, one after the other; nothing where there is only one.

        Args:
            totals: what all processes have seen, after `totals`.
            standardiser: of features.
            device: where processes can sum.
        """
        for fold in [self.folds[key] for key in sorted(self.folds)] if len(self.folds) > 1 else []:
            held = {pair: moments.over_processes(device) for pair, moments in fold.moments.items()}
            learn = {pair: totals[pair].without(moments) for pair, moments in held.items()}
            steps = {pair: int(moments.count) for pair, moments in held.items()}
            yield Fold(self.covariances(learn, standardiser), self.covariances(held, standardiser), steps)

    def covariances(self, totals: dict[Pair, Moments], standardiser: Standardiser) -> Covariances:
        """Covariances of standardised features; see `PairMoments.covariances`."""
        return PairMoments.covariances_of(totals, self.views, standardiser)

    def _of(self, fold: int) -> PairMoments:
        if fold not in self.folds:
            self.folds[fold] = PairMoments(self.dims, self.views)
        return self.folds[fold]

    def _make_room(self, keys: Iterable[int]) -> None:
        """Look at fewer digits, if these keys make too many folds."""
        keys = set(keys)
        while len({key >> self.digits for key in keys} | set(self.folds)) > self.most:
            self._merge_neighbours()

    def _merge_neighbours(self) -> None:
        self.digits += 1
        folds, self.folds = self.folds, {}
        for key in sorted(folds):
            if key >> 1 in self.folds:
                self.folds[key >> 1].merge(folds[key])
            else:
                self.folds[key >> 1] = folds[key]

    def _meet(self) -> None:
        """Let all processes have the same folds, and whole recordings in them where there are two or more."""
        state = torch.full((self.most + 1,), -1, dtype=torch.int64)
        state[: 1 + len(self.folds)] = torch.tensor([self.digits, *sorted(self.folds)])
        states = [each.tolist() for each in values_of_processes(state)]
        while self.digits < max(digits for digits, *_ in states):
            self._merge_neighbours()
        keys = {key >> (self.digits - digits) for digits, *own in states for key in own if key >= 0}
        while len(keys) > self.most or (self.digits < FRAME_BITS and self._recordings(keys) > 1):
            self._merge_neighbours()
            keys = {key >> 1 for key in keys}
        for key in sorted(keys):
            self._of(key)

    def _recordings(self, keys: Iterable[int]) -> int:
        """How many recordings keys tell apart, before which digits are left out."""
        return len({key >> (FRAME_BITS - self.digits) for key in keys})


def _keys(windows: tuple[Window, ...], steps: int) -> Tensor:
    """The key of each step (B, T), int64."""
    rows = [_row_keys(window, steps) for window in windows]
    return torch.stack(rows) if rows else torch.zeros(0, steps, dtype=torch.int64)


def _row_keys(window: Window, steps: int) -> Tensor:
    recording = zlib.crc32(window.recording.encode()) >> 1  # so that a key stays positive
    piece_steps = max(1, -(-window.steps // PIECES))
    begins_T = torch.arange(steps) // piece_steps * piece_steps * window.chunk_frames + window.start
    return (recording << FRAME_BITS) + begins_T


def _distinct(keys_N: Tensor) -> list[int]:
    """Every key once, the smallest first."""
    found: list[int] = torch.unique(keys_N).tolist()
    return found
