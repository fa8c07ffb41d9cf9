"""Loss of a temporal segmentation head with several levels or stages.

Cross-entropy and the truncated smoothing term of MS-TCN (Farha, Gall: "MS-TCN: Multi-Stage Temporal Convolutional
Network for Action Segmentation", CVPR 2019, eq. 9), of every stage as there, or of the levels' ensemble as in C2F-TCN
(Singhania, Rahaman, Yao: "Coarse to Fine Multi-Resolution Temporal Convolutional Network", arXiv:2105.10859).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.losses.base import LossOutput

IGNORE = -100
"""Label of a step that has none."""
MAX_SQUARE = 16.0
"""Squared changes of a log-probability above this are taken for it: MS-TCN's limit of 4."""
MIN_LOG = -1e4
"""Logarithm standing for a weight of zero: its exponential is zero, and no gradient turns to NaN."""


def mean_probabilities(levels_BTK: Sequence[Tensor], weights_L: Tensor) -> Tensor:
    """Weighted mean of the levels' softmaxed logits, (B, T, K); rows sum to one.

    Args:
        levels_BTK: logits of each level, at the same T.
        weights_L: weight of each level, not negative, not all zero; their scale doesn't matter.
    """
    shares = weights_L / weights_L.sum()
    total_BKT: Tensor | None = None
    for level_BTK, share in zip(levels_BTK, shares, strict=True):
        voted_BKT = F.softmax(level_BTK.mT, dim=1) * share
        total_BKT = voted_BKT if total_BKT is None else total_BKT + voted_BKT
    assert total_BKT is not None
    return total_BKT.mT


def mean_log_probabilities(levels_BTK: Sequence[Tensor], weights_L: Tensor, floor: float = 0.0) -> Tensor:
    """Logarithm of `mean_probabilities`, by log-sum-exp: finite and with a gradient however small it is.

    Args:
        levels_BTK: logits of each level, at the same T.
        weights_L: weight of each level, not negative, not all zero.
        floor: added to each probability before the logarithm. The released code of C2F-TCN adds 1e-10, which
            stops a class from learning where its probability is far below that.
    """
    shares = (weights_L / weights_L.sum()).log().clamp(min=MIN_LOG)
    total_BKT: Tensor | None = None
    for level_BTK, share in zip(levels_BTK, shares, strict=True):
        logs_BKT = F.log_softmax(level_BTK.mT, dim=1) + share
        total_BKT = logs_BKT if total_BKT is None else torch.logaddexp(total_BKT, logs_BKT)
    assert total_BKT is not None
    if floor > 0:
        total_BKT = torch.logaddexp(total_BKT, total_BKT.new_tensor(math.log(floor)))
    return total_BKT.mT


def step_cross_entropy(
    logp_BTK: Tensor, labels_BT: Tensor, count: Tensor | None = None, ignore: int = IGNORE
) -> Tensor:
    """Mean of -log p(label) over labelled steps; zero where there is none.

    Args:
        logp_BTK: log-probabilities.
        labels_BT: class of each step, int64; ``ignore`` where it has none.
        count: what the sum is divided by; by default the number of labelled steps.
        ignore: label of a step that doesn't count.
    """
    total = F.nll_loss(logp_BTK.mT, labels_BT, ignore_index=ignore, reduction="sum")
    count = (labels_BT != ignore).sum() if count is None else count
    return total / count.clamp(min=1)


def smoothing(
    logp_BTK: Tensor, pairs_BP: Tensor, count: Tensor | None = None, max_square: float = MAX_SQUARE
) -> Tensor:
    """Mean squared change of log-probabilities from one step to the next, truncated (MS-TCN, eq. 9).

    The earlier step of each pair gets no gradient.

    Args:
        logp_BTK: log-probabilities.
        pairs_BP: bool (B, T - 1), True where step t + 1 and its predecessor t both count.
        count: number of pairs the sum is divided by, besides K; by default those that count.
        max_square: squared changes above this are taken for it, and get no gradient.
    """
    change_BPK = logp_BTK[:, 1:] - logp_BTK[:, :-1].detach()
    squares_BPK = change_BPK.square().clamp(max=max_square) * pairs_BP[..., None]
    count = pairs_BP.sum() if count is None else count
    return squares_BPK.sum() / (count.clamp(min=1) * logp_BTK.shape[2])


def counts(labels_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Number of labelled valid steps, and of pairs of neighbours that are both valid, int64 (2,)."""
    labelled_BT = mask_BT & (labels_BT != IGNORE)
    return torch.stack([labelled_BT.sum(), _pairs(mask_BT).sum()])


def smoothed_cross_entropy(
    logp_LBTK: Sequence[Tensor],
    labels_BT: Tensor,
    mask_BT: Tensor,
    counted_2: Tensor,
    weight: float,
    max_square: float = MAX_SQUARE,
) -> LossOutput:
    """Cross-entropy plus weighted smoothing, each summed over what votes (MS-TCN, eq. 10 and 11).

    Args:
        logp_LBTK: log-probabilities of every stage, or of the levels' ensemble alone.
        labels_BT: class of each step, int64; `IGNORE` where it has none.
        mask_BT: bool, True where a step is valid.
        counted_2: what the two sums are divided by, in one process what `counts` returns.
        weight: of the smoothing.
        max_square: see `smoothing`.
    """
    labels_BT, pairs_BP, (labelled, pairs) = labels_BT.masked_fill(~mask_BT, IGNORE), _pairs(mask_BT), counted_2
    entropy = torch.stack([step_cross_entropy(logp_BTK, labels_BT, labelled) for logp_BTK in logp_LBTK]).sum()
    change = torch.stack([smoothing(logp_BTK, pairs_BP, pairs, max_square) for logp_BTK in logp_LBTK]).sum()
    return LossOutput(entropy + weight * change, {"cross_entropy": entropy.detach(), "smoothing": change.detach()})


def _pairs(mask_BT: Tensor) -> Tensor:
    """Bool (B, T - 1), True where a step and its successor are valid."""
    return mask_BT[:, 1:] & mask_BT[:, :-1]
