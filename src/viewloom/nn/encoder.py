"""Transformer encoder layers whose context is stated: one step alone, a row's time, or the batch.

The layer is that of Vaswani et al. ("Attention Is All You Need", arXiv:1706.03762): post-norm, ReLU, with the
parameter names of `torch.nn.TransformerEncoderLayer`, so that published weights load.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.nn.positions import rotate, rotation
from viewloom.nn.settings import Context
from viewloom.nn.sizes import Stage
from viewloom.nn.tracing import tracing


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
        """What is computed, (..., D): the valid steps (N, D) of all rows one after the other; with context batch
        every step, (T, B, D)."""
        if tracing() and self.context != "batch":  # how many are valid has no name: all are computed, and masked
            return x_BTD
        return x_BTD.transpose(0, 1) if self.context == "batch" else x_BTD[self._places]

    def unpack(self, y_PD: Tensor) -> Tensor:
        """The packed steps back in their places, (B, T, D), with zeros at masked steps."""
        if self.context == "batch":
            return y_PD.transpose(0, 1).masked_fill(~self.mask_BT[..., None], 0.0)
        if tracing():
            return y_PD.masked_fill(~self.mask_BT[..., None], 0.0)
        y_BTD = y_PD.new_zeros((*self.mask_BT.shape, y_PD.shape[-1]))
        y_BTD[self._places] = y_PD
        return y_BTD

    @cached_property
    def lengths(self) -> list[int]:
        """Number of valid steps of each row that has any: the lengths of the sequences in time."""
        return [length for length in self.mask_BT.sum(dim=1).tolist() if length]

    def rotation(self, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (N, 1, ``width`` // 2) of each packed step's place in its row, for heads this wide."""
        key = (width, like.dtype)
        if key not in self._rotations:
            tables = rotation(self.mask_BT.shape[1], width, like)
            cos_NP, sin_NP = (table_TP if tracing() else table_TP[self._places[1]] for table_TP in tables)
            self._rotations[key] = cos_NP[:, None], sin_NP[:, None]
        return self._rotations[key]

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        """Row and step of each valid step, found once for all layers: a GPU has to be waited for here."""
        rows_N, steps_N = self.mask_BT.nonzero(as_tuple=True)
        return rows_N, steps_N

    @cached_property
    def _rotations(self) -> dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]]:
        return {}


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

    def forward(self, x_PD: Tensor, sequences: Sequences) -> Tensor:
        """Attention within each sequence; ``x_PD`` as `Sequences.pack` gives it."""
        if sequences.context == "frame":
            y_PD = self._alone(x_PD)
        else:
            qkv_P3D = F.linear(x_PD, self.in_proj_weight, self.in_proj_bias)
            q_PHW, k_PHW, v_PHW = (self._split(part_PD) for part_PD in qkv_P3D.chunk(3, dim=-1))
            in_time = sequences.context == "time"
            y_PD = self._in_time(q_PHW, k_PHW, v_PHW, sequences) if in_time else self._attend(q_PHW, k_PHW, v_PHW)
        return self.out_proj(y_PD)  # type: ignore[no-any-return]

    def _alone(self, x_ND: Tensor) -> Tensor:
        """Attention over one key: its weight is one, so queries and keys need no computing."""
        dim = x_ND.shape[-1]
        v_ND = F.linear(x_ND, self.in_proj_weight[2 * dim :], self.in_proj_bias[2 * dim :])
        if not self.training or self.dropout == 0:
            return v_ND
        # What is dropped is the weight, hence a head's whole value.
        kept_NH1 = F.dropout(v_ND.new_ones(len(v_ND), self.heads, 1), self.dropout)
        return (self._split(v_ND) * kept_NH1).flatten(-2)

    def _in_time(self, q_NHW: Tensor, k_NHW: Tensor, v_NHW: Tensor, sequences: Sequences) -> Tensor:
        """Attention over each row's own steps, row by row: no mask is needed, and none of the padding computed."""
        turn = sequences.rotation(q_NHW.shape[-1], q_NHW)
        parts = (rotate(q_NHW, *turn), rotate(k_NHW, *turn), v_NHW)
        if tracing():
            return self._attend(*parts, sequences.mask_BT[:, None, None])
        rows = zip(*(torch.split(part, sequences.lengths) for part in parts), strict=True)
        attended = [self._attend(*(part[None] for part in row))[0] for row in rows]
        return torch.cat(attended) if attended else v_NHW.flatten(-2)

    def _attend(self, q_NSHW: Tensor, k_NSHW: Tensor, v_NSHW: Tensor, seen: Tensor | None = None) -> Tensor:
        """Attention within each of N sequences of S steps, (N, S, D); to the steps ``seen`` (N, 1, 1, S), by default
        all."""
        q_NHSW, k_NHSW, v_NHSW = (part.transpose(1, 2) for part in (q_NSHW, k_NSHW, v_NSHW))
        dropout = self.dropout if self.training else 0.0
        y_NHSW = F.scaled_dot_product_attention(q_NHSW, k_NHSW, v_NHSW, seen, dropout_p=dropout)
        return y_NHSW.transpose(1, 2).flatten(2)

    def _split(self, x_PD: Tensor) -> Tensor:
        """(..., D) to (..., H, D / H)."""
        return x_PD.view(*x_PD.shape[:-1], self.heads, x_PD.shape[-1] // self.heads)


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

    def forward(self, x_PD: Tensor, sequences: Sequences) -> Tensor:
        """One layer over packed steps."""
        x_PD = self.norm1(x_PD + self.drop(self.self_attn(x_PD, sequences)))
        hidden_PF = self.drop(F.relu(self.linear1(x_PD)))
        return self.norm2(x_PD + self.drop(self.linear2(hidden_PF)))  # type: ignore[no-any-return]


def encoder_layers(size: Stage, dropout: float) -> nn.ModuleList:
    """A stage's layers, each with a start of its own (`torch.nn.TransformerEncoder` starts with equal ones)."""
    return nn.ModuleList(EncoderLayer(size, dropout) for _ in range(size.layers))
