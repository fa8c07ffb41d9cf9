"""Dilated temporal convolutions of MS-TCN: layers, and a stage of them.

Farha, Gall: "MS-TCN: Multi-Stage Temporal Convolutional Network for Action Segmentation" (CVPR 2019), section 3.1;
with the parameter names of its release. Steps outside the mask are zero after every layer, which is what convolutions
pad with: a row's result is that of the row alone.
"""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.nn.stream import LooksBack


class DilatedConv1d(LooksBack, nn.Conv1d):
    """Convolution over three steps, ``dilation`` apart, that keeps the length.

    Args:
        channels: of input and output.
        dilation: steps between two taps.
        causal: the last tap, not the middle one, stands at the step itself.
    """

    def __init__(self, channels: int, dilation: int, causal: bool) -> None:
        super().__init__(channels, channels, 3, dilation=dilation, padding=0 if causal else dilation)
        self.back = 2 * dilation if causal else 0

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``input`` (B, C, T)."""
        return super().forward(self.with_past(input, self.back))


class DilatedResidual(nn.Module):
    """Dilated convolution, ReLU, 1x1 convolution, dropout, added to the input (MS-TCN, eq. 2 and 3)."""

    def __init__(self, width: int, dilation: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.conv_dilated = DilatedConv1d(width, dilation, causal)
        self.conv_1x1 = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BCT: Tensor, outside_B1T: Tensor) -> Tensor:
        change_BCT = self.dropout(self.conv_1x1(F.relu(self.conv_dilated(x_BCT))))
        return cast(Tensor, (x_BCT + change_BCT).masked_fill(outside_B1T, 0.0))


class Stage(nn.Module):
    """1x1 convolution, residual layers of dilation 1, 2, 4, ..., 1x1 convolution to the classes.

    Args:
        inputs: channels of the input.
        classes: channels of the output.
        width: channels in between.
        layers: number of residual layers.
        dropout: share dropped in each layer, in training.
        causal: look back only.
    """

    def __init__(self, inputs: int, classes: int, width: int, layers: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv1d(inputs, width, 1)
        self.layers = nn.ModuleList(DilatedResidual(width, 2**layer, dropout, causal) for layer in range(layers))
        self.conv_out = nn.Conv1d(width, classes, 1)

    def forward(self, x_BCT: Tensor, outside_B1T: Tensor) -> Tensor:
        """Logits (B, K, T), zero at masked steps.

        Args:
            x_BCT: input; finite at masked steps, where it isn't used.
            outside_B1T: bool, True at masked steps.
        """
        x_BCT = self.conv_1x1(x_BCT).masked_fill(outside_B1T, 0.0)
        for layer in self.layers:
            x_BCT = layer(x_BCT, outside_B1T)
        return cast(Tensor, self.conv_out(x_BCT).masked_fill(outside_B1T, 0.0))
