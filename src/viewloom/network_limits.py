"""Networks built of a file's settings: no larger than the weights beside them, whatever the settings say.

A few digits of JSON can ask for a network that fills a machine. Torch tells of each tensor before it is made, and of
each parameter and buffer as it is put into a module; here they are added up, and what goes beyond the file is refused.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from viewloom.errors import DataError

AS_WHOLE = 4
"""How many times the file's numbers may be made: some layers are made twice, and some buffers aren't kept."""
SPARE = 1 << 24
"""Numbers that may be made beyond: tables of positions are not kept in files."""
MAKERS = frozenset({"empty", "zeros", "ones", "full", "rand", "randn", "arange", "linspace", "eye"})
"""Functions whose first arguments are sizes."""
MODULES_EACH = 100
"""Modules for each tensor of the file: those without weights are many."""


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse networks made inside, in this thread, that are larger than ``weights`` by far.

    Raises:
        DataError: saying how much the file holds.
    """
    counted = _Counted(sum(tensor.numel() for tensor in weights.values()), len(weights))
    with ExitStack() as stack:
        for handle in (
            hooks.register_module_parameter_registration_hook(counted.tensor),
            hooks.register_module_buffer_registration_hook(counted.tensor),
            hooks.register_module_module_registration_hook(counted.module),
        ):
            stack.callback(handle.remove)
        stack.enter_context(_Sizes(counted))
        yield


class _Sizes(TorchFunctionMode):
    """Looks at the size of a tensor before it is made."""

    def __init__(self, counted: "_Counted") -> None:
        super().__init__()
        self.counted = counted

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in MAKERS:
            sizes = args[0] if args and isinstance(args[0], tuple | list) else args
            sizes = (kwargs or {}).get("size") or sizes
            self.counted.refuse_more(math.prod(size for size in sizes if isinstance(size, int)))
        return func(*args, **(kwargs or {}))


class _Counted:
    """What was made so far."""

    def __init__(self, numbers: int, tensors: int) -> None:
        self.numbers, self.tensors = numbers, tensors
        self.made, self.modules = 0, 0
        self.thread = threading.get_ident()

    def tensor(self, module: nn.Module, name: str, value: Any) -> None:
        if value is None or self.thread != threading.get_ident():
            return
        self.made += value.numel()
        self.refuse_more(0)

    def refuse_more(self, numbers: int) -> None:
        """`DataError` where so many numbers are too many."""
        if self.made + numbers > AS_WHOLE * self.numbers + SPARE:
            raise DataError(
                f"its settings ask for a network of {self.made + numbers:,} numbers and more, but the file holds "
                f"{self.numbers:,}. Copy or write it again."
            )

    def module(self, module: nn.Module, name: str, inside: Any) -> None:
        self.modules += self.thread == threading.get_ident()
        if self.modules > MODULES_EACH * (self.tensors + 10):
            raise DataError(
                f"its settings ask for a network of {self.modules:,} layers and more, but the file holds "
                f"{self.tensors:,} tensors. Copy or write it again."
            )
