"""Frames in, class probabilities of frames out, at one chunk size."""

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.base import frame_dim
from viewloom.features.pooling import pool_rows
from viewloom.features.settings import Pooling
from viewloom.online.clock import Frames
from viewloom.training.streamed import StepStream

Probs = NDArray[np.float32]


class ChunkStream:
    """Pools each run of ``chunk_frames`` frames into a step as soon as it is whole, and has its steps computed.

    Args:
        steps: what computes them.
        chunk_frames: frames of a step.
        pooling: what a step keeps of them.
        may_lack: frames may be missing (rows of NaN); they are left out.
        view: for messages.

    Attributes:
        frames: how many have come.
        pending: those of the chunk that isn't whole yet.
        decided: frames whose probabilities were given.
    """

    def __init__(self, steps: StepStream, chunk_frames: int, pooling: Pooling, may_lack: bool, view: str) -> None:
        self.steps = steps
        self.chunk_frames = chunk_frames
        self.pooling: Pooling = pooling
        self.may_lack = may_lack
        self.view = view
        self.frames = self.decided = 0
        self.pending: list[Frames] = []

    @property
    def dim(self) -> int:
        """Feature size D of a frame."""
        return frame_dim(self.steps.chain.dim, self.pooling)

    @property
    def waiting(self) -> int:
        """Frames of the chunk that isn't whole yet."""
        return sum(map(len, self.pending))

    def put(self, x_TD: Frames) -> Probs:
        """Class probabilities (N, K) of the frames that are decided by T more."""
        self.pending.append(x_TD)
        self.frames += len(x_TD)
        waiting = self.waiting
        whole = waiting - waiting % self.chunk_frames
        if not whole:
            return np.empty((0, self.steps.chain.head.classes), np.float32)
        rows_TD = np.concatenate(self.pending)
        self.pending = [rows_TD[whole:].copy()] if whole < waiting else []
        return self._of_frames(self.steps.put(*self._pooled(rows_TD[:whole], self.frames - waiting)))

    def end(self) -> Probs:
        """Class probabilities of all other frames: none comes any more, and the last chunk may be shorter."""
        rows, found = self.pending, []
        if rows:
            rows_TD = np.concatenate(rows)
            found = [self.steps.put(*self._pooled(rows_TD, self.frames - len(rows_TD)))]
        self.pending = []
        return self._of_frames(np.concatenate([*found, self.steps.end()]))

    def _pooled(self, rows_TD: Frames, first: int) -> tuple[Frames, NDArray[np.bool_]]:
        x_SD, there_S, missing = pool_rows(rows_TD, self.chunk_frames, self.pooling, f"view {self.view}", first)
        if len(missing) and not self.may_lack:
            raise DataError(
                f"view {self.view}: frame {missing[0]} is missing. Pass --sampling.missing_frames mask to leave such "
                "frames out."
            )
        return x_SD.numpy(), there_S.numpy()

    def _of_frames(self, probs_SK: Probs) -> Probs:
        """Each step's over its frames, as far as these have come."""
        probs_TK = np.repeat(probs_SK, self.chunk_frames, axis=0)[: self.frames - self.decided]
        self.decided += len(probs_TK)
        return probs_TK
