"""Attention of a row's steps to some of its steps: those around them, or every so many.

No matrix of all steps by all steps is made. In blocks of W steps, memory grows with ``T * 2 W``; in S groups of every
S-th step, with ``T * T / S``. Steps that aren't valid are never looked at, and a step's block or group is counted from
the row's first step, so that a row is computed as if it were alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.nn.tracing import tracing

LEAK = 1e-6
"""What the released code of ASFormer adds to its masks of 0 and 1 before it takes their logarithm."""


def attend_blocks(
    q_BCT: Tensor,
    k_BCT: Tensor,
    v_BCT: Tensor,
    valid_BT: Tensor,
    width: int,
    *,
    causal: bool = False,
    released: bool = False,
) -> Tensor:
    """Steps look at their block of ``width`` steps and at half as many on either side of it.

    ASFormer (Yi, Wen, Jiang: "ASFormer: Transformer for Action Segmentation", BMVC 2021), section 3.1.

    Args:
        q_BCT: queries.
        k_BCT: keys; what stands at steps that aren't valid must be finite.
        v_BCT: values, likewise.
        valid_BT: bool, True where a step may be looked at.
        width: steps of a block.
        causal: look at the ``width`` steps before the block and at those of the block up to oneself.
        released: the masks of ASFormer's released code: the last step of a window is left out, and steps that aren't
            valid take `LEAK` of a share, which is lost.

    Returns:
        (B, C, T); zero where nothing may be looked at.
    """
    steps = q_BCT.shape[2]
    before, after = (width, 0) if causal else (width // 2, width // 2)
    window = before + width + after
    q_BNWC = _grouped(q_BCT, width).permute(0, 2, 3, 1)
    k_BNSC, v_BNSC = (
        _windows(part_BCT * valid_BT[:, None], width, before, after).permute(0, 2, 3, 1) for part_BCT in (k_BCT, v_BCT)
    )
    seen_BNWS = _windows(valid_BT, width, before, after)[:, :, None]
    place_S = torch.arange(window, device=q_BCT.device)
    if causal:
        seen_BNWS = seen_BNWS & (place_S <= before + place_S[:width, None])
    if released and width > 1:
        seen_BNWS = seen_BNWS & (place_S < window - 1)
    y_BNWC = _mixed(q_BNWC, k_BNSC, v_BNSC, seen_BNWS, released)
    return y_BNWC.permute(0, 3, 1, 2).flatten(2)[..., :steps]


def attend_behind(q_BCS: Tensor, k_BCN: Tensor, v_BCN: Tensor, valid_BN: Tensor, width: int, start: int) -> Tensor:
    """Causal `attend_blocks` for some steps of a row alone: S steps, of which the first has number ``start``.

    Args:
        q_BCS: queries of the S steps.
        k_BCN: keys of these, and before them of `steps_behind` others; zeros before the row begins.
        v_BCN: values, likewise.
        valid_BN: bool, True where a step may be looked at.
        width: steps of a block of attention.
        start: number of the first query's step in its row.

    Returns:
        (B, C, S).
    """
    own_S1 = start + torch.arange(q_BCS.shape[2], device=q_BCS.device)[:, None]
    place_N = start + q_BCS.shape[2] - valid_BN.shape[1] + torch.arange(valid_BN.shape[1], device=q_BCS.device)
    seen_SN = (place_N >= own_S1 - own_S1 % width - width) & (place_N <= own_S1)
    seen_BSN = seen_SN & valid_BN[:, None]
    return _mixed(q_BCS.mT, k_BCN.mT, (v_BCN * valid_BN[:, None]).mT, seen_BSN, False).mT


def steps_behind(width: int, steps: int) -> int:
    """Steps before S that `attend_behind` needs; where one of ``width`` and S is a multiple of the other."""
    return width + max(0, width - steps)


def attend_strided(q_BCT: Tensor, k_BCT: Tensor, v_BCT: Tensor, valid_BT: Tensor, stride: int) -> Tensor:
    """Steps look at every ``stride``-th step of their row, themselves among these. Arguments as above."""
    parts = (q_BCT, k_BCT, v_BCT * valid_BT[:, None])
    q_BGNC, k_BGNC, v_BGNC = (_grouped(part_BCT, stride).permute(0, 3, 2, 1) for part_BCT in parts)
    seen_BG1N = _grouped(valid_BT, stride).mT[:, :, None]
    y_BGNC = _mixed(q_BGNC, k_BGNC, v_BGNC, seen_BG1N, False)
    return y_BGNC.permute(0, 3, 2, 1).flatten(2)[..., : q_BCT.shape[2]]


def _windows(x_T: Tensor, width: int, before: int, after: int) -> Tensor:
    """Each group of ``width`` steps of the last axis with the steps before and after it, zeros beyond the ends:
    (..., N, before + width + after)."""
    window, steps = before + width + after, x_T.shape[-1]
    if tracing():  # with a group of zeros more, which nobody reads: one group alone would be a case of its own
        first_N1 = width * torch.arange((steps + width - 1) // width + 1, device=x_T.device)[:, None]
        padded_T = F.pad(x_T, (before, after + 2 * width))
        return padded_T[..., first_N1 + torch.arange(window, device=x_T.device)]
    return F.pad(x_T, (before, after + -steps % width)).unfold(x_T.ndim - 1, window, width)


def _grouped(x_T: Tensor, size: int) -> Tensor:
    """The last axis filled up with zeros and cut into groups of ``size``: (..., N, size)."""
    if tracing():
        return _windows(x_T, size, 0, 0)
    filled_T = F.pad(x_T, (0, -x_T.shape[-1] % size))
    return filled_T.reshape(*x_T.shape[:-1], -1, size)


def _mixed(q_QC: Tensor, k_KC: Tensor, v_KC: Tensor, seen_QK: Tensor, released: bool) -> Tensor:
    """Scaled dot-product attention over the last two axes; values that aren't seen must be zero."""
    scores_QK = q_QC @ k_KC.mT / math.sqrt(q_QC.shape[-1])
    if released:
        share_QK = seen_QK.to(scores_QK.dtype)
        weights_QK = (scores_QK + (share_QK + LEAK).log()).softmax(dim=-1) * share_QK
    else:
        # Not minus infinity: where nothing is seen that would be NaN; so it's a mean of zeros.
        weights_QK = scores_QK.masked_fill(~seen_QK, torch.finfo(scores_QK.dtype).min).softmax(dim=-1)
    return weights_QK @ v_KC
