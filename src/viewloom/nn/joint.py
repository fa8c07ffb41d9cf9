"""The joint stream: one encoder over all views side by side. It is thrown away after pre-training."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from viewloom.nn.encoder import Sequences, encoder_layers
from viewloom.nn.settings import Context
from viewloom.nn.sizes import Stage


class JointStream(nn.Module):
    """Stages of encoder layers, with a linear map wherever the width changes, and one to D at the end if needed.

    Args:
        stages: the stages in order; the first is V * D wide.
        dim: feature size D of the result.
        dropout: of the encoder layers.
        context: what a step may look at.
    """

    def __init__(self, stages: Sequence[Stage], dim: int, dropout: float, context: Context) -> None:
        super().__init__()
        self.context: Context = context
        self.stages = nn.ModuleList(encoder_layers(size, dropout) for size in stages)
        widths = [size.width for size in stages] + [dim]
        self.links = nn.ModuleList(
            nn.Identity() if before == after and place == len(stages) - 1 else nn.Linear(before, after)
            for place, (before, after) in enumerate(pairwise(widths))
        )

    def forward(self, x_BVTD: Tensor, mask_BT: Tensor) -> Tensor:
        """One feature for all views of a moment.

        Args:
            x_BVTD: the views; what a view lacks must be zero.
            mask_BT: bool, True where a step is computed.

        Returns:
            (B, T, D), zeros at masked steps.
        """
        sequences = Sequences(self.context, mask_BT)
        y_PW = sequences.pack(torch.cat(x_BVTD.unbind(dim=1), dim=-1))
        for layers, link in zip(self.stages, self.links, strict=True):
            for layer in layers:  # type: ignore[attr-defined]
                y_PW = layer(y_PW, sequences)
            y_PW = link(y_PW)
        return sequences.unpack(y_PW)
