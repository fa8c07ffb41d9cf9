"""Canonical correlation of random Fourier features: curved maps at the price of linear ones.

Features ``sqrt(2 / M) cos(x F + p)``, whose products approximate a Gaussian kernel: Rahimi, Recht, "Random Features
for Large-Scale Kernel Machines" (NeurIPS 2007); canonical correlation of them: Lopez-Paz, Sra, Smola, Ghahramani,
Schölkopf, "Randomized Nonlinear Component Analysis" (ICML 2014). The kernel's width is the median distance between
steps, of a sample that depends on the data alone.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from viewloom.methods.closed_settings import RFFCCAConfig
from viewloom.methods.expanded import ExpandedCCA, ExpandedRefiner
from viewloom.methods.refiner import Dims, StepS
from viewloom.methods.sample import HashedSample
from viewloom.methods.settings import MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


class FourierRefiner(ExpandedRefiner):
    """An affine map a view of its random Fourier features.

    Frequencies and phases are buffers, and so in its file: nothing is drawn again.
    """

    config: RFFCCAConfig
    frequency_VKM: Tensor
    phase_VM: Tensor

    def __init__(self, method: str, dim: Dims, views: tuple[str, ...], config: RFFCCAConfig) -> None:
        super().__init__(method, dim, views, config, [config.features] * len(views))
        kept, most = self.principal.kept, max(self.principal.kept)
        frequency_VKM = torch.zeros(len(views), most, config.features)
        phase_VM = torch.zeros(len(views), config.features)
        for place, size in enumerate(kept):
            drawn = torch.Generator().manual_seed(1_000_003 * config.seed + place)
            frequency_VKM[place, :size] = torch.randn(size, config.features, generator=drawn)
            phase_VM[place] = 2 * math.pi * torch.rand(config.features, generator=drawn)
        # Zeros stand behind the components of a view that has fewer than another.
        self.register_buffer("frequency_VKM", frequency_VKM)
        self.register_buffer("phase_VM", phase_VM)

    def set_width(self, place: int, width: float) -> None:
        """Give the kernel of the view at a place its width."""
        self.frequency_VKM[place] /= width

    def expand(self, x_BTD: Tensor, mask_BT: Tensor, place: int, step_s: StepS) -> Tensor:
        """Random features (B, T, M)."""
        y_BTK: Tensor = self.principal(x_BTD, place)
        turned_BTM = y_BTK @ self.frequency_VKM[place, : y_BTK.shape[-1]] + self.phase_VM[place]
        return turned_BTM.cos() * math.sqrt(2 / self.config.features)


@METHODS.register("rff_cca")
class RFFCCA(ExpandedCCA):
    """Canonical correlation of random Fourier features of two views or more.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = RFFCCAConfig
    config: RFFCCAConfig
    refiner: FourierRefiner

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.samples = [HashedSample(size) for size in self.dims]

    @property
    def needs_look(self) -> bool:
        """The kernel's width is found from a sample."""
        return True

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> FourierRefiner:
        """A map for each view's random features."""
        return FourierRefiner(cls.registered_name(), dim, views, config)

    def look(self, batch: ViewBatch) -> None:
        """Sample the steps of each view."""
        for sample, view in zip(self.samples, self.views, strict=True):
            sample.add(batch, view)

    def settle(self) -> None:
        """Find the width of each view's kernel."""
        refiner = self.refiner
        for place, (sample, view) in enumerate(zip(self.samples, self.views, strict=True)):
            x_ND = sample.over_processes().to(refiner.mean_VD)
            y_NK = refiner.principal(refiner.prepare(x_ND[None], view), place)[0]
            refiner.set_width(place, self.config.bandwidth * median_distance(y_NK))
        self.samples = []


def median_distance(x_ND: Tensor) -> float:
    """Median Euclidean distance between two of the steps; 1 where that is 0 or nothing is there to be compared."""
    if len(x_ND) < 2:
        return 1.0
    return float(torch.pdist(x_ND.double()).median()) or 1.0
