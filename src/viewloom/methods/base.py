"""What every pre-training method offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError, listed
from viewloom.losses.base import LossOutput
from viewloom.methods.refiner import Dims, Refiner, StepS, as_dims, in_words
from viewloom.methods.settings import Choice, MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch

Fit = Literal["gradient", "closed_form", "nothing"]


class Method(nn.Module, ABC):
    """Learns a refiner from windows seen by several views, without labels unless it says so (`requires`).

    A method fitted by gradient is called on batches, and its loss minimised; one in closed form is shown every
    batch once (`accumulate`), and then solved (`solve`); some need that twice (`passes`). A method fitted by gradient
    that standardises features needs the pass too, before the first step: `needs_pass` says so.

    Args:
        dim: feature size D, or one for each view.
        views: logical views along axis V of the batches, in order. By convention exo views come first, and ego
            views last.
        config: the method's own settings.

    Attributes:
        fit: how it is fitted.
        refiner: what it has learned; saved on its own.
        requires: what it needs to learn: pairs alone, a teacher head handed to it, or labels of the pairs.
        chosen_by: what its checkpoint can be chosen by, the default first: measures that change as it learns.
        chosen: what it chose from the data, in words; empty where nothing was left open.
        fps: frames a second of the batches' windows; 1 until `set_clock`.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    fit: Fit = "gradient"
    requires: ClassVar[Literal["pairs", "teacher_head", "labels"]] = "pairs"
    min_views: ClassVar[int] = 2
    any_sizes: ClassVar[bool] = False
    """True if views of any feature sizes are brought to one."""
    one_size: ClassVar[str] = "sends all views through one map"
    """Why views must have one feature size, for the message."""
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
        self.fps = 1.0
        if len(set(self.dims)) > 1 and not self.takes_any_sizes:
            raise ConfigError(
                f"The method {type(self).registered_name()} {self.one_size}, so they must have one "
                f"feature size, but have: {in_words(self.dims, views)}. {self.remedy}"
            )
        self.refiner = type(self).build_refiner(self.dims, views, self.config)

    @classmethod
    def takes_lone_views(cls, config: Any) -> bool:
        """Whether, so set, it also learns from recordings that one of the views alone saw; others leave them out."""
        return False

    @property
    def takes_any_sizes(self) -> bool:
        """Whether views may have feature sizes of their own."""
        return self.any_sizes

    @property
    def keeps_start(self) -> bool:
        """Whether learning starts from something of use, which is kept where no epoch is better."""
        return False

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

    @property
    def passes(self) -> int:
        """How often all batches must be shown, `solve` called after each time."""
        return int(self.needs_pass)

    def show_all(self, batches: Callable[[], Iterable[ViewBatch]]) -> None:
        """Show all batches as often as is needed.

        Args:
            batches: gives all batches, from the beginning at every call.
        """
        for _ in range(self.passes):
            for batch in batches():
                self.accumulate(batch)
            self.solve()

    def set_clock(self, fps: float, chunk_frames: int) -> None:
        """Say how long a frame, and a step of windows without augmentation, last; before anything is learned.

        Args:
            fps: frames a second of the batches' windows.
            chunk_frames: frames in a step.
        """
        self.fps = fps
        self.refiner.set_step(chunk_frames / fps)

    def steps_s(self, batch: ViewBatch) -> Tensor:
        """Seconds from one step to the next in each row (B,) of a batch, float64."""
        chunks = [window.chunk_frames for window in batch.windows]
        return torch.tensor(chunks, dtype=torch.float64, device=batch.mask_BVT.device) / self.fps

    def forward(self, batch: ViewBatch) -> LossOutput:
        """The loss of a batch, for a method fitted by gradient.

        Finite, and with gradients for every parameter, for any mask: what a recording lacks adds nothing.
        """
        raise TypeError(f"{type(self).__name__} is fitted by {self.fit}: it has no loss")

    def held_out_counts(self, batch: ViewBatch) -> dict[str, tuple[int, int]]:
        """Measures of its own on a batch of held-out pairs, by name: how often, and out of how many."""
        return {}

    def encode(self, x_BTD: Tensor, mask_BT: Tensor, view: str, step_s: StepS = None) -> Tensor:
        """Refined features of one view; see `Refiner.encode`."""
        return self.refiner.encode(x_BTD, mask_BT, view, step_s)

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
