"""What every segmentation head offers: features in, class logits per step out, a loss and a decision."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from viewloom.losses.base import LossOutput


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Settings of a head; each head nests its own as ``Config``."""


class Head(nn.Module, ABC):
    """A temporal segmentation model over frame-wise features.

    The result for a row never depends on the other rows, nor on how far the batch pads it: whatever a head
    needs a length for is taken from the row's own mask (valid steps come first) and from its config.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: the head's own settings.
    """

    Config: ClassVar[type[HeadConfig]] = HeadConfig

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.classes = classes
        self.config = config if config is not None else type(self).Config()

    @abstractmethod
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of every decoder level, each brought to T steps, finest first."""

    @abstractmethod
    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Training loss over valid, labelled steps; ``levels`` is what `forward` returned."""

    @abstractmethod
    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K), rows summing to one at valid steps."""
