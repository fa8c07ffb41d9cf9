"""A causal head, and a causal refiner before it, computed block by block: offline over whole items, or as steps come.

Both go through `StepStream`, in blocks of one shape on one grid (`viewloom.nn.stream`). So what a stream says as its
frames come in equals, to the bit, what `viewloom predict` and `viewloom evaluate` say of the finished recording.

A whole item is one stream: windows of at most `max_chunks` steps cut what is trained on, and nothing here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.errors import ConfigError, listed
from viewloom.heads.base import Head
from viewloom.heads.multilabel import probabilities
from viewloom.methods.refiner import Refiner
from viewloom.nn.stream import BLOCK, LooksBack, Stream, flowing, looking_back
from viewloom.registry import HEADS, METHODS
from viewloom.training.threads import inference_threads, using_threads

Steps = NDArray[np.float32]


def streams(head: Head, refiner: Refiner | None) -> bool:
    """Whether a chain can be computed as its input comes: head and refiner look back only."""
    return head.causal and (refiner is None or refiner.causal)


def refuse_looking_ahead(head: Head, refiner: Refiner | None) -> None:
    """`ConfigError` for a chain that can't be computed as its input comes, with what to set instead."""
    if not head.causal:
        able = [name for name in HEADS.names() if HEADS.get(name).streams]
        raise ConfigError(
            f"The head {HEADS.name_of(type(head))}{_as_set(head.streams)} looks at later steps, and can't segment a "
            f"stream. Train one of {listed(able)}, with --head_options.causal true where it has that setting."
        )
    if refiner is not None and not refiner.causal:
        raise ConfigError(
            f"The refiner {refiner.method}{_as_set(refiner.streams)} looks at later steps, and can't stand before a "
            "head that segments a stream. "
            + (
                "Pre-train it with --method_options.causal true, or context frame."
                if refiner.streams
                else f"Use another of {listed(METHODS.names(), 30)}, such as cca."
            )
        )


def _as_set(able: bool) -> str:
    return ", as it was trained," if able else ""


@dataclass(frozen=True)
class Chain:
    """Refiner (or none) and head for one view, in evaluation mode.

    Attributes:
        head: the segmentation head; `Head.causal`.
        refiner: what stands before it, or None; `Refiner.causal`.
        view: which view it is.
        device: where to compute.
    """

    head: Head
    refiner: Refiner | None
    view: str
    device: torch.device

    @cached_property
    def layers(self) -> dict[str, LooksBack]:
        """What looks back, by name."""
        return looking_back(*self._networks)

    @property
    def _networks(self) -> list[torch.nn.Module]:
        return [self.head] if self.refiner is None else [self.refiner, self.head]

    @cached_property
    def _dtype(self) -> torch.dtype:
        return next(self.head.parameters()).dtype

    @cached_property
    def _whole_steps(self) -> bool:
        """Whether the refiner takes each step by itself; it is shown all of a block then, and computes one shape."""
        return self.refiner is None or not looking_back(self.refiner)

    @cached_property
    def _threads(self) -> int | None:
        return inference_threads(self.device, *self._networks)

    @property
    def dim(self) -> int:
        """Feature size D of a step."""
        return self.head.dim if self.refiner is None else self.refiner.dim_of(self.view)

    @torch.inference_mode()
    def block(
        self,
        stream: Stream,
        x_SD: Tensor,
        there_S: Tensor,
        come_S: Tensor,
        decided_S: Tensor,
        step_s: float | None,
    ) -> Steps:
        """Class probabilities (S, K) of a block of a stream; of the step a look-ahead before each.

        Args:
            stream: what came before.
            x_SD: features, zeros where there are none.
            there_S: bool, True where a step has features.
            come_S: bool, True up to the last step that has come.
            decided_S: bool, ``there_S`` of the steps a look-ahead before.
            step_s: seconds of a step.
        """
        there_1S, come_1S, decided_1S = (flags_S.to(self.device)[None] for flags_S in (there_S, come_S, decided_S))
        with using_threads(self._threads):
            x_1SD = x_SD.to(self.device, self._dtype)[None]
            return self.tensors(stream, x_1SD, there_1S, come_1S, decided_1S, step_s)[0].float().cpu().numpy()

    def tensors(
        self,
        stream: Stream,
        x_1SD: Tensor,
        there_1S: Tensor,
        come_1S: Tensor,
        decided_1S: Tensor,
        step_s: float | None,
    ) -> Tensor:
        """`block` of tensors where the networks are, to class probabilities (1, S, K)."""
        with flowing(self.layers, stream):
            if self.refiner is not None:
                seen_1S = torch.ones_like(there_1S) if self._whole_steps else there_1S
                x_1SD = self.refiner.encode(x_1SD, seen_1S, self.view, step_s).masked_fill(~there_1S[..., None], 0.0)
            x_1SD = self.head.scaled(x_1SD, there_1S)
            levels = self.head.logits(x_1SD, come_1S if self.head.lookahead else there_1S)
            levels = [level_1SK.masked_fill(~decided_1S[..., None], 0.0) for level_1SK in levels]
            return probabilities(self.head, levels, decided_1S)


