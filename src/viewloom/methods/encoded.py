"""Refiners `z = W_v x + g_v(x)`, and the base of the methods that learn them: a method states its loss, and no more.

x are whitened principal components of a view's standardised features (`start_map`), W_v starts from canonical or
principal components or a random rotation, and g_v is a small network (`viewloom.nn.time_nets`) that starts at zero. So
learning begins at the linear solution, and can only be led away from it by the loss.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from viewloom.losses.base import LossOutput
from viewloom.methods.base import Method
from viewloom.methods.pair_moments import PairMoments
from viewloom.methods.refiner import Dims, Refiner, as_dims
from viewloom.methods.settings import EncodedConfig, MethodConfig
from viewloom.methods.start_map import StartMap, mapped_size
from viewloom.nn.time_nets import build_net
from viewloom.windows.batch import ViewBatch

Terms = Mapping[str, tuple[float, Tensor]]
"""Weight and value of each term of a loss, by name."""


class EncodedRefiner(Refiner):
    """``W_v x + g_v(x)`` of whitened principal components x, for each view v or with one g for all.

    Args:
        method: registered name of the method.
        dim: feature size D, or one for each view.
        views: views it is fitted on.
        config: settings.
    """

    per_view = True
    streams = True
    config: EncodedConfig

    def __init__(self, method: str, dim: Dims, views: tuple[str, ...], config: EncodedConfig) -> None:
        out_dim = mapped_size(as_dims(dim, views), config)
        super().__init__(method, dim, views, config, out_dim)
        self.path = StartMap(self.dims, self.views, config)
        inputs, own = max(self.path.sizes), views if config.per_view else views[:1]
        sizes = inputs, config.hidden, out_dim, config.layers
        self.encoders = nn.ModuleList(build_net(config.encoder, *sizes, config.dropout, config.causal) for _ in own)

    @property
    def causal(self) -> bool:
        """As set; always where the network looks at single steps."""
        return self.config.causal or self.config.encoder == "frame"

    @property
    def sizes_tell(self) -> bool:
        """True for canonical components as large as their correlation, from which it starts."""
        return self.config.path == "cca" and self.config.scale == "correlation"

    def check_ready(self) -> None:
        """Raise `ConfigError` before the path has its maps."""
        super().check_ready()
        self.path.check_ready()

    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """The linear path and what the network adds to it."""
        p_BTP = self.path.whiten(x_BTD, view).masked_fill(~mask_BT[..., None], 0.0)
        if self.training and self.config.noise > 0:
            p_BTP = p_BTP + self.config.noise * torch.randn_like(p_BTP) * mask_BT[..., None]
        encoder = self.encoders[self.views.index(view) if self.config.per_view else 0]
        return self.path(p_BTP, view) + encoder(p_BTP, mask_BT)  # type: ignore[no-any-return]


class EncodedMethod(Method):
    """A method that learns an `EncodedRefiner` by gradient; `terms` is its loss.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = EncodedConfig
    any_sizes = True
    config: EncodedConfig
    refiner: EncodedRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        # Principal components are a view's own; canonical ones are of steps that two views have.
        lone = self.takes_lone_views(self.config) and self.config.path != "cca"
        self.moments = PairMoments(self.dims, self.views, lone)

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """A path and a network."""
        return EncodedRefiner(cls.registered_name(), dim, views, config)

    @property
    def keeps_start(self) -> bool:
        """True: the linear path is a method by itself."""
        return True

    @property
    def needs_pass(self) -> bool:
        """Always: principal components come from it."""
        return True

    def accumulate(self, batch: ViewBatch) -> None:
        """Take a batch into what standardisation and path start from."""
        super().accumulate(batch)
        self.moments.add(batch)

    def solve(self) -> None:
        """Work out both from all that was seen."""
        super().solve()
        path = self.refiner.path
        used = path.start(self.moments, self.refiner.standardiser, self.config.scale)
        if used != path.sizes:
            sizes = ", ".join(f"{count} of {view}" for count, view in zip(used, self.views, strict=True))
            self.chosen = (
                f"{type(self).registered_name()} starts from these numbers of principal components, few because the "
                f"pairs have few steps: {sizes} (--method_options.pca_dim sets another number)"
            )

    def forward(self, batch: ViewBatch) -> LossOutput:
        """Loss of a batch; parts are unweighted."""
        self.check_views(batch)
        z_BVTZ = self.encoded(batch)
        with torch.autocast(z_BVTZ.device.type, enabled=False):
            wide = torch.promote_types(z_BVTZ.dtype, torch.float32)
            terms = self.terms(z_BVTZ.to(wide), batch.mask_BVT, batch)
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return LossOutput(total, {name: term.detach() for name, (_, term) in terms.items()})

    def encoded(self, batch: ViewBatch) -> Tensor:
        """Refined features (B, V, T, Z) of all views, zeros at masked steps."""
        return torch.stack([self.encode(batch.features[view], batch.mask_of(view), view) for view in self.views], dim=1)

    @abstractmethod
    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """Weight and value of each term of the loss.

        Args:
            z_BVTZ: refined features, float32 or wider, zeros at masked steps.
            mask_BVT: bool, True where a view is there.
            batch: what they are of; `times_s` has the moments.
        """

    def times_s(self, batch: ViewBatch) -> Tensor:
        """Time (B, T) of the middle of each step within its recording, seconds, float64."""
        step_B1 = self.steps_s(batch)[:, None]
        starts = torch.tensor([window.start for window in batch.windows], dtype=torch.float64, device=step_B1.device)
        places_T = torch.arange(batch.mask_BVT.shape[-1], dtype=torch.float64, device=step_B1.device)
        return starts[:, None] / self.fps + (places_T + 0.5) * step_B1


def recording_ids(batch: ViewBatch) -> Tensor:
    """A number (B,) for the recording of each row, the same in all processes; float64 holds it exactly."""
    ids = [zlib.crc32(window.recording.encode()) for window in batch.windows]
    return torch.tensor(ids, dtype=torch.float64, device=batch.mask_BVT.device)
