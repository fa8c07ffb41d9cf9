"""Any head with several labels a step: K classes are K questions that are answered by yes or no.

The logit z of a class against 0 is a softmax over two classes, "not there" and "there": its probability is sigmoid(z),
its cross-entropy the binary one. So a head's own loss and decision, of K rows of two classes instead of one row of K,
are those of K yes-or-no segmentations: binary cross-entropy, averaged over steps and classes; smoothing of both
log-probabilities (MS-TCN, eq. 9) beside it; levels that vote class by class. Nothing of it stands in a head's own file.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from viewloom.errors import ConfigError
from viewloom.heads.base import Head
from viewloom.losses.base import LossOutput
from viewloom.registry import HEADS


def for_classes(head: Head) -> Head:
    """Let a head decide on each class by itself from now on.

    Raises:
        ConfigError: its loss or decision looks at more than its arguments (`knows_multi`).
    """
    refuse_unable(type(head))
    head.multi = True
    return head


def refuse_unable(cls: type[Head]) -> None:
    """`ConfigError` for a kind of head whose loss can't be told of several labels."""
    if not cls.knows_multi:
        raise ConfigError(
            f"Head {HEADS.name_of(cls)} can't learn from several labels a frame (--labels_mode multi). Choose another "
            "--head."
        )


def as_questions(levels_BTK: Sequence[Tensor]) -> list[Tensor]:
    """Logits (B, T, K) of each level as logits (B * K, T, 2) of "not there", which is 0, and "there"."""
    return [torch.stack([torch.zeros_like(rows), rows], dim=-1) for rows in map(_rows, levels_BTK)]


def _rows(values_BTK: Tensor) -> Tensor:
    """(B, T, K) to (B * K, T)."""
    return values_BTK.transpose(1, 2).flatten(0, 1)


def loss_of_classes(head: Head, levels: list[Tensor], classes_BTK: Tensor, mask_BT: Tensor) -> LossOutput:
    """A head's loss over valid steps and the classes that somebody spoke of.

    Args:
        head: the head.
        levels: what its `forward` returned, (B, T, K) each.
        classes_BTK: 1 where a step has a class, 0 where it hasn't, -100 where nobody says.
        mask_BT: bool, True where a step is valid.
    """
    labels = _rows(classes_BTK).long()
    return head.loss(as_questions(levels), labels, mask_BT.repeat_interleave(classes_BTK.shape[2], dim=0))


def loss_with_taught_classes(
    head: Head, levels: list[Tensor], classes_BTK: Tensor, taught_BTK: Tensor, mask_BT: Tensor, weight: float
) -> LossOutput:
    """`Head.loss_with_taught` over classes, each with the probability that a teacher gives it.

    Args:
        head: the head.
        levels: what its `forward` returned.
        classes_BTK: as `loss_of_classes`; -100 in steps that a teacher labelled.
        taught_BTK: probability of each class; NaN where the teacher says nothing of it.
        mask_BT: bool, True where a step is valid.
        weight: of a taught step.
    """
    there = _rows(taught_BTK)
    soft = torch.stack([1 - there, there], dim=-1).masked_fill(there.isnan()[..., None], 0.0)
    mask = mask_BT.repeat_interleave(classes_BTK.shape[2], dim=0)
    return head.loss_with_taught(as_questions(levels), _rows(classes_BTK).long(), soft, mask, weight)


def probabilities(head: Head, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
    """Class probabilities (B, T, K) of what `forward` returned: they sum to one at a step, unless it may have several
    classes; then one that isn't valid has none."""
    if not head.multi:
        return head.decode(levels, mask_BT)
    batch, _, classes = levels[0].shape
    answers = head.decode(as_questions(levels), mask_BT.repeat_interleave(classes, dim=0))[..., 1]
    return answers.reshape(batch, classes, -1).transpose(1, 2).masked_fill(~mask_BT[..., None], 0.0)