class StepStream:
    """Steps of one chunk size in, class probabilities out, as soon as they are decided.

    Args:
        chain: refiner and head.
        step_s: seconds of a step; None: as the refiner learned.

    Attributes:
        steps: how many have come.
        features_SD: those of the block that isn't full yet.
        there_J: whether steps have features: as many as the look-ahead before the block, and those of the block.
        stream: what layers keep of the blocks before.
    """

    def __init__(self, chain: Chain, step_s: float | None) -> None:
        self.chain, self.step_s = chain, step_s
        self.steps = 0
        self.stream = Stream()
        self.features_SD = torch.zeros(BLOCK, chain.dim)
        self.there_J = torch.zeros(chain.head.lookahead + BLOCK, dtype=torch.bool)

    def put(self, x_SD: Steps, there_S: NDArray[np.bool_]) -> Steps:
        """Class probabilities (N, K) of the steps that are decided by S more: none, S, or in between.

        Args:
            x_SD: their features.
            there_S: bool, False for steps without any frame.
        """
        lookahead, found = self.chain.head.lookahead, [np.empty((0, self.chain.head.classes), np.float32)]
        early = max(0, lookahead - self.steps)
        while len(x_SD):
            filled = self.steps % BLOCK
            taken = min(BLOCK - filled, len(x_SD))
            self.features_SD[filled : filled + taken] = torch.from_numpy(x_SD[:taken])
            self.there_J[lookahead + filled : lookahead + filled + taken] = torch.from_numpy(there_S[:taken])
            found.append(self._computed(filled + taken)[filled : filled + taken])
            self.steps += taken
            x_SD, there_S = x_SD[taken:], there_S[taken:]
            if not self.steps % BLOCK:
                self._next_block()
        return np.concatenate(found)[early:]

    def end(self) -> Steps:
        """Class probabilities of the steps that still wait for later ones, which there won't be."""
        lookahead = self.chain.head.lookahead
        return self.put(np.zeros((lookahead, self.chain.dim), np.float32), np.zeros(lookahead, np.bool_))

    def _computed(self, filled: int) -> Steps:
        lookahead = self.chain.head.lookahead
        there_S, decided_S = self.there_J[lookahead:], self.there_J[:BLOCK]
        # Copies: where in memory numbers begin must not decide how they are rounded.
        parts = self.features_SD.clone(), there_S.clone(), torch.arange(BLOCK) < filled, decided_S.clone()
        return self.chain.block(self.stream, *parts, self.step_s)

    def _next_block(self) -> None:
        self.stream.advance()
        self.features_SD.zero_()
        self.there_J = torch.cat([self.there_J[BLOCK:], torch.zeros(BLOCK, dtype=torch.bool)])


def whole(stream: StepStream, pooled: Iterable[tuple[Steps, NDArray[np.bool_]]]) -> Steps:
    """Class probabilities (S, K) of all steps of a row, in order.

    Args:
        stream: a new one.
        pooled: features and flags of the row's steps, in pieces.
    """
    return np.concatenate([*_each(stream, pooled), stream.end()])


def _each(stream: StepStream, pooled: Iterable[tuple[Steps, NDArray[np.bool_]]]) -> Iterator[Steps]:
    for x_SD, there_S in pooled:
        yield stream.put(x_SD, there_S)
