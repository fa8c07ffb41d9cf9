"""What every segmentation head offers: features in, class logits per step out, a loss and a decision."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from viewloom.heads.settings import HeadConfig
from viewloom.losses.base import LossOutput
from viewloom.losses.segmentation import step_cross_entropy
from viewloom.losses.teaching import mean_over, soft_cross_entropy
from viewloom.metrics.segments import IGNORE
from viewloom.nn.distributed import mean_count
from viewloom.nn.standardise import Standardiser

LIMIT = 10.0
"""Standardised features are cut off at this many deviations: one that hardly ever moved in training, and does so in
another view, would drown all others."""

ANY_VIEW = "any"
"""Heads don't tell views apart: all have one scale."""


class Head(nn.Module, ABC):
    """A temporal segmentation model over frame-wise features.

    The result for a row never depends on the other rows, nor on how far the batch pads it: whatever a head
    needs a length for is taken from the row's own mask (valid steps come first) and from its config.

    A new head implements `logits`, `loss` and `decode`; `forward` standardises before it calls `logits`. One whose
    cross-entropy isn't the sum of its levels' own also implements `voted`, so that it can learn from a teacher.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: the head's own settings.

    Attributes:
        scaling: statistics of the input; until they were taken (`viewloom train` does so) features pass unchanged.
        multi: whether a step may have any number of classes, each decided by itself (`viewloom.heads.multilabel`).
    """

    Config: ClassVar[type[HeadConfig]] = HeadConfig
    least_steps: ClassVar[int] = 600
    """Optimiser steps below which training stops too early, whatever the data: the default number of epochs gives
    as many at least."""
    knows_multi: ClassVar[bool] = True
    """Whether it can be trained on several labels a step: its `loss` and `decode` must look at nothing but their
    arguments, and take levels of any number of rows and classes."""
    streams: ClassVar[bool] = False
    """True if it can be computed block by block as its input comes, where it is `causal`: each step alone, or with what
    `viewloom.nn.stream.LooksBack` keeps of those before."""

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes
        self.config = config if config is not None else type(self).Config()
        self.multi = False
        self.scaling = Standardiser(dim, (ANY_VIEW,), "pooled" if self.config.standardise else "none")

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of every decoder level, each brought to T steps, finest first.

        Args:
            x_BTD: features, as they come from the data or the refiner; what stands at masked steps is never used.
            mask_BT: bool, True where a step is valid.
        """
        return self.logits(self.scaled(x_BTD, mask_BT), mask_BT)

    def scaled(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Standardised features, zeros at masked steps; the features themselves where there are no statistics."""
        if self.scaling.mode == "none" or not self.scaling.ready:
            return x_BTD
        outside_BT1 = ~mask_BT[..., None]
        z_BTD: Tensor = self.scaling(x_BTD.masked_fill(outside_BT1, 0.0), ANY_VIEW)
        return z_BTD.clamp(-LIMIT, LIMIT).masked_fill(outside_BT1, 0.0)

    def observe(self, x_BTD: Tensor, mask_BT: Tensor) -> None:
        """Take the valid steps of a batch into the statistics; `solve_scaling` makes use of them."""
        self.scaling.add(x_BTD[mask_BT], ANY_VIEW)

    def solve_scaling(self, together: bool = False) -> None:
        """Standardise by what was observed from now on; ``together`` by one deviation for all features."""
        self.scaling.solve(together)

    @property
    def needs_statistics(self) -> bool:
        """Whether the input is to be standardised, and its statistics are not there yet."""
        return not self.scaling.ready

    def shares(self, logits_BKT: Tensor) -> Tensor:
        """What a stage that refines others sees of their classes (B, K, T): probabilities, which sum to one at a step
        unless it may have several classes."""
        return logits_BKT.sigmoid() if self.multi else logits_BKT.softmax(dim=1)

    @property
    def causal(self) -> bool:
        """Whether no step later than the look-ahead changes a result, as it is set."""
        return self.streams and bool(getattr(self.config, "causal", True))

    @property
    def lookahead(self) -> int:
        """Steps after its own that a causal head waits for before it says what a step is."""
        return int(getattr(self.config, "lookahead_steps", 0))

    @property
    def longest_row(self) -> int | None:
        """Most steps that a row may have; None for any number."""
        return None

    @property
    def idle(self) -> frozenset[str]:
        """Names of parameters that change no result, hence never learn: some published networks have such."""
        return frozenset()

    @abstractmethod
    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """What `forward` returns, of features that are already standardised."""

    @abstractmethod
    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Training loss over valid, labelled steps; ``levels`` is what `forward` returned."""

    def voted(self, levels: list[Tensor]) -> list[Tensor]:
        """Log-probabilities (B, T, K), each of which has a cross-entropy in `loss`: every level's own, unless a head
        lets them vote first."""
        return [level_BTK.log_softmax(dim=-1) for level_BTK in levels]

    def loss_with_taught(
        self, levels: list[Tensor], labels_BT: Tensor, taught_BTK: Tensor, mask_BT: Tensor, weight: float
    ) -> LossOutput:
        """Training loss over labelled steps and over steps of which a teacher said the probabilities.

        One mean over both, in which a taught step weighs ``weight`` times as much as a labelled one, whatever share of
        the batch is taught; beside it stands what `loss` adds to its cross-entropy (smoothing). With certain
        probabilities and weight 1 it is `loss` with these as labels.

        Args:
            levels: what `forward` returned.
            labels_BT: class of each step; `IGNORE` where it has none.
            taught_BTK: class probabilities of steps without a label; zeros where nobody said any.
            mask_BT: bool, True where a step is valid.
            weight: of a taught step.
        """
        # Without a label a head's loss is all but its cross-entropy.
        rest = self.loss(levels, torch.full_like(labels_BT, IGNORE), mask_BT)
        labelled_BT = mask_BT & (labels_BT != IGNORE)
        taught_BT = mask_BT & ~labelled_BT & (taught_BTK.sum(dim=-1) > 0)
        counts = torch.stack([labelled_BT.sum(), taught_BT.sum()])
        counts = mean_count(counts) if self.training else counts
        labels_BT, one = labels_BT.masked_fill(~labelled_BT, IGNORE), counts.new_ones(())
        voted = self.voted(levels)
        of_labels = torch.stack([step_cross_entropy(logp_BTK, labels_BT, one) for logp_BTK in voted]).sum()
        of_taught = torch.stack([soft_cross_entropy(logp_BTK, taught_BTK, taught_BT) for logp_BTK in voted]).sum()
        parts = {"cross_entropy": mean_over(of_labels, counts[0]), "taught": mean_over(of_taught, counts[1])}
        total = rest.total + mean_over(of_labels + weight * of_taught, counts.sum())
        return LossOutput(total, rest.parts | {name: part.detach() for name, part in parts.items()})

    @abstractmethod
    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K), rows summing to one at valid steps."""
