"""MS-TCN++: dual dilated layers predict, stages of dilated residual layers refine.

Li, Abu Farha, Liu, Cheng, Gall: "MS-TCN++: Multi-Stage Temporal Convolutional Network for Action Segmentation"
(TPAMI 2020, arXiv:2006.09220); with the sizes, and the names of the parameters, of its release. The released network
takes no mask: it is computed here, with the same result, as if each row were alone, whatever the batch.
"""

from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.heads.settings import HeadConfig, MSTCN2Config
from viewloom.heads.staged import ConvolutionalHead
from viewloom.nn.dilated import DilatedConv1d, Stage, Waiting, delays
from viewloom.registry import HEADS


@HEADS.register("ms_tcn2")
class MSTCN2(ConvolutionalHead):
    """A prediction generation stage, then refinement stages, each of which sees the probabilities of the one before.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = MSTCN2Config
    config: MSTCN2Config
    least_steps = 400
    streams = True

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        c = self.config
        self.PG = _Generation(dim, classes, c)
        self.Rs = nn.ModuleList(
            Stage(classes, classes, c.width, c.refinement_layers, c.dropout, c.causal) for _ in range(c.refinements)
        )

    def stages(self, x_BCT: Tensor, outside_B1T: Tensor) -> list[Tensor]:
        """Logits (B, K, T): of the prediction generation, then of each refinement."""
        stages_BKT = [self.PG(x_BCT, outside_B1T)]
        for refine in self.Rs:
            stages_BKT.append(refine(self.shares(stages_BKT[-1]), outside_B1T))
        return stages_BKT


class _Generation(nn.Module):
    """Dual dilated layers (section 3.2): one convolution's dilation doubles from layer to layer, the other's halves."""

    def __init__(self, dim: int, classes: int, config: MSTCN2Config) -> None:
        super().__init__()
        width, causal, dilations = config.width, config.causal, [2**layer for layer in range(config.layers)]
        self.conv_1x1_in = nn.Conv1d(dim, width, 1)
        self.conv_dilated_1 = nn.ModuleList(DilatedConv1d(width, far, causal) for far in reversed(dilations))
        self.conv_dilated_2 = nn.ModuleList(DilatedConv1d(width, near, causal) for near in dilations)
        self.conv_fusion = nn.ModuleList(nn.Conv1d(2 * width, width, 1) for _ in dilations)
        self.waiting = nn.ModuleList(map(Waiting, delays(config.lookahead_steps, config.layers)))
        self.dropout = nn.Dropout(config.dropout)
        self.conv_out = nn.Conv1d(width, classes, 1)

    def forward(self, x_BCT: Tensor, outside_B1T: Tensor) -> Tensor:
        x_BCT = self.conv_1x1_in(x_BCT).masked_fill(outside_B1T, 0.0)
        layers = self.conv_dilated_1, self.conv_dilated_2, self.conv_fusion, self.waiting
        for far, near, fuse, wait in zip(*layers, strict=True):
            fused_BCT = F.relu(fuse(torch.cat([far(x_BCT), near(x_BCT)], dim=1)))
            x_BCT = (wait(x_BCT) + self.dropout(fused_BCT)).masked_fill(outside_B1T, 0.0)
        return cast(Tensor, self.conv_out(x_BCT).masked_fill(outside_B1T, 0.0))
