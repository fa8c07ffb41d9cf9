"""Heads of several stages, each of which refines the classes that the one before it found.

Loss and decision of MS-TCN (Farha, Gall: "MS-TCN: Multi-Stage Temporal Convolutional Network for Action
Segmentation", CVPR 2019, section 3.3): every stage has a loss, the last one decides.
"""

from abc import abstractmethod

from torch import Tensor

from viewloom.heads.base import Head
from viewloom.heads.lookahead import ahead, behind
from viewloom.heads.settings import SmoothedConfig
from viewloom.losses.base import LossOutput
from viewloom.losses.segmentation import counts, smoothed_cross_entropy
from viewloom.nn.distributed import mean_count


class StagedHead(Head):
    """A head of one stage or several; the levels that `forward` returns are theirs, the last one's first."""

    config: SmoothedConfig

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """As `Head.forward`; a head with a look-ahead says what a step is so many steps later."""
        if not self.lookahead:
            return super().forward(x_BTD, mask_BT)
        levels = self.logits(*ahead(self.scaled(x_BTD, mask_BT), mask_BT, self.lookahead))
        return [behind(level_BTK, mask_BT, self.lookahead) for level_BTK in levels]

    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Cross-entropy plus the weighted, truncated smoothing term, summed over stages."""
        config, counted_2 = self.config, counts(labels_BT, mask_BT)
        counted_2 = mean_count(counted_2) if self.training else counted_2
        return smoothed_cross_entropy(
            self.voted(levels), labels_BT, mask_BT, counted_2, config.smoothing, config.smoothing_limit**2
        )

    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K) of the last stage."""
        return levels[0].softmax(dim=-1)


class ConvolutionalHead(StagedHead):
    """A staged head of convolutions, whose channels come before the steps."""

    @abstractmethod
    def stages(self, x_BCT: Tensor, outside_B1T: Tensor) -> list[Tensor]:
        """Logits (B, K, T) of every stage in the order they are computed, zero at masked steps.

        Args:
            x_BCT: features, zero at masked steps.
            outside_B1T: bool, True at masked steps.
        """

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of every stage, the last one's first; zero at masked steps."""
        outside_B1T = ~mask_BT[:, None]
        stages_BKT = self.stages(x_BTD.mT.masked_fill(outside_B1T, 0.0), outside_B1T)
        return [logits_BKT.mT for logits_BKT in reversed(stages_BKT)]
