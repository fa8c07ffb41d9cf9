"""The report's method: a refiner shared by all views, and a joint stream that sees them all at once.

`L = sum_v MSE(r(x_v), J) + lam(e) * sum_pairs MSE(r(x_a), r(x_b))`, J the joint stream's output, e the epoch.
The joint stream is thrown away after pre-training.

Which steps count: those that two views or more have. There J is computed from the views present, zeros standing
for an absent one; every view present reconstructs J, and every pair present is drawn together.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from viewloom.losses.base import LossOutput
from viewloom.losses.collapse import as_summed, covariance_term, masked_covariance, variance_term
from viewloom.losses.invariance import view_invariance
from viewloom.losses.reconstruction import joint_reconstruction, view_decoding
from viewloom.losses.schedule import invariance_weight
from viewloom.losses.squared_error import as_counted
from viewloom.methods.refiner import Dims, Refiner
from viewloom.methods.residual import ResidualMethod, ResidualRefiner, ViewMarks
from viewloom.methods.settings import Mark, MethodConfig, TwoStreamConfig
from viewloom.methods.whole_window import repeat_last
from viewloom.nn.distributed import mean_count, sum_with_gradient
from viewloom.nn.joint import JointStream
from viewloom.nn.sizes import Stage, pseudo_3d_stages
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("two_stream")
class TwoStream(ResidualMethod):
    """View-invariant stream and pseudo-3D joint stream.

    Args:
        dim: feature size D, or one for each view, which takes a stem.
        views: two or more, exo views first.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = TwoStreamConfig
    config: TwoStreamConfig
    refiner: ResidualRefiner
    stages: Callable[..., tuple[Stage, ...]] = staticmethod(pseudo_3d_stages)
    """Sizes of the joint stream, for a feature size, a number of views, a depth and a feed-forward width."""

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        config, dim = self.config, self.width
        stages = type(self).stages(dim, len(self.views), config.joint_depth, config.feed_forward)
        self.joint = JointStream(stages, dim, config.dropout, config.context)
        self.marks = self._joint_marks()
        self.decoder = nn.Linear(dim, len(self.views) * dim) if config.decode_weight > 0 else None

    @classmethod
    def build_refiner(cls, dim: Dims, views: tuple[str, ...], config: Any) -> Refiner:
        """One residual refiner for all views."""
        marks: Mark = config.view_mark if config.mark_at == "encoding" else "none"
        return ResidualRefiner(cls.registered_name(), dim, views, config, marks)

    def forward(self, batch: ViewBatch) -> LossOutput:
        """Loss of a batch; parts are unweighted."""
        batch, own_BVT = self.counted(batch)
        mask_BVT, x_BVTD = paired_steps(own_BVT), self.prepared(batch, own_BVT)
        refined = [
            self.refiner.transform(x_BVTD[:, place], own_BVT[:, place], view) for place, view in enumerate(self.views)
        ]
        z_BVTD = torch.stack(refined, dim=1)
        joint_BTD = self.joint(self._marked(x_BVTD, own_BVT), mask_BVT.any(dim=1))
        if self.config.whole_window:
            steps = self.config.window_steps
            x_BVTD, z_BVTD, joint_BTD = (repeat_last(x, steps) for x in (x_BVTD, z_BVTD, joint_BTD))
            mask_BVT = mask_BVT[..., :1].expand(*mask_BVT.shape[:2], steps)
        terms = self._terms(x_BVTD, z_BVTD, joint_BTD, mask_BVT)
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return LossOutput(total, {name: term.detach() for name, (_, term) in terms.items()})

    def _terms(
        self, x_BVTD: Tensor, z_BVTD: Tensor, joint_BTD: Tensor, mask_BVT: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """Weight and value of each term in use."""
        config = self.config
        count = mean_count if self.training else as_counted
        views_BVTD = z_BVTD.detach() if config.stop_gradient == "views" else z_BVTD
        target_BTD = joint_BTD.detach() if config.stop_gradient == "joint" else joint_BTD
        terms = {
            "reconstruction": (1.0, joint_reconstruction(views_BVTD, target_BTD, mask_BVT, count)),
            "invariance": (self._invariance_weight(), view_invariance(z_BVTD, mask_BVT, count)),
        }
        if config.variance_weight > 0 or config.covariance_weight > 0:
            variance, covariance = self._spread(z_BVTD, mask_BVT)
            terms["variance"] = (config.variance_weight, variance)
            terms["covariance"] = (config.covariance_weight, covariance)
        if self.decoder is not None:
            decoded_BVTD = self.decoder(joint_BTD).unflatten(-1, (len(self.views), self.width)).transpose(1, 2)
            terms["decoding"] = (config.decode_weight, view_decoding(decoded_BVTD, x_BVTD, mask_BVT, count))
        return terms

    def _invariance_weight(self) -> float:
        scheduled = self.training and self.config.schedule == "report"
        return self.config.invariance_weight * (invariance_weight(self.epoch) if scheduled else 1.0)

    def _spread(self, z_BVTD: Tensor, mask_BVT: Tensor) -> tuple[Tensor, Tensor]:
        """Variance and covariance terms, averaged over views, on the whole batch of all processes."""
        total = sum_with_gradient if self.training else as_summed
        covariances = [masked_covariance(z_BVTD[:, view], mask_BVT[:, view], total) for view in range(len(self.views))]
        variance = torch.stack([variance_term(c, self.config.variance_target) for c in covariances]).mean()
        return variance, torch.stack([covariance_term(c) for c in covariances]).mean()

    def _joint_marks(self) -> ViewMarks | None:
        """The marks of what the joint stream sees; the refiner's own ones where it has them."""
        if self.config.view_mark == "none" or self.refiner.marks is not None:
            return None
        return ViewMarks(self.width, len(self.views), learned=self.config.view_mark == "learned")

    def _marked(self, x_BVTD: Tensor, mask_BVT: Tensor) -> Tensor:
        """The joint stream's input: with the view mark, where it is in use and a view is present."""
        marks = self.refiner.marks or self.marks
        if marks is None or (self.config.mark_at == "joint_training" and not self.training):
            return x_BVTD
        marks_VD = torch.stack([marks(view) for view in range(len(self.views))])
        return x_BVTD + marks_VD[:, None] * mask_BVT[..., None]


def paired_steps(mask_BVT: Tensor) -> Tensor:
    """``mask_BVT`` without the steps that only one view has: there is nothing to compare them with."""
    return mask_BVT & (mask_BVT.sum(dim=1, keepdim=True) >= 2)
