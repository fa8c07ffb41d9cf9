"""What is written as a graph: tensors in, tensors out, with all that stands between them inside.

A row of NaN is a missing step or frame, or padding: it has no say in any other, as everywhere in viewloom.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.features.settings import Pooling
from viewloom.heads.base import Head
from viewloom.heads.multilabel import probabilities
from viewloom.methods.refiner import Refiner
from viewloom.metrics.temperature import LEAST
from viewloom.nn.stream import Stream
from viewloom.training.streamed import Chain


def valid_rows(x_TD: Tensor) -> tuple[Tensor, Tensor]:
    """Features (..., T, D) with zeros in rows of NaN, and which rows (..., T) are others."""
    there_T = ~x_TD.isnan().all(dim=-1)
    return x_TD.masked_fill(~there_T[..., None], 0.0), there_T


def at_temperature(probs_K: Tensor, temperature: float) -> Tensor:
    """Probabilities (..., K) at a temperature; see `viewloom.metrics.temperature`."""
    return probs_K if temperature == 1 else (probs_K.clamp(min=LEAST).log() / temperature).softmax(dim=-1)


def pooled(x_NCD: Tensor, there_NC: Tensor, pooling: Pooling) -> Tensor:
    """Steps (..., Z) of the frames of chunks (..., C, D), zeros at frames that aren't there; see
    `viewloom.features.pooling`."""
    outside_NC1 = ~there_NC[..., None]
    some_N1 = there_NC.any(dim=-1, keepdim=True)
    halves = []
    if pooling == "first":
        # The place of the first one there is, by a maximum: what is behind counts less.
        rank_NC = there_NC * torch.arange(there_NC.shape[-1], 0, -1, device=x_NCD.device)
        first_N11 = rank_NC.argmax(dim=-1)[..., None, None].expand(*x_NCD.shape[:-2], 1, x_NCD.shape[-1])
        halves.append(x_NCD.gather(-2, first_N11)[..., 0, :])
    if pooling in ("max", "both"):
        halves.append(x_NCD.masked_fill(outside_NC1, torch.finfo(x_NCD.dtype).min).amax(dim=-2))
    if pooling in ("mean", "both"):
        halves.append(x_NCD.sum(dim=-2) / there_NC.sum(dim=-1, keepdim=True).clamp(min=1))
    return torch.cat(halves, dim=-1).masked_fill(~some_N1, 0.0)


def in_chunks(x_BFD: Tensor, there_BF: Tensor, chunk: int, pooling: Pooling) -> tuple[Tensor, Tensor]:
    """Steps (B, S + 1, Z) of frames, and which have any; the last one is empty: a single step would be a case of its
    own in a graph."""
    frames = x_BFD.shape[1]
    first_S1 = chunk * torch.arange((frames + chunk - 1) // chunk + 1, device=x_BFD.device)[:, None]
    place_SC = first_S1 + torch.arange(chunk, device=x_BFD.device)
    x_BSCD = F.pad(x_BFD, (0, 0, 0, 2 * chunk))[:, place_SC]
    there_BSC = F.pad(there_BF, (0, 2 * chunk))[:, place_SC]
    return pooled(x_BSCD, there_BSC, pooling), there_BSC.any(dim=-1)


class RefinerGraph(nn.Module):
    """Steps (B, T, D) of one view to refined ones (B, T, Z), NaN where a step is missing: as a refiner is called.

    Args:
        refiner: the refiner, in evaluation mode.
        view: which view it is.
        step_s: seconds of a step; None: as the refiner learned.
    """

    def __init__(self, refiner: Refiner, view: str, step_s: float | None) -> None:
        super().__init__()
        self.refiner, self.view, self.step_s = refiner, view, step_s

    def forward(self, features: Tensor) -> Tensor:
        """Refined features."""
        x_BTD, mask_BT = valid_rows(features)
        z_BTZ = self.refiner.encode(x_BTD, mask_BT, self.view, self.step_s)
        return z_BTZ.masked_fill(~mask_BT[..., None], torch.nan)


class HeadGraph(nn.Module):
    """Steps (B, T, D) to class probabilities (B, T, K) at the head's temperature.

    Args:
        head: the head, in evaluation mode.
        refiner: what stands before it, or None.
        view: which view it is.
        step_s: seconds of a step; None: as the refiner learned.
        temperature: of the probabilities.
    """

    def __init__(
        self, head: Head, refiner: Refiner | None, view: str, step_s: float | None, temperature: float
    ) -> None:
        super().__init__()
        self.head, self.refiner = head, refiner
        self.view, self.step_s, self.temperature = view, step_s, temperature

    def forward(self, features: Tensor) -> Tensor:
        """Class probabilities."""
        x_BTD, mask_BT = valid_rows(features)
        return at_temperature(self.plain(x_BTD, mask_BT, self.step_s), self.temperature)

    def plain(self, x_BTD: Tensor, mask_BT: Tensor, step_s: float | None) -> Tensor:
        """Class probabilities as they come out of the head."""
        if self.refiner is not None:
            x_BTD = self.refiner.encode(x_BTD, mask_BT, self.view, step_s)
        return probabilities(self.head, self.head(x_BTD, mask_BT), mask_BT)


class FramesGraph(nn.Module):
    """Frames (B, F, D) to class probabilities (B, F, K), averaged over chunk sizes, at the head's temperature.

    Args:
        chain: refiner and head.
        chunks: chunk sizes (frames), and the seconds of a step of each.
        pooling: what a step keeps of its frames.
        cut_steps: steps of the windows that rows are cut into; None: a row is one window.
    """

    def __init__(
        self, chain: HeadGraph, chunks: dict[int, float | None], pooling: Pooling, cut_steps: int | None
    ) -> None:
        super().__init__()
        self.chain, self.chunks, self.pooling, self.cut_steps = chain, dict(chunks), pooling, cut_steps

    def forward(self, features: Tensor) -> Tensor:
        """Class probabilities."""
        x_BFD, there_BF = valid_rows(features)
        found = [self._at(x_BFD, there_BF, chunk, step_s) for chunk, step_s in self.chunks.items()]
        return at_temperature(torch.stack(found).mean(dim=0), self.chain.temperature)

    def _at(self, x_BFD: Tensor, there_BF: Tensor, chunk: int, step_s: float | None) -> Tensor:
        """Class probabilities of frames at one chunk size."""
        rows, frames, _ = x_BFD.shape
        if self.cut_steps is not None:
            x_BFD, there_BF = self._cut(x_BFD, there_BF, chunk * self.cut_steps)
        steps = in_chunks(x_BFD, there_BF, chunk, self.pooling)
        probs_BSK = self.chain.plain(*steps, step_s)
        place_F = torch.arange(x_BFD.shape[1], device=x_BFD.device) // chunk
        return probs_BSK[:, place_F].reshape(rows, -1, probs_BSK.shape[-1])[:, :frames]

    @staticmethod
    def _cut(x_BFD: Tensor, there_BF: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Rows cut into windows of ``size`` frames, which are rows then; what fills up the last one isn't there."""
        rows, frames, dim = x_BFD.shape
        count = (frames + size - 1) // size + 1  # an empty one more: one window alone would be a case of its own
        x_BFD, there_BF = F.pad(x_BFD, (0, 0, 0, 2 * size)), F.pad(there_BF, (0, 2 * size))
        x_BFD, there_BF = x_BFD[:, : count * size], there_BF[:, : count * size]
        return x_BFD.reshape(rows * count, size, dim), there_BF.reshape(rows * count, size)


