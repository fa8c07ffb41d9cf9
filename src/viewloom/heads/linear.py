"""Linear probe: one linear map a step, with no view of its neighbours. It measures features, not context."""

from typing import ClassVar

from torch import Tensor, nn

from viewloom.heads.base import Head
from viewloom.heads.settings import HeadConfig, LinearConfig
from viewloom.losses.base import LossOutput
from viewloom.losses.segmentation import step_cross_entropy
from viewloom.metrics.segments import IGNORE
from viewloom.nn.distributed import mean_count
from viewloom.registry import HEADS


@HEADS.register("linear")
class LinearHead(Head):
    """Logits are a linear function of each step's feature; trained by cross-entropy.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = LinearConfig
    config: LinearConfig
    least_steps = 600
    streams = True

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        self.linear = nn.Linear(dim, classes, bias=self.config.bias)

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """One level of logits (B, T, K), zero at masked steps."""
        outside_BT1 = ~mask_BT[..., None]
        logits_BTK = self.linear(x_BTD.masked_fill(outside_BT1, 0.0))
        return [logits_BTK.masked_fill(outside_BT1, 0.0)]

    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Cross-entropy over valid, labelled steps."""
        labels_BT = labels_BT.masked_fill(~mask_BT, IGNORE)
        count = (labels_BT != IGNORE).sum()
        entropy = step_cross_entropy(
            levels[0].log_softmax(dim=-1), labels_BT, mean_count(count) if self.training else count
        )
        return LossOutput(entropy, {"cross_entropy": entropy.detach()})

    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K)."""
        return levels[0].softmax(dim=-1)
