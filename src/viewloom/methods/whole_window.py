"""Windows filled with zeros to a fixed number of steps, whose padding counts as data: what the released code does.

Every window then weighs the same, however long it is, and the lengths of its batch mates don't change a loss.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from viewloom.errors import ConfigError
from viewloom.windows.batch import ViewBatch


def fill_window(batch: ViewBatch, steps: int, alike: bool) -> ViewBatch:
    """The batch with zeros behind its features, and a False mask, up to ``steps`` steps.

    Args:
        batch: windows of at most that many steps.
        steps: of the window.
        alike: what is computed of all padded steps is the same: one of them will do, for `repeat_last` to repeat.

    Raises:
        ConfigError: a window is longer.
    """
    found = batch.mask_BVT.shape[-1]
    if found > steps:
        raise ConfigError(
            f"A batch of {found} steps doesn't fit into window_steps {steps}, over which losses are averaged with "
            "loss_mean=all. Raise --method_options.window_steps, or cut shorter windows by --sampling.max_chunks."
        )
    fill = min(steps, found + 1 if alike else steps) - found
    features = {view: F.pad(x_BTD, (0, 0, 0, fill)) for view, x_BTD in batch.features.items()}
    return replace(batch, features=features, mask_BVT=F.pad(batch.mask_BVT, (0, fill)))


def repeat_last(x_BVTD: Tensor, steps: int) -> Tensor:
    """The last step of axis -2 repeated until there are ``steps``; nothing is copied that gradients don't need."""
    missing = steps - x_BVTD.shape[-2]
    if missing <= 0:
        return x_BVTD
    last = x_BVTD[..., -1:, :].expand(*x_BVTD.shape[:-2], missing, x_BVTD.shape[-1])
    return torch.cat([x_BVTD, last], dim=-2)
