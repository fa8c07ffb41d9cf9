"""What a pre-training method leaves behind: one map of features a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from viewloom.errors import DataError, listed
from viewloom.methods.settings import MethodConfig
from viewloom.nn.standardise import Standardiser

if TYPE_CHECKING:
    from typing_extensions import Self


class Refiner(nn.Module, ABC):
    """Maps features of a view to refined ones. This is what is saved, and put before a head.

    Args:
        dim: feature size D it takes.
        views: views it was fitted on, in order.
        config: the method's settings.
        out_dim: feature size Z it gives; D by default.

    Attributes:
        method: registered name of the method that made it.
        extra: what else was stored with it (seed, data, kept epoch).
    """

    per_view: ClassVar[bool] = False
    """True if every view has a map of its own, so that others can't be encoded."""

    def __init__(
        self, method: str, dim: int, views: tuple[str, ...], config: MethodConfig, out_dim: int | None = None
    ) -> None:
        super().__init__()
        self.method = method
        self.dim = dim
        self.out_dim = dim if out_dim is None else out_dim
        self.views = tuple(views)
        self.config = config
        self.extra: dict[str, Any] = {}
        self.frozen = False
        self.standardiser = Standardiser(dim, views, config.standardise)

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """Refined features.

        Args:
            x_BTD: features of one view; what stands at masked steps is never used.
            mask_BT: bool, True where a step is valid.
            view: which view it is.

        Returns:
            (B, T, Z), zeros at masked steps.

        Raises:
            DataError: the refiner has a map for each of its views, and none for this one.
        """
        if not self.accepts(view):
            raise DataError(
                f"This {self.method} refiner has a map for each of the views {listed(self.views)}, but none for "
                f"{view!r}. Leave that view out, or pre-train on it too."
            )
        inside_BT1 = mask_BT[..., None]
        x_BTD = self.standardiser(x_BTD.masked_fill(~inside_BT1, 0.0), view)
        return self.transform(x_BTD, mask_BT, view).masked_fill(~inside_BT1, 0.0)

    @abstractmethod
    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """`encode` of features that are already standardised; masked steps may come out as anything finite."""

    @property
    def sizes_tell(self) -> bool:
        """Whether the deviations of its features tell how much each is worth, so that a head should keep them."""
        return False

    @property
    def needs_whole_batch(self) -> bool:
        """Whether a row's result depends on the other rows of its batch (context batch alone)."""
        return False

    def check_ready(self) -> None:
        """Raise `ConfigError` if what `encode` needs was not worked out yet."""
        self.standardiser.check_ready()

    def accepts(self, view: str) -> bool:
        """Whether this view can be encoded: any one, if all views share a map."""
        own_map = self.per_view or self.config.standardise == "view"
        return not own_map or view in self.views

    def resize(self, out_dim: int) -> None:
        """Give features of another size, where it is chosen from the data; most refiners' settings fix it."""

    def freeze(self) -> Self:
        """Nothing learns or moves any more: no gradients, dropout off, also when an outer module trains."""
        self.frozen = True
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """As `torch.nn.Module.train`, but a frozen refiner stays in evaluation mode."""
        return super().train(mode and not self.frozen)
