"""Causal heads that wait: what a step is, is read so many steps later, when these have been seen too.

The network stays causal: what it computes at step t + L is what it says of step t. In its first stage some layers let
their input wait before they add to it (`viewloom.nn.dilated.delays`), L steps together, so that it is in step with what
is added. Behind a row's end stand L steps without features, so that its last ones are read too. Since a step that lacks
features is read at another one, and the other way round, none of a row is left out of the network: they have zeros for
features.
"""

import torch.nn.functional as F
from torch import Tensor

from viewloom.nn.masked import steps_below, valid_lengths


def ahead(x_BTD: Tensor, mask_BT: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Features (B, T + L, D), and a mask of the steps of each row from its beginning to L behind its last valid one.

    Args:
        x_BTD: standardised features.
        mask_BT: bool, True where a step is valid.
        steps: L.
    """
    x_BTD = F.pad(x_BTD.masked_fill(~mask_BT[..., None], 0.0), (0, 0, 0, steps))
    return x_BTD, steps_below(valid_lengths(mask_BT) + steps, x_BTD.shape[1])


def behind(level_BTK: Tensor, mask_BT: Tensor, steps: int) -> Tensor:
    """Logits (B, T, K) of steps, of what was computed L steps later; zero at masked steps."""
    return level_BTK[:, steps:].masked_fill(~mask_BT[..., None], 0.0)
