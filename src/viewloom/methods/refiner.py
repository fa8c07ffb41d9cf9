"""What a pre-training method leaves behind: one map of features a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewloom.errors import ConfigError, DataError, listed
from viewloom.features.arrays import as_features
from viewloom.methods.settings import MethodConfig
from viewloom.nn.standardise import Standardiser

if TYPE_CHECKING:
    from typing_extensions import Self

Dims = int | Sequence[int]
"""Feature size D of all views, or one for each, in their order."""
StepS = float | Tensor | None
"""Seconds from one step to the next, of all rows of a batch or of each (B,); None: as in training."""


def as_dims(dim: Dims, views: Sequence[str]) -> tuple[int, ...]:
    """A feature size for each view; one where no view is named, as in published weights.

    Raises:
        ConfigError: another number of sizes than of views.
    """
    dims = (dim,) * max(1, len(views)) if isinstance(dim, int) else tuple(dim)
    if len(dims) != max(1, len(views)):
        raise ConfigError(f"'dim' has {len(dims)} feature sizes, but there are {len(views)} views.")
    return dims


def in_words(dims: Sequence[int], views: Sequence[str]) -> str:
    """Each view with its feature size, for messages."""
    return ", ".join(f"{view} {dim}" for view, dim in zip(views, dims, strict=True))


class Refiner(nn.Module, ABC):
    """Maps features of a view to refined ones. This is what is saved, and put before a head.

    Args:
        dim: feature size D it takes, or one for each view.
        views: views it was fitted on, in order.
        config: the method's settings.
        out_dim: feature size Z it gives; D by default.

    Attributes:
        method: registered name of the method that made it.
        extra: what else was stored with it (seed, data, kept epoch).
    """

    per_view: ClassVar[bool] = False
    """True if every view has a map of its own, so that others can't be encoded."""
    timed: ClassVar[bool] = False
    """True if what it gives depends on how long a step lasts: see `transform_at`."""
    streams: ClassVar[bool] = False
    """True if it can be computed block by block as its input comes, where it is `causal`: each step alone, or with what
    `viewloom.nn.stream.LooksBack` keeps of those before."""

    def __init__(
        self, method: str, dim: Dims, views: tuple[str, ...], config: MethodConfig, out_dim: int | None = None
    ) -> None:
        super().__init__()
        self.method = method
        self.views = tuple(views)
        self.dims = as_dims(dim, self.views)
        self.out_dim = self.dims[0] if out_dim is None else out_dim
        self.config = config
        self.extra: dict[str, Any] = {}
        self.frozen = False
        self.standardiser = Standardiser(self.dims, self.views, config.standardise)

    def __repr__(self) -> str:
        return f"{self.method} refiner of {in_words(self.dims, self.views or ('any view',))} to {self.out_dim}"

    @property
    def dim(self) -> int:
        """The feature size D that it takes of every view; `ConfigError` where views have their own."""
        if len(set(self.dims)) > 1:
            raise ConfigError(f"This {self.method} refiner takes: {in_words(self.dims, self.views)}.")
        return self.dims[0]

    def dim_of(self, view: str) -> int:
        """The feature size D that it takes of a view."""
        return self.dims[self.views.index(view)] if view in self.views else self.dim

    @overload
    def __call__(self, x: Tensor, view: str, mask: Tensor | None = None, step_s: float | None = None) -> Tensor: ...

    @overload
    def __call__(
        self, x: NDArray[np.floating], view: str, mask: NDArray[np.bool_] | None = None, step_s: float | None = None
    ) -> NDArray[np.float32]: ...

    def __call__(self, x: Any, view: str, mask: Any = None, step_s: float | None = None) -> Any:
        """Refined features; see `forward`."""
        return super().__call__(x, view, mask, step_s)

    def forward(self, x: Any, view: str, mask: Any = None, step_s: float | None = None) -> Any:
        """Refined features of one view, frame by frame or step by step.

        Args:
            x: features (T, D) or (B, T, D): a tensor where the refiner is, or an array, which is brought there.
            view: which view it is.
            mask: bool (T,) or (B, T), True where a step is valid; None: where x is not NaN throughout.
            step_s: seconds from one step to the next, for refiners that look at time; None: as in training.

        Returns:
            (T, Z) or (B, T, Z), of the kind that x is; NaN at steps that aren't valid.

        Raises:
            DataError: see `encode`; x is neither (T, D) nor (B, T, D), or has a step that is NaN or infinite in part;
                or the mask is of another shape.
        """
        if not isinstance(x, Tensor):
            return self._of_array(x, view, mask, step_s)
        if x.ndim not in (2, 3) or not x.is_floating_point():
            raise DataError(f"Expected features (T, D) or (B, T, D), floating, but got {tuple(x.shape)} {x.dtype}.")
        if mask is None:
            mask = _without_holes(x)
        mask = torch.as_tensor(mask, device=x.device)
        if mask.shape != x.shape[:-1]:
            raise DataError(
                f"Expected a mask {tuple(x.shape[:-1])} of features {tuple(x.shape)}, got {tuple(mask.shape)}."
            )
        x = x.to(self._weight.dtype)
        x_BTD, mask_BT = (x, mask.bool()) if x.ndim == 3 else (x[None], mask[None].bool())
        z_BTZ = self.encode(x_BTD, mask_BT, view, step_s).masked_fill(~mask_BT[..., None], torch.nan)
        return z_BTZ if x.ndim == 3 else z_BTZ[0]

    @property
    def _weight(self) -> Tensor:
        """Some floating tensor of its own: of the type, and where, it computes."""
        tensors = (*self.parameters(), *self.buffers(), torch.empty(0))
        return next(value for value in tensors if value.is_floating_point())

    @torch.inference_mode()
    def _of_array(self, x: Any, view: str, mask: Any, step_s: float | None) -> NDArray[np.float32]:
        """`forward` of an array."""
        weight = self._weight
        x_BTD = torch.tensor(as_features(x, "Features"), dtype=weight.dtype, device=weight.device)
        mask_BT = None if mask is None else torch.tensor(np.asarray(mask), device=weight.device)
        found: NDArray[np.float32] = self(x_BTD, view, mask_BT, step_s).float().cpu().numpy()
        return found

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str, step_s: StepS = None) -> Tensor:
        """Refined features.

        Args:
            x_BTD: features of one view; what stands at masked steps is never used.
            mask_BT: bool, True where a step is valid.
            view: which view it is.
            step_s: seconds from one step to the next, of all rows or of each; None: as in training.

        Returns:
            (B, T, Z), zeros at masked steps.

        Raises:
            DataError: the refiner has a map for each of its views, and none for this one; or features of another size.
        """
        if (reason := self.misfit(view, x_BTD.shape[-1])) is not None:
            raise DataError(reason)
        outside_BT1 = ~mask_BT[..., None]
        x_BTD = self.prepare(x_BTD.masked_fill(outside_BT1, 0.0), view)
        return self.transform_at(x_BTD, mask_BT, view, step_s).masked_fill(outside_BT1, 0.0)

    def prepare(self, x_BTD: Tensor, view: str) -> Tensor:
        """What `transform` takes: standardised features, of features that are zero at masked steps."""
        return self.standardiser(x_BTD, view)  # type: ignore[no-any-return]

    @abstractmethod
    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """`encode` of features that are already prepared; masked steps may come out as anything finite."""

    def transform_at(self, x_BTD: Tensor, mask_BT: Tensor, view: str, step_s: StepS) -> Tensor:
        """`transform` of steps of some length; the same for all lengths, unless it is `timed`."""
        return self.transform(x_BTD, mask_BT, view)

    def set_step(self, step_s: float) -> None:
        """Say how long a step of the pairs lasts, before learning; only a `timed` refiner keeps it."""

    @property
    def sizes_tell(self) -> bool:
        """Whether the deviations of its features tell how much each is worth, so that a head should keep them."""
        return False

    @property
    def causal(self) -> bool:
        """Whether no later step changes a result, as it is set."""
        return self.streams and bool(getattr(self.config, "causal", True))

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

    def misfit(self, view: str, dim: int) -> str | None:
        """Why features of a view and size can't be encoded, and what to do; None where they can."""
        if not self.accepts(view):
            return (
                f"This {self.method} refiner has a map for each of the views "
                f"{listed(filter(self.accepts, self.views))}, but none for {view!r}. Leave that view out, or pre-train "
                "on it too."
            )
        if dim != self.dim_of(view):
            return (
                f"This {self.method} refiner takes features of size {self.dim_of(view)} of view {view!r}, but these "
                f"have {dim}. Use the features and the pooling it was trained on."
            )
        return None

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


def _without_holes(x: Tensor) -> Tensor:
    """True where a step of features (..., D) is there; `DataError` for one that is NaN or infinite in part."""
    valid = ~x.isnan().all(dim=-1)
    spoilt = int((~x.isfinite().all(dim=-1) & valid).sum())
    if spoilt:
        raise DataError(
            f"{spoilt} of {valid.numel()} steps are NaN or infinite in part. Extract them again, or pass a mask."
        )
    return valid
