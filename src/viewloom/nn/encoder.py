"""Transformer encoder layers whose context is stated: one step alone, a row's time, or the batch.

The layer is that of Vaswani et al. ("Attention Is All You Need", arXiv:1706.03762): post-norm, ReLU, with the
parameter names of `torch.nn.TransformerEncoderLayer`, so that published weights load.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.nn.positions import rotate, rotation
from viewloom.nn.sizes import Stage

Context = Literal["frame", "time", "batch"]
"""What a step may look at.

frame: itself alone. Attention over a single step gives that step all the weight, so only its value and output
    projections act, and only valid steps are computed.
time: the valid steps of its own row, with rotary positions.
batch: the steps at the same place in all rows of the batch, with neither mask nor positions. This is what the
    released code does, by leaving out ``batch_first``; a result then depends on its batch mates. For parity only.
"""


@dataclass(frozen=True)
class Sequences:
    """Which steps of a (B, T, D) batch stand together in one sequence of attention.

    Attributes:
        context: the rule.
        mask_BT: bool, True where a step is valid.
    """

    context: Context
    mask_BT: Tensor

    def pack(self, x_BTD: Tensor) -> Tensor:
        """The sequences, (N, S, D): one a valid step, one a row, or one a place in time."""
        if self.context == "frame":
            return x_BTD[self.mask_BT][:, None]
        if self.context == "batch":
            return x_BTD.transpose(0, 1)
        return x_BTD.masked_fill(~self.mask_BT[..., None], 0.0)

    def unpack(self, y_NSD: Tensor) -> Tensor:
        """The sequences back in their places, (B, T, D), with zeros at masked steps."""
        if self.context == "frame":
            y_BTD = y_NSD.new_zeros((*self.mask_BT.shape, y_NSD.shape[-1]))
            y_BTD[self.mask_BT] = y_NSD[:, 0]
            return y_BTD
        y_BTD = y_NSD.transpose(0, 1) if self.context == "batch" else y_NSD
        return y_BTD.masked_fill(~self.mask_BT[..., None], 0.0)

    def keys(self) -> Tensor | None:
        """Bool (N, 1, 1, S), True where a step may be looked at; None for everywhere."""
        if self.context != "time":
            return None
        # A row without any valid step would be a softmax over nothing: NaN, also in gradients of other rows.
        empty_B1 = ~self.mask_BT.any(dim=1, keepdim=True)
        return (self.mask_BT | empty_B1)[:, None, None]


class SelfAttention(nn.Module):
    """Scaled dot-product self-attention; parameters and their start as in `torch.nn.MultiheadAttention`.

    Args:
        dim: model width.
        heads: number of heads; divides ``dim``.
        dropout: probability that an attention weight is dropped in training.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        assert dim % heads == 0, f"{heads} heads don't divide a width of {dim}"
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x_NSD: Tensor, sequences: Sequences) -> Tensor:
        """Attention within each of N sequences of S steps."""
        if x_NSD.shape[1] == 1:
            return self._alone(x_NSD)
        qkv_NS3D = F.linear(x_NSD, self.in_proj_weight, self.in_proj_bias)
        q_NHSW, k_NHSW, v_NHSW = (self._split(part) for part in qkv_NS3D.chunk(3, dim=-1))
        if sequences.context == "time":
            turn = rotation(x_NSD.shape[1], q_NHSW.shape[-1], q_NHSW)
            q_NHSW, k_NHSW = rotate(q_NHSW, *turn), rotate(k_NHSW, *turn)
        y_NHSW = F.scaled_dot_product_attention(
            q_NHSW, k_NHSW, v_NHSW, attn_mask=sequences.keys(), dropout_p=self.dropout if self.training else 0.0
        )
        return self.out_proj(y_NHSW.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _alone(self, x_N1D: Tensor) -> Tensor:
        """Attention over one key: its weight is one, so queries and keys need no computing."""
        dim = x_N1D.shape[-1]
        v_N1D = F.linear(x_N1D, self.in_proj_weight[2 * dim :], self.in_proj_bias[2 * dim :])
        if self.training and self.dropout > 0:
            # What is dropped is the weight, hence a head's whole value.
            kept_NH1 = F.dropout(v_N1D.new_ones(len(v_N1D), self.heads, 1), self.dropout)
            v_N1D = (v_N1D.view(len(v_N1D), self.heads, dim // self.heads) * kept_NH1).view_as(v_N1D)
        return self.out_proj(v_N1D)  # type: ignore[no-any-return]

    def _split(self, x_NSD: Tensor) -> Tensor:
        """(N, S, D) to (N, H, S, D / H)."""
        return x_NSD.view(*x_NSD.shape[:2], self.heads, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each added to its input and then normalised.

    Args:
        size: width, heads and feed-forward width (its number of layers is not used).
        dropout: probability, at attention weights, after attention, inside and after the feed-forward part.
    """

    def __init__(self, size: Stage, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(size.width, size.heads, dropout)
        self.linear1 = nn.Linear(size.width, size.feed_forward)
        self.linear2 = nn.Linear(size.feed_forward, size.width)
        self.norm1 = nn.LayerNorm(size.width)
        self.norm2 = nn.LayerNorm(size.width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_NSD: Tensor, sequences: Sequences) -> Tensor:
        """One layer over N sequences of S steps."""
        x_NSD = self.norm1(x_NSD + self.drop(self.self_attn(x_NSD, sequences)))
        hidden_NSF = self.drop(F.relu(self.linear1(x_NSD)))
        return self.norm2(x_NSD + self.drop(self.linear2(hidden_NSF)))  # type: ignore[no-any-return]


def encoder_layers(size: Stage, dropout: float) -> nn.ModuleList:
    """A stage's layers, each with a start of its own (`torch.nn.TransformerEncoder` starts with equal ones)."""
    return nn.ModuleList(EncoderLayer(size, dropout) for _ in range(size.layers))
