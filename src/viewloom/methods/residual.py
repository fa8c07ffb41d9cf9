"""The refiner of the methods fitted by gradient: `r(x) = x + Transformer(x)`, one network for all views."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.methods.base import MethodConfig, Refiner
from viewloom.nn.encoder import Context, Sequences, encoder_layers
from viewloom.nn.sizes import refiner_stage

Mark = Literal["none", "fixed", "learned"]


@dataclass(frozen=True, kw_only=True)
class ResidualConfig(MethodConfig):
    """Settings of the residual refiner."""

    context: Context = "frame"
    """What a step may look at: frame (itself alone), time (the valid steps of its row), or batch (other rows at
    the same place in time, as the released code does by mistake; results then depend on batch mates)."""
    layers: int = 6
    """Encoder layers of the refiner."""
    feed_forward: int = 0
    """Width of the feed-forward parts of all encoders; 0 takes the feature size."""
    dropout: float = 0.1
    """Dropout of all encoders, in training."""
    residual_start: float = 1.0
    """Weight of the refiner's last normalisation at the start: 1 as in the release; 0.1 starts near the
    identity."""

    loss_mean: Literal["valid", "all"] = "valid"
    """Losses over valid steps, or over all steps of a window filled with zeros to window_steps: padding is then data,
    in encoders and losses, as in the released code (74 % of the steps on its pair list)."""
    window_steps: int = 1200
    """Steps of a window with loss_mean=all, the same for every window; 1200 as released."""

    def __post_init__(self) -> None:
        if self.window_steps < 1:
            raise ConfigError(f"window_steps must be 1 or more, but is {self.window_steps}.")
        if self.layers < 1 or self.feed_forward < 0:
            raise ConfigError(
                f"layers must be 1 or more and feed_forward 0 or more, but are {self.layers}, {self.feed_forward}."
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, but is {self.dropout}.")

    @property
    def whole_window(self) -> bool:
        """Whether padding counts as data."""
        return self.loss_mean == "all"

    def alike(self, training: bool) -> bool:
        """Whether all padded steps come out the same: each is computed alone, and draws no dropout of its own."""
        return self.context == "frame" and not (training and self.dropout > 0)


class ResidualRefiner(Refiner):
    """`x + Transformer(x)`, with the published parameter names (``layers.0.self_attn.in_proj_weight`` ...).

    Args:
        method: registered name of the method.
        dim: feature size D.
        views: views it is fitted on.
        config: settings.
        marks: add something to the features that tells the views apart: nothing, a fixed mark, a learned one.
        identity_views: views that pass unchanged.
    """

    config: ResidualConfig

    def __init__(
        self,
        method: str,
        dim: int,
        views: tuple[str, ...],
        config: ResidualConfig,
        marks: Mark = "none",
        identity_views: tuple[str, ...] = (),
    ) -> None:
        super().__init__(method, dim, views, config)
        size = refiner_stage(dim, config.layers, config.feed_forward)
        self.layers = encoder_layers(size, config.dropout)
        nn.init.constant_(self.layers[-1].norm2.weight, config.residual_start)  # type: ignore[union-attr,arg-type]
        self.marks = ViewMarks(dim, len(views), learned=marks == "learned") if marks != "none" else None
        self.identity_views = identity_views

    def accepts(self, view: str) -> bool:
        """Any view, unless views have marks or statistics of their own."""
        return super().accepts(view) and (self.marks is None or view in self.views)

    @property
    def needs_whole_batch(self) -> bool:
        """True for the context that looks at other rows."""
        return self.config.context == "batch"

    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """`x + Transformer(x)`, or x for a view that passes unchanged."""
        if view in self.identity_views:
            return x_BTD
        sequences = Sequences(self.config.context, mask_BT)
        marked_BTD = x_BTD if self.marks is None else x_BTD + self.marks(self.views.index(view))
        y_PD = sequences.pack(marked_BTD)
        for layer in self.layers:
            y_PD = layer(y_PD, sequences)
        return x_BTD + sequences.unpack(y_PD)


class ViewMarks(nn.Module):
    """A constant a view, added to its features: evenly spaced from -1 (first view) to +1 (last), or learned.

    The released code adds -1 to the exo and +1 to the ego half of what the joint stream sees.

    Args:
        dim: feature size D.
        views: number of views V.
        learned: learn a vector a view instead, from small random values.
    """

    marks_VD: Tensor

    def __init__(self, dim: int, views: int, learned: bool) -> None:
        super().__init__()
        if learned:
            self.marks_VD = nn.Parameter(0.02 * torch.randn(views, dim))
        else:
            fixed_VD = torch.linspace(-1, 1, views)[:, None].repeat(1, dim)
            self.register_buffer("marks_VD", fixed_VD, persistent=False)

    def forward(self, view: int) -> Tensor:
        """The mark (D,) of the view with this index."""
        return self.marks_VD[view]
