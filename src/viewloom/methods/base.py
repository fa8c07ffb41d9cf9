"""What every pre-training method offers, and what it leaves behind: a refiner, one map of features a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewloom.errors import ConfigError, DataError, listed
from viewloom.losses.base import LossOutput
from viewloom.methods.settings import Choice, MethodConfig
from viewloom.nn.standardise import Standardiser
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch

if TYPE_CHECKING:
    from typing_extensions import Self

Fit = Literal["gradient", "closed_form", "nothing"]
Dims = int | Sequence[int]
"""Feature size D of all views, or one for each, in their order."""


def as_dims(dim: Dims, views: Sequence[str]) -> tuple[int, ...]:
    """A feature size for each view."""
    dims = (dim,) * len(views) if isinstance(dim, int) else tuple(dim)
    assert len(dims) == len(views), f"{len(views)} views have {len(dims)} feature sizes"
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

    def __init__(
        self, method: str, dim: Dims, views: tuple[str, ...], config: MethodConfig, out_dim: int | None = None
    ) -> None:
        super().__init__()
        self.method = method
        self.views = tuple(views)
        self.dims = as_dims(dim, self.views) if self.views or not isinstance(dim, int) else (dim,)
        self.out_dim = self.dims[0] if out_dim is None else out_dim
        self.config = config
        self.extra: dict[str, Any] = {}
        self.frozen = False
        self.standardiser = Standardiser(self.dims if self.views else self.dims[0], self.views, config.standardise)

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
    def __call__(self, x: Tensor, view: str, mask: Tensor | None = None) -> Tensor: ...

    @overload
    def __call__(self, x: NDArray[np.floating], view: str, mask: None = None) -> NDArray[np.float32]: ...

    def __call__(self, x: Any, view: str, mask: Any = None) -> Any:
        """Refined features; see `forward`."""
        return super().__call__(x, view, mask)

    def forward(self, x: Any, view: str, mask: Any = None) -> Any:
        """Refined features of one view, frame by frame or step by step.

        Args:
            x: features (T, D) or (B, T, D), a tensor or a numpy array.
            view: which view it is.
            mask: bool (T,) or (B, T), True where a step is valid; None: where x is not NaN.

        Returns:
            (T, Z) or (B, T, Z), of the kind that x is; NaN at steps that aren't valid.

        Raises:
            DataError: see `encode`; or x is neither (T, D) nor (B, T, D).
        """
        if not isinstance(x, Tensor):
            with torch.inference_mode():
                found: NDArray[np.float32] = self(torch.from_numpy(np.asarray(x, np.float32)), view).numpy()
                return found
        if x.ndim not in (2, 3):
            raise DataError(f"Expected features (T, D) or (B, T, D), but got {tuple(x.shape)}.")
        x_BTD = x if x.ndim == 3 else x[None]
        mask_BT = ~x_BTD.isnan().all(dim=-1) if mask is None else mask.view(x_BTD.shape[:2])
        z_BTZ = self.encode(x_BTD, mask_BT, view).masked_fill(~mask_BT[..., None], torch.nan)
        return z_BTZ if x.ndim == 3 else z_BTZ[0]

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """Refined features.

        Args:
            x_BTD: features of one view; what stands at masked steps is never used.
            mask_BT: bool, True where a step is valid.
            view: which view it is.

        Returns:
            (B, T, Z), zeros at masked steps.

        Raises:
            DataError: the refiner has a map for each of its views, and none for this one; or features of another size.
        """
        if not self.accepts(view):
            raise DataError(
                f"This {self.method} refiner has a map for each of the views {listed(self.views)}, but none for "
                f"{view!r}. Leave that view out, or pre-train on it too."
            )
        if x_BTD.shape[-1] != self.dim_of(view):
            raise DataError(
                f"This {self.method} refiner takes features of size {self.dim_of(view)} of view {view!r}, but these "
                f"have {x_BTD.shape[-1]}. Use the features and the pooling it was trained on."
            )
        outside_BT1 = ~mask_BT[..., None]
        x_BTD = self.prepare(x_BTD.masked_fill(outside_BT1, 0.0), view)
        return self.transform(x_BTD, mask_BT, view).masked_fill(outside_BT1, 0.0)

    def prepare(self, x_BTD: Tensor, view: str) -> Tensor:
        """What `transform` takes: standardised features, of features that are zero at masked steps."""
        return self.standardiser(x_BTD, view)  # type: ignore[no-any-return]

    @abstractmethod
    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """`encode` of features that are already prepared; masked steps may come out as anything finite."""

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

    def save(self, path: Path | str) -> None:
        """Write the refiner to one safetensors file (`viewloom.methods.refiner.save_refiner`)."""
        from viewloom.methods.refiner import save_refiner

        save_refiner(self, path, self.extra)


class Method(nn.Module, ABC):
    """Learns a refiner from windows seen by several views, without labels.

    A method fitted by gradient is called on batches, and its loss minimised; one in closed form is shown every
    batch once (`accumulate`), and then solved (`solve`). A method fitted by gradient that standardises features
    needs the pass too, before the first step: `needs_pass` says so.

    Args:
        dim: feature size D, or one for each view.
        views: logical views along axis V of the batches, in order. By convention exo views come first, and ego
            views last.
        config: the method's own settings.

    Attributes:
        fit: how it is fitted.
        refiner: what it has learned; saved on its own.
        requires: what must be handed to it before it can learn.
        chosen_by: what its checkpoint can be chosen by, the default first: measures that change as it learns.
        chosen: what it chose from the data, in words; empty where nothing was left open.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    fit: Fit = "gradient"
    requires: ClassVar[Literal["pairs", "teacher_head"]] = "pairs"
    min_views: ClassVar[int] = 2
    any_sizes: ClassVar[bool] = False
    """True if views of any feature sizes are brought to one."""
    remedy: ClassVar[str] = "Use the method cca or ridge, which have a map for each view."
    """What to do about views of different sizes, for the message."""
    chosen_by: ClassVar[tuple[Choice, ...]] = ("retrieval", "loss", "last")
    least_steps: ClassVar[int] = 400
    """Optimiser steps below which a method fitted by gradient stops too early: the default number of epochs gives as
    many at least."""
    refiner: Refiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__()
        views = tuple(views)
        if len(set(views)) != len(views) or len(views) < self.min_views:
            raise ConfigError(
                f"A pre-training method needs {self.min_views} or more different views, but got {listed(views)}. "
                "Pass them as --views v3,e4."
            )
        self.dims = as_dims(dim, views)
        self.views = views
        self.config = config if config is not None else type(self).Config()
        self.epoch = 0
        self.chosen = ""
        if len(set(self.dims)) > 1 and not self.takes_any_sizes:
            raise ConfigError(
                f"The method {type(self).registered_name()} sends all views through one map, so they must have one "
                f"feature size, but have: {in_words(self.dims, views)}. {self.remedy}"
            )
        self.refiner = type(self).build_refiner(self.dims, views, self.config)

    @property
    def takes_any_sizes(self) -> bool:
        """Whether views may have feature sizes of their own."""
        return self.any_sizes

    @property
    def dim(self) -> int:
        """The feature size D of all views; `ConfigError` where they have their own."""
        return self.refiner.dim

    @classmethod
    @abstractmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """The refiner as it is before learning; with a saved state dict, as it was when saved."""

    @property
    def needs_pass(self) -> bool:
        """Whether every batch must be shown to `accumulate` once, and `solve` called, before anything else."""
        return self.fit == "closed_form" or self.config.standardise != "none"

    def forward(self, batch: ViewBatch) -> LossOutput:
        """The loss of a batch, for a method fitted by gradient.

        Finite, and with gradients for every parameter, for any mask: what a recording lacks adds nothing.
        """
        raise TypeError(f"{type(self).__name__} is fitted by {self.fit}: it has no loss")

    def held_out_counts(self, batch: ViewBatch) -> dict[str, tuple[int, int]]:
        """Measures of its own on a batch of held-out pairs, by name: how often, and out of how many."""
        return {}

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """Refined features of one view; see `Refiner.encode`."""
        return self.refiner.encode(x_BTD, mask_BT, view)

    def set_epoch(self, epoch: int) -> None:
        """Tell schedules the epoch, counted from 0."""
        self.epoch = epoch

    def accumulate(self, batch: ViewBatch) -> None:
        """Take a batch into the statistics that `solve` needs; the order of batches doesn't matter."""
        self.check_views(batch)
        for view in self.views:
            self.refiner.standardiser.add(batch.features[view][batch.mask_of(view)], view)

    def solve(self) -> None:
        """Work out what depends on the accumulated statistics, over all processes of the run."""
        self.refiner.standardiser.solve()

    def check_views(self, batch: ViewBatch) -> None:
        """Raise `ConfigError` if a batch has other views, or another order of them, than the method."""
        if batch.views != self.views:
            raise ConfigError(
                f"The batch has the views {listed(batch.views)}, but the method was made for "
                f"{listed(self.views)}. Use the views it was pre-trained on, in the same order."
            )

    @classmethod
    def registered_name(cls) -> str:
        """The name this method is registered under."""
        return METHODS.name_of(cls)
