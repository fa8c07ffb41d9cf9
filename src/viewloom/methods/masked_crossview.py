"""Masked prediction over views: what a view shows is hidden for a while, and predicted from the views that are left.

Masked autoencoders (He et al.: "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, arXiv:2111.06377) predict
what is hidden from what is left, and throw the predictor away; CroCo (Weinzaepfel et al., NeurIPS 2022,
arXiv:2210.10716) does so with a second view of the scene. Here what is hidden are stretches of time of some of the
views; what is predicted are whitened features; and what they are predicted from is the mean of the refined features of
the views that are left. One predictor must do with whichever these are, so that refined features of all views have to
say the same in the same place. That mean, and the targets of views that are not hidden, are ours.
"""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from viewloom.losses.squared_error import as_counted, squared_error
from viewloom.methods.aligned_settings import MaskedConfig
from viewloom.methods.encoded import EncodedMethod, Terms
from viewloom.methods.refiner import Dims
from viewloom.methods.sequences import STILL, key_of
from viewloom.methods.settings import MethodConfig
from viewloom.nn.distributed import mean_count
from viewloom.nn.time_nets import ConvNet
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch, Window


@METHODS.register("masked_crossview")
class MaskedCrossView(EncodedMethod):
    """Prediction of hidden stretches of views from the others.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = MaskedConfig
    config: MaskedConfig
    seed: Tensor

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.predictor = Predictor(self.refiner.out_dim, self.refiner.path.sizes, self.config)

    def encoded(self, batch: ViewBatch) -> Tensor:
        """Refined features of all views as they are without what is hidden: zeros there, and not seen from beside."""
        seen_BVT = batch.mask_BVT & ~self.hidden(batch)
        views = zip(self.views, seen_BVT.unbind(1), strict=True)
        return torch.stack([self.encode(batch.features[view], seen_BT, view) for view, seen_BT in views], dim=1)

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """The mean over views of the squared error of what is predicted."""
        hidden_BVT = self.hidden(batch)
        seen_BVT = mask_BVT & ~hidden_BVT
        asked_BVT = hidden_BVT if self.config.targets == "hidden" else mask_BVT & hidden_BVT.any(dim=1, keepdim=True)
        # Where nothing is left there is nothing to predict from.
        asked_BVT = asked_BVT & seen_BVT.any(dim=1, keepdim=True)
        count = mean_count if self.training else as_counted
        errors = [
            squared_error(predicted_BTP, self._target(batch, view), asked_BT, count)
            for view, predicted_BTP, asked_BT in zip(
                self.views, self.predictor(z_BVTZ, seen_BVT), asked_BVT.unbind(1), strict=True
            )
        ]
        return {"prediction": (1.0, torch.stack(errors).mean())}

    def hidden(self, batch: ViewBatch) -> Tensor:
        """Steps (B, V, T) of views that are there, and hidden; drawn by seed, epoch and window."""
        draw = (int(self.seed), self.epoch) if self.training else STILL
        there_BV = batch.mask_BVT.any(dim=2).cpu().numpy()
        stretch_BT = ((self.times_s(batch) - self.times_s(batch)[:, :1]) / self.config.stretch_s).long().cpu().numpy()
        rows = [
            hidden_stretches(window, there_V, stretch_T, self.config, draw)
            for window, there_V, stretch_T in zip(batch.windows, there_BV, stretch_BT, strict=True)
        ]
        return torch.from_numpy(np.stack(rows)).to(batch.mask_BVT.device) & batch.mask_BVT

    def _target(self, batch: ViewBatch, view: str) -> Tensor:
        """Whitened components (B, T, P) of a view's features."""
        refiner = self.refiner
        whitened_BTP = refiner.path.whiten(refiner.prepare(batch.valid(view), view), view).detach()
        return whitened_BTP[..., : refiner.path.sizes[self.views.index(view)]]


class Predictor(nn.Module):
    """Whitened components of every view from the mean of the refined features of the views that are seen.

    Args:
        inputs: feature size Z.
        sizes: components P of each view.
        config: settings.
    """

    def __init__(self, inputs: int, sizes: list[int], config: MaskedConfig) -> None:
        super().__init__()
        self.sizes = sizes
        self.linear = nn.Linear(inputs, sum(sizes))
        self.net = ConvNet(inputs, config.hidden, sum(sizes), config.predictor_layers, config.dropout)

    def forward(self, z_BVTZ: Tensor, seen_BVT: Tensor) -> tuple[Tensor, ...]:
        """Predictions (B, T, P) for each view, anything where no view is seen."""
        seen_BT = seen_BVT.any(dim=1)
        mean_BTZ = z_BVTZ.sum(dim=1) / seen_BVT.sum(dim=1).clamp(min=1)[..., None]
        return (self.linear(mean_BTZ) + self.net(mean_BTZ, seen_BT)).split(self.sizes, dim=-1)  # type: ignore[no-any-return]


def hidden_stretches(
    window: Window,
    there_V: NDArray[np.bool_],
    stretch_T: NDArray[np.int64],
    config: MaskedConfig,
    draw: tuple[int, int],
) -> NDArray[np.bool_]:
    """Steps (V, T) in which a view of a window is hidden; never all views that are there at once.

    Args:
        window: which one; the same is hidden wherever it stands.
        there_V: the views that the recording has; of fewer than two none is hidden.
        stretch_T: number of the stretch that each step lies in, from 0.
        config: how much is hidden.
        draw: seed and epoch.
    """
    hidden_VT = np.zeros((len(there_V), len(stretch_T)), np.bool_)
    if there_V.sum() < 2:
        return hidden_VT
    rng = np.random.default_rng([*draw, key_of(window)])
    if rng.random() < config.whole_share:
        hidden_VT[:] = _some_of(there_V, rng.random((len(there_V) + 1, 1)))
        return hidden_VT
    # A line for each stretch, so that those behind the window's end, which padding adds, move none before it.
    drawn_KN = rng.random((int(stretch_T.max()) + 1, len(there_V) + 2))
    return (_some_of(there_V, drawn_KN[:, 1:].T) & (drawn_KN[:, 0] < config.hidden_share))[:, stretch_T]


def _some_of(there_V: NDArray[np.bool_], drawn_VK: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which views (V, K) to hide, K times: one to all but one of those there, by numbers (V + 1, K) from 0 to 1."""
    count_K = 1 + (drawn_VK[-1] * (there_V.sum() - 1)).astype(int)
    order_VK = np.argsort(np.argsort(np.where(there_V[:, None], drawn_VK[:-1], 2.0), axis=0), axis=0)
    some_VK: NDArray[np.bool_] = order_VK < count_K
    return some_VK
