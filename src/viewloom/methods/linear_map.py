"""The refiner of the closed-form methods: one affine map a view."""

from collections.abc import Sequence

import torch
from torch import Tensor

from viewloom.errors import ConfigError
from viewloom.methods.refiner import Dims, Refiner
from viewloom.methods.settings import MethodConfig


class LinearRefiner(Refiner):
    """``(x - mean_v) W_v + offset_v`` for each view v.

    Args:
        method: registered name of the method.
        dim: feature size D, or one for each view.
        views: views it has maps for.
        config: settings.
        out_dim: feature size Z it gives.
        mapped: sizes of what the maps take, where that is something worked out of the features; None: the features.
    """

    per_view = True
    streams = True
    mean_VD: Tensor
    weight_VDZ: Tensor
    offset_VZ: Tensor

    def __init__(
        self,
        method: str,
        dim: Dims,
        views: tuple[str, ...],
        config: MethodConfig,
        out_dim: int | None = None,
        mapped: Sequence[int] | None = None,
    ) -> None:
        super().__init__(method, dim, views, config, out_dim)
        self.mapped = self.dims if mapped is None else tuple(mapped)
        # Zeros stand behind the features of a view that has fewer than another.
        self.register_buffer("mean_VD", torch.zeros(len(views), max(self.mapped)))
        self.resize(self.out_dim)
        self.register_load_state_dict_post_hook(_note_loaded)  # type: ignore[no-untyped-call]

    def resize(self, out_dim: int) -> None:
        """Give features of another size; maps are forgotten."""
        self.out_dim, count = out_dim, len(self.views)
        self.register_buffer("weight_VDZ", self.mean_VD.new_zeros(count, max(self.mapped), out_dim))
        self.register_buffer("offset_VZ", self.mean_VD.new_zeros(count, out_dim))
        self.ready = False

    @property
    def sizes_tell(self) -> bool:
        """True for canonical components as large as their correlation: what views don't share has faded out."""
        return getattr(self.config, "scale", None) == "correlation"

    def set_map(self, view: str, mean_D: Tensor, weight_DZ: Tensor, offset_Z: Tensor) -> None:
        """Put in the map of one view."""
        place = self.views.index(view)
        self.mean_VD[place, : len(mean_D)] = mean_D
        self.weight_VDZ[place, : len(weight_DZ)] = weight_DZ
        self.offset_VZ[place] = offset_Z
        self.ready = True

    def transform(self, x_BTD: Tensor, mask_BT: Tensor, view: str) -> Tensor:
        """The view's affine map."""
        self.check_ready()
        place = self.views.index(view)
        dim = self.mapped[place]
        return (x_BTD - self.mean_VD[place, :dim]) @ self.weight_VDZ[place, :dim] + self.offset_VZ[place]

    def check_ready(self) -> None:
        """Raise `ConfigError` before the maps are there."""
        super().check_ready()
        if not self.ready:
            raise ConfigError(
                f"The {self.method} refiner has no maps yet: show all pairs to accumulate() and call solve()."
            )


def _note_loaded(module: LinearRefiner, _: object) -> None:
    module.ready = bool(module.weight_VDZ.any())
