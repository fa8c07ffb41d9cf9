"""Small networks from the features of a view to an addition to them: per step, by convolution, or by attention.

Each computes a row as if it were alone, from its valid steps: what stands elsewhere is zero to a convolution, and not
there to attention. Nothing is normalised over a batch. The last layer starts at zero, so that at first they add
nothing (Bachlechner et al.: "ReZero is All You Need", arXiv:2003.04887, for the same reason).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.nn.encoder import Sequences, encoder_layers
from viewloom.nn.settings import EncoderKind
from viewloom.nn.sizes import stage
from viewloom.nn.stream import LooksBack

TAPS = 3
"""Steps that a convolution sees at once."""


class TimeNet(nn.Module, ABC):
    """(B, T, P) to (B, T, Z), behind a linear map to ``hidden`` and before one to Z that starts at zero.

    Args:
        inputs: feature size P.
        hidden: width H in between.
        outputs: feature size Z.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        # Without offset: a constant for all steps is lost on every loss that takes means off.
        self.last = nn.Linear(hidden, outputs, bias=False)
        nn.init.zeros_(self.last.weight)

    def forward(self, x_BTP: Tensor, mask_BT: Tensor) -> Tensor:
        """The addition (B, T, Z), zeros at masked steps, of features that are zero there."""
        return self.last(self.inner(self.first(x_BTP), mask_BT)).masked_fill(~mask_BT[..., None], 0.0)  # type: ignore[no-any-return]

    @abstractmethod
    def inner(self, x_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """What stands between the first and the last map; masked steps may hold anything finite, also on return."""


class FrameNet(TimeNet):
    """Each step by itself: residual blocks of two layers.

    Args:
        inputs: feature size P.
        hidden: width H.
        outputs: feature size Z.
        layers: number of blocks.
        dropout: in training, inside each block.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int, dropout: float) -> None:
        super().__init__(inputs, hidden, outputs)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(hidden),
                nn.Linear(hidden, 2 * hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(2 * hidden, hidden),
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)

    def inner(self, x_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """The blocks, and a normalisation of each step."""
        for block in self.blocks:
            x_BTH = x_BTH + block(x_BTH)
        return self.norm(x_BTH)  # type: ignore[no-any-return]


class ConvBlock(LooksBack, nn.Module):
    """``x + Linear(GELU(dilated convolution of the normalised x))``, zeros standing for what is masked or outside.

    Args:
        hidden: width H.
        dilation: steps between two taps.
        dropout: in training, before the linear map.
        causal: the taps stand at the step and before it, not around it.
    """

    def __init__(self, hidden: int, dilation: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.dilation, self.causal = dilation, causal
        self.norm = nn.LayerNorm(hidden)
        self.taps = nn.Linear(TAPS * hidden, hidden)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, x_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """One block."""
        seen_BTH = self.norm(x_BTH).masked_fill(~mask_BT[..., None], 0.0)
        return x_BTH + self.out(self.drop(F.gelu(self.taps(self._neighbours(seen_BTH)))))  # type: ignore[no-any-return]

    def _neighbours(self, x_BTH: Tensor) -> Tensor:
        """Each step with those a dilation before and after, or one and two before, (B, T, 3H): a convolution is one
        product of them."""
        steps, far = x_BTH.shape[1], self.dilation
        padded = self.with_past(x_BTH.mT, 2 * far).mT if self.causal else F.pad(x_BTH, (0, 0, far, far))
        return torch.cat([padded[:, place * far : place * far + steps] for place in range(TAPS)], dim=-1)


class ConvNet(TimeNet):
    """Convolutions over time, each twice as far-reaching as the one before: L of them see ``2^L - 1`` steps each way.

    Dilated residual layers as those of Farha, Gall: "MS-TCN" (CVPR 2019, arXiv:1903.01945), section 3.1, with the
    normalisation of each step that batches have no part in.

    Args:
        inputs: feature size P.
        hidden: width H.
        outputs: feature size Z.
        layers: number of convolutions L.
        dropout: in training, inside each block.
        causal: look back only, twice as far.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, layers: int, dropout: float, causal: bool = False
    ) -> None:
        super().__init__(inputs, hidden, outputs)
        self.blocks = nn.ModuleList(ConvBlock(hidden, 2**layer, dropout, causal) for layer in range(layers))
        self.norm = nn.LayerNorm(hidden)

    def inner(self, x_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """The convolutions, and a normalisation of each step."""
        for block in self.blocks:
            x_BTH = block(x_BTH, mask_BT)
        return self.norm(x_BTH)  # type: ignore[no-any-return]


class AttentionNet(TimeNet):
    """Transformer layers over the valid steps of a row, with rotary positions; see `viewloom.nn.encoder`.

    Args:
        inputs: feature size P.
        hidden: width H.
        outputs: feature size Z.
        layers: number of encoder layers.
        dropout: in training.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, layers: int, dropout: float) -> None:
        super().__init__(inputs, hidden, outputs)
        self.layers = encoder_layers(stage(hidden, layers, 4, hidden), dropout)
        for layer in self.layers:
            layer.self_attn.dropout = 0.0  # type: ignore[union-attr]  # with it, attention takes twice as long on a CPU

    def inner(self, x_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """The layers; the last one normalises."""
        sequences = Sequences("time", mask_BT)
        y_NH = sequences.pack(x_BTH)
        for layer in self.layers:
            y_NH = layer(y_NH, sequences)
        return sequences.unpack(y_NH)


def build_net(
    kind: EncoderKind, inputs: int, hidden: int, outputs: int, layers: int, dropout: float, causal: bool = False
) -> TimeNet:
    """The network of a kind; ``causal`` makes convolutions look back only."""
    kinds: dict[EncoderKind, Callable[..., TimeNet]]
    kinds = {"frame": FrameNet, "conv": partial(ConvNet, causal=causal), "transformer": AttentionNet}
    return kinds[kind](inputs, hidden, outputs, layers, dropout)
