"""The loss of a head on a batch: of one label a step or of several, with or without a teacher."""

from torch import Tensor

from viewloom.heads.base import Head
from viewloom.heads.multilabel import loss_of_classes, loss_with_taught_classes
from viewloom.losses.base import LossOutput
from viewloom.windows.batch import SegmentBatch


def loss_on(head: Head, levels: list[Tensor], batch: SegmentBatch, weight: float) -> LossOutput:
    """Training loss; ``levels`` is what the head's `forward` returned, ``weight`` that of a step a teacher labelled."""
    mask_BT, taught_BTK, classes_BTK = batch.mask_BT, batch.taught_BTK, batch.classes_BTK
    if classes_BTK is not None and taught_BTK is not None:
        return loss_with_taught_classes(head, levels, classes_BTK, taught_BTK, mask_BT, weight)
    if classes_BTK is not None:
        return loss_of_classes(head, levels, classes_BTK, mask_BT)
    if taught_BTK is not None:
        return head.loss_with_taught(levels, batch.labels_BT, taught_BTK, mask_BT, weight)
    return head.loss(levels, batch.labels_BT, mask_BT)
