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


class Waiting(LooksBack, nn.Module):
    """Its input, so many steps later."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x_BCT: Tensor) -> Tensor:
        """``x_BCT`` (B, C, T), zeros before it."""
        return self.delayed(x_BCT, self.steps)


class DilatedResidual(nn.Module):
    """Dilated convolution, ReLU, 1x1 convolution, dropout, added to the input (MS-TCN, eq. 2 and 3).

    ``delay``: steps that the input waits before it is added to; a causal convolution of that dilation then looks as far
    ahead as back.
    """

    def __init__(self, width: int, dilation: int, dropout: float, causal: bool, delay: int = 0) -> None:
        super().__init__()
        self.waiting = Waiting(delay)
        self.conv_dilated = DilatedConv1d(width, dilation, causal)
        self.conv_1x1 = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BCT: Tensor, outside_B1T: Tensor) -> Tensor:
        change_BCT = self.dropout(self.conv_1x1(F.relu(self.conv_dilated(x_BCT))))
        return cast(Tensor, (self.waiting(x_BCT) + change_BCT).masked_fill(outside_B1T, 0.0))


def delays(lookahead: int, layers: int) -> list[int]:
    """Steps that the input of each layer waits, where the dilation of layer i is 2^i: that many, or none.

    Together they are the look-ahead: its binary digits say which layers wait. A layer that waits as long as its
    dilation looks ahead and back alike; so what it adds to is in step with what it adds, and no shift has to be
    learned. Of more than all layers together the rest is left to be learned.
    """
    return [min(lookahead, 2**layers - 1) & 2**layer for layer in range(layers)]


class Stage(nn.Module):
    """1x1 convolution, residual layers of dilation 1, 2, 4, ..., 1x1 convolution to the classes.

    Args:
        inputs: channels of the input.
        classes: channels of the output.
        width: channels in between.
        layers: number of residual layers.
        dropout: share dropped in each layer, in training.
        causal: look back only.
        lookahead: steps by which the output comes later, and what is added to in some layers with it (`delays`).
    """

    def __init__(
        self, inputs: int, classes: int, width: int, layers: int, dropout: float, causal: bool, lookahead: int = 0
    ) -> None:
        super().__init__()
        waits = delays(lookahead, layers)
        self.conv_1x1 = nn.Conv1d(inputs, width, 1)
        self.layers = nn.ModuleList(
            DilatedResidual(width, 2**layer, dropout, causal, waits[layer]) for layer in range(layers)
        )
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
