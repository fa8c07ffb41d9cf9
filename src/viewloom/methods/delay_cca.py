"""Canonical correlation of time-delayed copies: a linear filter a view into a space where all views correlate most.

Each step is described by itself and its neighbours in time, as in Bießmann, Meinecke, Gretton, Rauch, Rainer,
Logothetis, Müller: "Temporal kernel CCA and its application in multimodal neuronal data analysis" (Machine Learning
2010), here without a kernel, on principal components. Delays are in seconds, so that steps of other lengths than the
pairs had are filtered alike.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from viewloom.methods.closed_settings import DelayCCAConfig
from viewloom.methods.expanded import ExpandedCCA, ExpandedRefiner
from viewloom.methods.principal import kept_dims
from viewloom.methods.refiner import Dims, StepS
from viewloom.methods.settings import MethodConfig
from viewloom.nn.stream import LooksBack
from viewloom.nn.tracing import running_max, tracing
from viewloom.registry import METHODS

USUAL_STRIDE_S = 0.5
"""Seconds between delays, where none are set and steps aren't longer."""
TIE = 1e-4
"""A delay this near to half a step counts as half a step, however it was rounded."""


class DelayRefiner(LooksBack, ExpandedRefiner):
    """A linear filter over time for each view.

    A delayed step that is not there, beyond the row's ends or masked, is replaced by the nearest valid one of the row,
    of two the earlier; with ``causal`` by the last valid one before it, or the row's first.
    """

    timed = True
    config: DelayCCAConfig
    step_s: Tensor
    stride_s: Tensor

    def __init__(self, method: str, dim: Dims, views: tuple[str, ...], config: DelayCCAConfig) -> None:
        kept = kept_dims(dim, views, config.pca_dim)
        super().__init__(method, dim, views, config, [config.taps * size for size in kept])
        self.register_buffer("step_s", torch.ones((), dtype=torch.float64))
        self.register_buffer("stride_s", torch.ones((), dtype=torch.float64))
        self.set_step(1.0)

    def set_step(self, step_s: float) -> None:
        """Keep the length of a step, and what follows from it."""
        self.step_s.fill_(step_s)
        stride_s = self.config.stride_s
        self.stride_s.fill_(max(USUAL_STRIDE_S, step_s) if stride_s is None else stride_s)

    def expand(self, x_BTD: Tensor, mask_BT: Tensor, place: int, step_s: StepS) -> Tensor:
        """Principal components at all delays (B, T, taps * K), the earliest first."""
        y_BTK: Tensor = self.principal(x_BTD, place)
        delays_BN = self.delays(self.step_s if step_s is None else step_s).expand(y_BTK.shape[0], -1)
        if self.stream is not None:
            return self._in_stream(y_BTK, mask_BT, delays_BN)
        places_BTN = delayed_places(mask_BT, delays_BN, self.config.causal)
        size = y_BTK.shape[-1]
        taps = [y_BTK.gather(1, at_BT[..., None].expand(-1, -1, size)) for at_BT in places_BTN.unbind(-1)]
        return torch.cat(taps, dim=-1)

    def _in_stream(self, y_BTK: Tensor, mask_BT: Tensor, delays_BN: Tensor) -> Tensor:
        """`expand` of a block of a stream, where it is causal.

        Each step that isn't valid takes over the one before it, so that a step to stand in for others is there however
        long ago it was valid.
        """
        # A graph knows the sizes of what it keeps, and no values.
        behind = self.kept_steps("x") if tracing() else max(1, -int(delays_BN.min()))
        x_BKJ, valid_BJ = self.with_past(y_BTK.mT, behind, "x"), self.with_past(mask_BT, behind, "seen")
        now_J = torch.arange(valid_BJ.shape[1], device=valid_BJ.device)
        latest_BJ = running_max(torch.where(valid_BJ, now_J, 0))
        x_BKJ, seen_BJ = taken(x_BKJ, latest_BJ), running_max(valid_BJ.long()) > 0
        self.keep(x_BKJ, behind, "x")
        self.keep(seen_BJ, behind, "seen")
        first_B1 = seen_BJ.int().argmax(dim=1, keepdim=True)
        stand_in_BJ = torch.where(seen_BJ, now_J, first_B1)
        places_BTN = now_J[behind:, None] + delays_BN[:, None]
        taps = [taken(x_BKJ, stand_in_BJ.gather(1, at_BT)) for at_BT in places_BTN.unbind(-1)]
        return torch.cat(taps, dim=1).mT

    def delays(self, step_s: float | Tensor) -> Tensor:
        """Delays in whole steps, the past negative: (1, taps) of steps of one length, (B, taps) of a length a row.

        Half a step is rounded away from now, so that they are the same to both sides.
        """
        step_B = torch.as_tensor(step_s, dtype=torch.float64, device=self.stride_s.device).reshape(-1)
        taps = self.config.taps
        centre = taps - 1 if self.config.causal else (taps - 1) / 2
        offsets_N = torch.arange(taps, dtype=torch.float64, device=step_B.device) - centre
        exact_BN = offsets_N * self.stride_s.double() / step_B[:, None]
        return (exact_BN.sign() * (exact_BN.abs() + 0.5 + TIE).floor()).long()


def taken(x_BKJ: Tensor, places_BT: Tensor) -> Tensor:
    """The steps (B, K, T) of ``x_BKJ`` at some places."""
    return x_BKJ.gather(2, places_BT[:, None].expand(-1, x_BKJ.shape[1], -1))


def delayed_places(mask_BT: Tensor, delays_BN: Tensor, causal: bool) -> Tensor:
    """Index (B, T, N) of the valid step that stands for each delayed one; 0 in rows without any.

    Args:
        mask_BT: bool, True where a step is valid.
        delays_BN: delays of each row in steps, the past negative.
        causal: never stand in by a step that comes later.
    """
    steps = mask_BT.shape[1]
    now_T = torch.arange(steps, device=mask_BT.device)
    before_BT = running_max(torch.where(mask_BT, now_T, -1))
    after_BT = steps - running_max(torch.where(mask_BT, steps - now_T, 0).flip(1)).flip(1)
    later_BT = (after_BT - now_T < now_T - before_BT) | (before_BT < 0)
    use_later_BT = (before_BT < 0) if causal else later_BT & (after_BT < steps)
    nearest_BT = torch.where(use_later_BT, after_BT, before_BT).clamp(0, steps - 1)
    wanted_BTN = (now_T[:, None] + delays_BN[:, None]).clamp(0, steps - 1)
    return nearest_BT.gather(1, wanted_BTN.flatten(1)).view(wanted_BTN.shape)


@METHODS.register("delay_cca")
class DelayCCA(ExpandedCCA):
    """Canonical correlation of delayed copies of the principal components of two views or more.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = DelayCCAConfig

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> DelayRefiner:
        """A filter for each view into the shared space."""
        return DelayRefiner(cls.registered_name(), dim, views, config)
