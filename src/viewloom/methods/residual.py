"""The refiner of the methods fitted by gradient: `r(x) = x + Transformer(x)`, one network for all views."""

import torch
from torch import Tensor, nn

from viewloom.methods.refiner import Refiner
from viewloom.methods.settings import Mark, ResidualConfig
from viewloom.nn.encoder import Sequences, encoder_layers
from viewloom.nn.sizes import refiner_stage


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
