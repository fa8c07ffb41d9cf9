"""ASFormer: dilated convolutions and attention within windows that grow from layer to layer; decoders refine.

Yi, Wen, Jiang: "ASFormer: Transformer for Action Segmentation" (BMVC 2021, arXiv:2110.08568), with the names of the
parameters of the released checkpoints. Where release and paper differ, it is as released, since weights depend on it:
windows start at one step and not at two, all steps of a block share a window, and queries and keys of a decoder are
those of its own features alone.

Other than there, steps that aren't valid have no say: not through the bias of the first convolution, nor in the
statistics of instance norm, nor in the sum of attention weights (`ASFormer.Config.masks`).
"""

import math
from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.heads.settings import ASFormerConfig, HeadConfig
from viewloom.heads.staged import StagedHead
from viewloom.nn.dilated import DilatedConv1d, Waiting, delays
from viewloom.nn.masked import instance_norm, step_norm
from viewloom.nn.stream import LooksBack
from viewloom.nn.window_attention import attend_behind, attend_blocks, steps_behind
from viewloom.registry import HEADS

DECAY = 3.0
"""Attention of decoder i is weighted by ``exp(-DECAY * i)``: later ones trust it less."""


@HEADS.register("asformer")
class ASFormer(StagedHead):
    """An encoder, and decoders that each refine the classes found so far.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = ASFormerConfig
    config: ASFormerConfig
    streams = True

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        self.encoder = _Stage(dim, classes, 1.0, self.config, self.config.lookahead_steps)
        self.decoders = nn.ModuleList(
            _Stage(classes, classes, math.exp(-DECAY * place), self.config) for place in range(self.config.decoders)
        )

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of the decoders, last first, and of the encoder; zero at masked steps."""
        x_BDT = x_BTD.mT.masked_fill(~mask_BT[:, None], 0.0)
        x_BDT = F.dropout1d(x_BDT, self.config.channel_dropout, self.training)
        level_BKT, features_BCT = self.encoder(x_BDT, None, mask_BT)
        levels = [level_BKT.mT]
        for decoder in self.decoders:
            level_BKT, features_BCT = decoder(self.shares(level_BKT), features_BCT, mask_BT)
            levels.append(level_BKT.mT)
        return levels[::-1]

    @property
    def idle(self) -> frozenset[str]:
        """An offset of all keys shifts all scores alike; who sees one step alone has nothing to weigh."""
        still = ["key_conv.bias"]
        if not self.config.causal:
            still += ["layers.0.att_layer.query_conv.", "layers.0.att_layer.key_conv."]
        names = (name for name, _ in self.named_parameters())
        return frozenset(name for name in names if any(part in name for part in still))


class _Stage(nn.Module):
    """Encoder or decoder: a projection, layers whose reach doubles, a classifier."""

    def __init__(self, inputs: int, classes: int, alpha: float, config: ASFormerConfig, lookahead: int = 0) -> None:
        super().__init__()
        waits = delays(lookahead, config.layers)
        self.conv_1x1 = nn.Conv1d(inputs, config.width, kernel_size=1)
        self.layers = nn.ModuleList(_Layer(2**depth, alpha, config, waits[depth]) for depth in range(config.layers))
        self.conv_out = nn.Conv1d(config.width, classes, kernel_size=1)

    def forward(self, x_BCT: Tensor, cross_BCT: Tensor | None, valid_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, T) and features (B, C, T), zeros at steps that aren't valid.

        Args:
            x_BCT: what is projected.
            cross_BCT: features whose values are attended to; None for the layers' own.
            valid_BT: bool, True where a step is valid.
        """
        outside_B1T = ~valid_BT[:, None]
        x_BCT = self.conv_1x1(x_BCT).masked_fill(outside_B1T, 0.0)
        for layer in self.layers:
            x_BCT = layer(x_BCT, cross_BCT, valid_BT)
        return self.conv_out(x_BCT).masked_fill(outside_B1T, 0.0), x_BCT


class _Layer(nn.Module):
    """Dilated convolution, attention added to it ``alpha`` times, a linear map, added to the input."""

    def __init__(self, reach: int, alpha: float, config: ASFormerConfig, wait: int) -> None:
        super().__init__()
        self.waiting = Waiting(wait)
        self.alpha, self.causal = alpha, config.causal
        self.feed_forward = _FeedForward(reach, config)
        self.att_layer = _Attention(reach, config)
        self.conv_1x1 = nn.Conv1d(config.width, config.width, kernel_size=1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BCT: Tensor, cross_BCT: Tensor | None, valid_BT: Tensor) -> Tensor:
        found_BCT = self.feed_forward(x_BCT)
        normed_BCT = step_norm(found_BCT) if self.causal else instance_norm(found_BCT, valid_BT)
        attended_BCT = self.att_layer(normed_BCT, normed_BCT if cross_BCT is None else cross_BCT, valid_BT)
        added_BCT = self.dropout(self.conv_1x1(found_BCT + self.alpha * attended_BCT))
        return cast(Tensor, (self.waiting(x_BCT) + added_BCT).masked_fill(~valid_BT[:, None], 0.0))


class _FeedForward(nn.Module):
    """Dilated convolution over three steps, ReLU; causal, over a step and two before it."""

    def __init__(self, dilation: int, config: ASFormerConfig) -> None:
        super().__init__()
        self.layer = nn.Sequential(DilatedConv1d(config.width, dilation, config.causal), nn.ReLU())

    def forward(self, x_BCT: Tensor) -> Tensor:
        return cast(Tensor, self.layer(x_BCT))


class _Attention(LooksBack, nn.Module):
    """Attention within windows; queries and keys of one input, values of another."""

    def __init__(self, window: int, config: ASFormerConfig) -> None:
        super().__init__()
        self.window, self.causal, self.released = window, config.causal, config.masks == "released"
        inner = config.width // config.reduction
        self.query_conv = nn.Conv1d(config.width, inner, kernel_size=1)
        self.key_conv = nn.Conv1d(config.width, inner, kernel_size=1)
        self.value_conv = nn.Conv1d(config.width, inner, kernel_size=1)
        self.conv_out = nn.Conv1d(inner, config.width, kernel_size=1)

    def forward(self, x_BCT: Tensor, values_BCT: Tensor, valid_BT: Tensor) -> Tensor:
        parts = self.query_conv(x_BCT), self.key_conv(x_BCT), self.value_conv(values_BCT)
        if self.stream is None:
            y_BCT = attend_blocks(*parts, valid_BT, self.window, causal=self.causal, released=self.released)
        else:
            y_BCT = self._in_stream(*parts, valid_BT, self.stream.start)
        return cast(Tensor, self.conv_out(F.relu(y_BCT)))

    def _in_stream(self, q_BCS: Tensor, k_BCS: Tensor, v_BCS: Tensor, valid_BS: Tensor, start: int) -> Tensor:
        behind = steps_behind(self.window, q_BCS.shape[2])
        k_BCN, v_BCN = self.with_past(k_BCS, behind, "k"), self.with_past(v_BCS, behind, "v")
        valid_BN = self.with_past(valid_BS, behind, "valid")
        return attend_behind(q_BCS, k_BCN, v_BCN, valid_BN, self.window, start)
