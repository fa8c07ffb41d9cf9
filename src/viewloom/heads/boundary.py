"""Boundary: any head finds actions, stages beside it find where they change, and each segment takes one action.

Ishikawa, Kasai, Aoki, Kataoka: "Alleviating Over-segmentation Errors by Detecting Action Boundaries" (WACV 2021,
arXiv:2007.06866), the boundary regression branch and the refinement. There both branches share the features of one
network; here the boundaries' has the standardised input, which every head has, and layers of its own. So its errors
aren't those of the inner head, whose gradients are what they are without it.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.heads.base import Head
from viewloom.heads.settings import BoundaryConfig, HeadConfig
from viewloom.losses.base import LossOutput
from viewloom.losses.boundaries import balance, boundary_cross_entropy, label_boundaries, soft_boundaries
from viewloom.losses.segmentation import IGNORE
from viewloom.losses.teaching import mean_over
from viewloom.nn.boundaries import peaks, segment_means
from viewloom.nn.dilated import Stage
from viewloom.nn.distributed import mean_count
from viewloom.registry import HEADS


@HEADS.register("boundary")
class Boundary(Head):
    """A head of any kind, whose segments begin where boundaries are found.

    Levels are those of the inner head, and behind them one of each boundary stage, the last one first: a logit a step,
    repeated for every class.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = BoundaryConfig
    config: BoundaryConfig
    least_steps = 600
    """As many as any inner head needs."""
    knows_multi = False
    """A boundary ends one segment and begins another, and segments of several classes have none in common."""

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        c = self.config
        self.inner: Head = HEADS.get(c.inner)(dim, classes, c.inner_config)
        self.stages = nn.ModuleList(
            Stage(dim if not place else 1, 1, c.width, c.layers, c.dropout, causal=False) for place in range(c.stages)
        )

    @property
    def idle(self) -> frozenset[str]:
        """Those of the inner head."""
        return frozenset(f"inner.{name}" for name in self.inner.idle)

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of the inner head's levels, then of the boundary stages."""
        levels, outside_B1T = self.inner.logits(x_BTD, mask_BT), ~mask_BT[:, None]
        edges_B1T = [self.stages[0](x_BTD.mT.masked_fill(outside_B1T, 0.0), outside_B1T)]
        for stage in self.stages[1:]:
            edges_B1T.append(stage(edges_B1T[-1].sigmoid().masked_fill(outside_B1T, 0.0), outside_B1T))
        return levels + [edge_B1T.mT.expand(-1, -1, self.classes) for edge_B1T in reversed(edges_B1T)]

    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """The inner head's loss, plus the weighted loss of the boundaries over steps that know their neighbour."""
        inner, edges = self._parted(levels)
        targets_BT, known_BT = label_boundaries(labels_BT, mask_BT)
        of_labels, _ = self._means(edges, targets_BT, known_BT, torch.zeros_like(known_BT), 1.0)
        found = self.inner.loss(inner, labels_BT, mask_BT)
        return LossOutput(found.total + of_labels, found.parts | {"boundary": of_labels.detach()})

    def voted(self, levels: list[Tensor]) -> list[Tensor]:
        """Those of the inner head."""
        return self.inner.voted(self._parted(levels)[0])

    def loss_with_taught(
        self, levels: list[Tensor], labels_BT: Tensor, taught_BTK: Tensor, mask_BT: Tensor, weight: float
    ) -> LossOutput:
        """As the inner head learns from a teacher; so do the boundaries, by how far what it says changes.

        A step of which the teacher said something, or which follows such a one, weighs ``weight``, and one mean is over
        both kinds.
        """
        inner, edges = self._parted(levels)
        labelled_BT = mask_BT & (labels_BT != IGNORE)
        known_BT = mask_BT & (labelled_BT | (taught_BTK.sum(dim=-1) > 0))
        certain_BTK = F.one_hot(labels_BT.masked_fill(~labelled_BT, 0), self.classes).to(taught_BTK.dtype)
        probs_BTK = torch.where(labelled_BT[..., None], certain_BTK, taught_BTK)
        targets_BT, known_BT = soft_boundaries(probs_BTK, known_BT)
        _, by_labels_BT = label_boundaries(labels_BT, mask_BT)
        both, of_taught = self._means(edges, targets_BT, by_labels_BT, known_BT & ~by_labels_BT, weight)
        found = self.inner.loss_with_taught(inner, labels_BT, taught_BTK, mask_BT, weight)
        parts = {"boundary": both.detach(), "boundary_taught": of_taught.detach()}
        return LossOutput(found.total + both, found.parts | parts)

    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K), the same for all steps of a segment between two boundaries."""
        inner, edges = self._parted(levels)
        probs_BTK = self.inner.decode(inner, mask_BT)
        if self.config.vote == "majority":
            probs_BTK = F.one_hot(probs_BTK.argmax(dim=-1), self.classes).to(probs_BTK.dtype)
        return segment_means(probs_BTK, peaks(edges[0], mask_BT, self.config.threshold), mask_BT)

    def _parted(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Levels of the inner head, and logits (B, T) of the boundary stages, the last one first."""
        count = len(self.stages)
        return levels[:-count], [level_BTK[..., 0] for level_BTK in levels[-count:]]

    def _means(
        self, edges: list[Tensor], targets_BT: Tensor, by_labels_BT: Tensor, taught_BT: Tensor, weight: float
    ) -> tuple[Tensor, Tensor]:
        """The weighted mean loss over steps of both kinds, and that over taught ones alone; of all processes."""
        wide, known_BT = torch.promote_types(edges[0].dtype, torch.float32), by_labels_BT | taught_BT
        edges, targets_BT = [edge_BT.to(wide) for edge_BT in edges], targets_BT.to(wide).masked_fill(~known_BT, 0.0)
        counts_3 = torch.stack([known_BT.sum().to(wide), taught_BT.sum().to(wide), targets_BT.sum()])
        steps, taught, boundaries = mean_count(counts_3) if self.training else counts_3
        positive = balance(steps, boundaries)
        if self.config.positive_weight is not None:
            positive = torch.full_like(positive, self.config.positive_weight)
        of_labels, of_taught = (
            boundary_cross_entropy(edges, targets_BT, kind_BT, positive) for kind_BT in (by_labels_BT, taught_BT)
        )
        share = self.config.loss_weight
        both = share * mean_over(of_labels + weight * of_taught, steps)
        return both, share * mean_over(of_taught, taught)
