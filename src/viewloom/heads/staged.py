"""Heads of several stages, each of which refines the classes that the one before it found.

Loss and decision of MS-TCN (Farha, Gall: "MS-TCN: Multi-Stage Temporal Convolutional Network for Action
Segmentation", CVPR 2019, section 3.3): every stage has a loss, the last one decides.
"""

import torch
from torch import Tensor

from viewloom.heads.base import Head
from viewloom.losses.base import LossOutput
from viewloom.losses.segmentation import smoothing, step_cross_entropy
from viewloom.metrics.segments import IGNORE
from viewloom.nn.distributed import mean_count


class StagedHead(Head):
    """A head whose `logits` are those of its stages, the last stage first, and whose settings have ``smoothing``."""

    smoothing: float
    """Weight of the smoothing term beside the cross-entropy."""

    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Cross-entropy plus the weighted, truncated smoothing term, summed over stages."""
        labels_BT = labels_BT.masked_fill(~mask_BT, IGNORE)
        pairs_BP = mask_BT[:, 1:] & mask_BT[:, :-1]
        counts = torch.stack([(labels_BT != IGNORE).sum(), pairs_BP.sum()])
        labelled, pairs = mean_count(counts) if self.training else counts
        voted = self.voted(levels)
        entropy = torch.stack([step_cross_entropy(logp_BTK, labels_BT, labelled) for logp_BTK in voted]).sum()
        change = torch.stack([smoothing(logp_BTK, pairs_BP, pairs) for logp_BTK in voted]).sum()
        parts = {"cross_entropy": entropy.detach(), "smoothing": change.detach()}
        return LossOutput(entropy + self.smoothing * change, parts)

    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K) of the last stage."""
        return levels[0].softmax(dim=-1)
