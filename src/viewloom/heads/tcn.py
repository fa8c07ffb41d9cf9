"""TCN: a single stage of dilated residual temporal convolutions, the plain strong baseline.

Farha, Gall: "MS-TCN: Multi-Stage Temporal Convolutional Network for Action Segmentation" (CVPR 2019), one stage.
"""

from typing import ClassVar

from torch import Tensor

from viewloom.heads.settings import HeadConfig, TCNConfig
from viewloom.heads.staged import ConvolutionalHead
from viewloom.nn.dilated import Stage
from viewloom.registry import HEADS


@HEADS.register("tcn")
class TCN(ConvolutionalHead):
    """One stage: every step sees 2^layers - 1 steps to each side, at full resolution.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = TCNConfig
    config: TCNConfig
    least_steps = 200
    streams = True

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        chosen = self.config
        sizes = dim, classes, chosen.width, chosen.layers, chosen.dropout
        self.stage = Stage(*sizes, chosen.causal, chosen.lookahead_steps)

    def stages(self, x_BCT: Tensor, outside_B1T: Tensor) -> list[Tensor]:
        """Logits (B, K, T) of the one stage."""
        return [self.stage(x_BCT, outside_B1T)]
