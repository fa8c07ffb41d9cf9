"""What a loss returns: the scalar to minimise and its named parts for the log."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class LossOutput:
    """A loss with its parts.

    Attributes:
        total: scalar, the value to minimise.
        parts: named scalars that make it up (unweighted), detached or not; logged as they are.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
