"""Boundaries between actions: which steps begin a segment, and the loss of what finds them.

Binary cross-entropy in which the rare boundary steps weigh more, of Ishikawa, Kasai, Aoki, Kataoka: "Alleviating
Over-segmentation Errors by Detecting Action Boundaries" (WACV 2021), section 3.3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.losses.segmentation import IGNORE


def label_boundaries(labels_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each step has another label than the one before it, and whether that is known: both are labelled.

    Nothing is known of a row's first step, since a window may begin anywhere, nor of steps around a gap.

    Args:
        labels_BT: class of each step; `IGNORE` where it has none.
        mask_BT: bool, True where a step is valid.

    Returns:
        Two bool tensors (B, T).
    """
    labelled_BT = mask_BT & (labels_BT != IGNORE)
    changes_BT = F.pad(labels_BT[:, 1:] != labels_BT[:, :-1], (1, 0))
    return changes_BT, _both(labelled_BT)


def soft_boundaries(probs_BTK: Tensor, known_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Probability that each step has another class than the one before it, at the least, and whether it is known.

    Half the sum of the absolute changes of the classes' probabilities (total variation): of all ways in which two
    neighbours' classes may hang together the one in which they differ most rarely, which is how labels behave. So a
    teacher who is unsure, but equally so at both steps, tells of no boundary; one who is certain of two classes tells
    of one; and over a slow change from a class to another the values sum to one boundary.

    Args:
        probs_BTK: class probabilities.
        known_BT: bool, True where they are there.
    """
    changes_BT = (probs_BTK[:, 1:] - probs_BTK[:, :-1]).abs().sum(dim=-1) / 2
    return F.pad(changes_BT, (1, 0)), _both(known_BT)


def _both(known_BT: Tensor) -> Tensor:
    """Bool (B, T), True where a step and the one before it are known."""
    return F.pad(known_BT[:, 1:] & known_BT[:, :-1], (1, 0))


def balance(steps: Tensor, boundaries: Tensor) -> Tensor:
    """Steps without a boundary for each step with one; 1 where there is none of a kind."""
    others = steps - boundaries
    none = (others <= 0) | (boundaries <= 0)
    return torch.where(none, torch.ones_like(others), others / boundaries.masked_fill(none, 1.0))


def boundary_cross_entropy(
    stages_BT: Sequence[Tensor], targets_BT: Tensor, counted_BT: Tensor, positive: Tensor
) -> Tensor:
    """Sum over stages and steps of ``-(positive * y * log p + (1 - y) * log(1 - p))``.

    Args:
        stages_BT: logits of p of each stage.
        targets_BT: y, from 0 to 1.
        counted_BT: bool, True where a step counts; what stands elsewhere is never used.
        positive: weight of boundaries.
    """
    targets_BT = targets_BT.masked_fill(~counted_BT, 0.0)
    sums = [
        F.binary_cross_entropy_with_logits(logits_BT, targets_BT, counted_BT, pos_weight=positive, reduction="sum")
        for logits_BT in stages_BT
    ]
    return torch.stack(sums).sum()
