"""The refiner of the methods fitted by gradient: `r(x) = x + Transformer(x)`, one network for all views."""

import torch
from torch import Tensor, nn

from viewloom.methods.base import Method
from viewloom.methods.fold_moments import FoldMoments
from viewloom.methods.pair_moments import PairMoments
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.settings import Mark, MethodConfig, ResidualConfig
from viewloom.methods.stem import Stem, stem_width
from viewloom.methods.whole_window import fill_window
from viewloom.nn.encoder import Sequences, encoder_layers
from viewloom.nn.sizes import refiner_stage
from viewloom.windows.batch import ViewBatch


class ResidualRefiner(Refiner):
    """`x + Transformer(x)`, with the published parameter names (``layers.0.self_attn.in_proj_weight`` ...).

    Args:
        method: registered name of the method.
        dim: feature size D, or one for each view, which takes a stem.
        views: views it is fitted on.
        config: settings.
        marks: add something to the features that tells the views apart: nothing, a fixed mark, a learned one.
        identity_views: views that pass unchanged.
    """

    config: ResidualConfig
    streams = True

    def __init__(
        self,
        method: str,
        dim: Dims,
        views: tuple[str, ...],
        config: ResidualConfig,
        marks: Mark = "none",
        identity_views: tuple[str, ...] = (),
    ) -> None:
        width = stem_width(as_dims(dim, views), config)
        super().__init__(method, dim, views, config, width)
        self.stem = Stem(self.dims, self.views, width) if config.stem != "none" else None
        if self.stem is not None:
            self.stem.requires_grad_(not config.stem_frozen)
        size = refiner_stage(width, config.layers, config.feed_forward)
        self.layers = encoder_layers(size, config.dropout)
        nn.init.constant_(self.layers[-1].norm2.weight, config.residual_start)  # type: ignore[union-attr,arg-type]
        self.marks = ViewMarks(width, len(views), learned=marks == "learned") if marks != "none" else None
        self.identity_views = identity_views

    def accepts(self, view: str) -> bool:
        """Any view, unless views have marks, statistics or a stem of their own."""
        return super().accepts(view) and ((self.marks is None and self.stem is None) or view in self.views)

    def check_ready(self) -> None:
        """Raise `ConfigError` before the stem has its maps."""
        super().check_ready()
        if self.stem is not None:
            self.stem.check_ready()

    def prepare(self, x_BTD: Tensor, view: str) -> Tensor:
        """Standardised features behind the stem."""
        x_BTD = super().prepare(x_BTD, view)
        return x_BTD if self.stem is None else self.stem(x_BTD, view)

    @property
    def causal(self) -> bool:
        """True for the context that looks at a step alone."""
        return self.config.context == "frame"

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


class ResidualMethod(Method):
    """A method that fits a `ResidualRefiner` by gradient, behind a stem if that is set."""

    config: ResidualConfig
    refiner: ResidualRefiner
    remedy = "Set --method_options.stem cca, which brings them to one, or use the method cca or ridge."

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        kind = {"none": None, "pca": PairMoments, "cca": FoldMoments}[self.config.stem]
        self.moments: PairMoments | FoldMoments | None = kind(self.dims, self.views) if kind is not None else None

    @property
    def takes_any_sizes(self) -> bool:
        """True with a stem."""
        return self.config.stem != "none"

    @property
    def keeps_start(self) -> bool:
        """True with a stem, which is a method by itself."""
        return self.config.stem != "none"

    @property
    def width(self) -> int:
        """Feature size that the network sees."""
        return self.refiner.out_dim

    @property
    def needs_pass(self) -> bool:
        """Also for the stem."""
        return super().needs_pass or self.config.stem != "none"

    def accumulate(self, batch: ViewBatch) -> None:
        """Take a batch into what standardisation and stem start from."""
        super().accumulate(batch)
        if self.moments is not None:
            self.moments.add(batch)

    def solve(self) -> None:
        """Work out both from all that was seen."""
        super().solve()
        if self.moments is not None and self.refiner.stem is not None:
            self.refiner.stem.start(self.moments, self.refiner.standardiser)

    def counted(self, batch: ViewBatch) -> tuple[ViewBatch, Tensor]:
        """The batch, and the steps (B, V, T) that are data.

        These are the valid ones, or with loss_mean=all, which fills up the window with zeros, every step of the views
        that the recording has.
        """
        self.check_views(batch)
        if not self.config.whole_window:
            return batch, batch.mask_BVT
        batch = fill_window(batch, self.config.window_steps, self.config.alike(self.training))
        return batch, batch.mask_BVT.any(dim=2, keepdim=True).expand_as(batch.mask_BVT)

    def prepared(self, batch: ViewBatch, counted_BVT: Tensor) -> Tensor:
        """What the network sees of each view, (B, V, T, W), zeros at steps that aren't data."""
        views = [self.refiner.prepare(batch.valid(view), view) for view in self.views]
        return torch.stack(views, dim=1).masked_fill(~counted_BVT[..., None], 0.0)
