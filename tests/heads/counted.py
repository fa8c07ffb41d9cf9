"""What a head costs at full size, without memory for it: everything runs on torch's meta device."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def operations(head, steps):
    """Of a forward pass over one row, counted as `viewloom.recipes.counting.head_costs` does."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        head.to("meta")(torch.randn(1, steps, head.dim), torch.ones(1, steps, dtype=torch.bool))
    return counter.get_total_flops()


class Largest(TorchDispatchMode):
    """Notes the number of values in the largest tensor that is made."""

    def __init__(self):
        super().__init__()
        self.values = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else [result]
        self.values = max([self.values, *(value.numel() for value in made if isinstance(value, torch.Tensor))])
        return result


def largest_tensor(head, steps):
    """Number of values in the largest tensor of a forward pass over one row."""
    with torch.device("meta"), Largest() as largest:
        head.to("meta")(torch.randn(1, steps, head.dim), torch.ones(1, steps, dtype=torch.bool))
    return largest.values
