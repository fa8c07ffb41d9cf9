"""Sequences of different views are aligned in time as a whole, by soft dynamic time warping.

The loss of a pair is the soft-DTW divergence (Blondel, Mensch, Vert, AISTATS 2021) a step, see
`viewloom.losses.soft_dtw`. It is least where all steps look alike, so variance and covariance terms stand against it
(VICReg, see `viewloom.losses.collapse`); their combination with soft-DTW is ours.
"""

from typing import ClassVar

import torch
from torch import Tensor

from viewloom.losses.collapse import as_summed, covariance_term, masked_covariance, variance_term
from viewloom.losses.soft_dtw import soft_dtw_divergence
from viewloom.methods.aligned_settings import SoftDTWConfig
from viewloom.methods.encoded import Terms
from viewloom.methods.sequence_method import SequenceMethod
from viewloom.methods.settings import MethodConfig
from viewloom.nn.distributed import sum_with_gradient
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("soft_dtw")
class SoftDTW(SequenceMethod):
    """Soft-DTW divergence between sequences of different views, and terms against collapse.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = SoftDTWConfig
    config: SoftDTWConfig

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """Divergence a step, the mean over pairs of sequences; variance and covariance, the mean over views."""
        config, mask_BVT = self.config, self.counted(mask_BVT)
        sequences, first_P, second_P = self.pairs_of(z_BVTZ, mask_BVT, batch)
        z_SNZ, steps_S = sequences.z_SNZ, sequences.there_SN.sum(dim=1)
        n_P, m_P = steps_S[first_P], steps_S[second_P]
        each_P = soft_dtw_divergence(z_SNZ[first_P], z_SNZ[second_P], n_P, m_P, config.gamma) / torch.maximum(n_P, m_P)
        total = sum_with_gradient if self.training else as_summed
        covariances = [
            masked_covariance(z_BVTZ[:, place], mask_BVT[:, place], total) for place in range(len(self.views))
        ]
        variance = torch.stack([variance_term(c_ZZ, config.variance_target) for c_ZZ in covariances]).mean()
        covariance = torch.stack([covariance_term(c_ZZ) for c_ZZ in covariances]).mean()
        return {
            "alignment": (1.0, each_P.sum() / max(1, len(each_P))),
            "variance": (config.variance_weight, variance),
            "covariance": (config.covariance_weight, covariance),
        }