class StepGraph(nn.Module):
    """One step of a stream: the frames (F, D) of a chunk, its number and a state, to class probabilities (K,) of the
    step a look-ahead before, at the head's temperature, the next number and the next state.

    Args:
        chain: refiner and head that look back only.
        pooling: what a step keeps of its frames.
        step_s: seconds of a step; None: as the refiner learned.
        temperature: of the probabilities.
    """

    def __init__(self, chain: Chain, pooling: Pooling, step_s: float | None, temperature: float) -> None:
        super().__init__()
        self.head, self.refiner = chain.head, chain.refiner  # named here so that their weights are this module's
        self.chain, self.pooling, self.step_s, self.temperature = chain, pooling, step_s, temperature
        self.places: list[str] = []

    def forward(self, frames: Tensor, step: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        """Probabilities, the next number, and the next state."""
        waiting_1L, kept = past[0], dict(zip(self.places, past[1:], strict=True))
        x_FD, there_F = valid_rows(frames)
        x_11D, there_11 = pooled(x_FD, there_F, self.pooling)[None, None], there_F.any()[None, None]
        known_1L = torch.cat([waiting_1L, there_11], dim=1)
        stream = Stream(step, kept)
        come_11 = torch.ones_like(there_11)
        probs_11K = self.chain.tensors(stream, x_11D, there_11, come_11, known_1L[:, :1], self.step_s)
        found = at_temperature(probs_11K[0, 0], self.temperature)
        self.places = self.places or list(stream.following)
        return found, step + 1, known_1L[:, 1:], *(stream.following[place] for place in self.places)

    def start(self) -> tuple[Tensor, ...]:
        """Number and state before the first step: zeros, of the shapes that a step gives."""
        waiting_1L = torch.zeros(1, self.head.lookahead, dtype=torch.bool)
        self.places = []
        frames_1D = torch.zeros(1, self.dim)
        found = self(frames_1D, torch.zeros((), dtype=torch.int64), waiting_1L)
        return tuple(torch.zeros_like(value) for value in found[1:])

    @property
    def dim(self) -> int:
        """Feature size D of a frame."""
        return self.chain.dim // 2 if self.pooling == "both" else self.chain.dim
