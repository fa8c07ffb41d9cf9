"""From boundaries to segments: where they are, and what the steps between two of them have in common."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def peaks(logits_BT: Tensor, mask_BT: Tensor, threshold: float) -> Tensor:
    """Bool (B, T), True at local maxima of a probability that reach a threshold; the first step of a flat one.

    Args:
        logits_BT: logits of the probability; steps that aren't valid are lower than any other.
        mask_BT: bool, True where a step is valid.
        threshold: probability, above 0 and below 1.
    """
    low = float("-inf")
    padded_BT = F.pad(logits_BT.masked_fill(~mask_BT, low), (1, 1), value=low)
    before_BT, here_BT, after_BT = padded_BT[:, :-2], padded_BT[:, 1:-1], padded_BT[:, 2:]
    high_BT = here_BT >= math.log(threshold / (1 - threshold))
    return mask_BT & high_BT & (here_BT > before_BT) & (here_BT >= after_BT)


def segment_means(values_BTK: Tensor, begins_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """At each valid step the mean over the valid steps of its segment, (B, T, K); elsewhere the values as they are.

    Args:
        values_BTK: values.
        begins_BT: bool, True where a segment begins; every row's first one begins by itself.
        mask_BT: bool, True where a step is valid.
    """
    rows, steps, _ = values_BTK.shape
    # Segments are numbered through all rows, so that one sum over all does.
    first_B1 = torch.arange(rows, device=mask_BT.device)[:, None] * (steps + 1)
    segment_BT = first_B1 + begins_BT.cumsum(dim=1)
    valid_BT1 = mask_BT[..., None].to(values_BTK.dtype)
    terms_NK = torch.cat([values_BTK.masked_fill(~mask_BT[..., None], 0.0), valid_BT1], dim=-1).flatten(0, 1)
    sums_SK = terms_NK.new_zeros(rows * (steps + 1), terms_NK.shape[1])
    sums_SK = sums_SK.index_add(0, segment_BT.flatten(), terms_NK)
    means_SK = sums_SK[:, :-1] / sums_SK[:, -1:].clamp(min=1)
    return torch.where(mask_BT[..., None], means_SK[segment_BT], values_BTK)
