"""Cross-entropy to what a teacher says of a step: a probability of each class, instead of one label.

Soft targets are those of distillation (Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531). Temperature here sharpens or softens the teacher alone, as in MixMatch (Berthelot et al.,
arXiv:1905.02249, eq. 7): a head's vote over several levels has no logits that could be divided.
"""

import torch
from torch import Tensor


def soft_cross_entropy(logp_BTK: Tensor, soft_BTK: Tensor, steps_BT: Tensor) -> Tensor:
    """Sum over steps of -sum_k q_k log p_k.

    Args:
        logp_BTK: log-probabilities, finite.
        soft_BTK: probabilities q of the classes.
        steps_BT: bool, True where a step counts; what stands elsewhere is never used.
    """
    terms_BTK = soft_BTK * logp_BTK
    return -terms_BTK.masked_fill(~steps_BT[..., None], 0.0).sum()


def mean_over(total: Tensor, count: Tensor) -> Tensor:
    """A sum over steps divided by their number; zero where there is none.

    The number isn't clamped at 1: its mean over processes may be less.
    """
    return torch.where(count == 0, torch.zeros_like(total), total / (count + (count == 0)))
