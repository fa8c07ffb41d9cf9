"""Temporal cycle-consistency over views: a step's soft neighbour in another video leads back to the step.

Dwibedi et al.: "Temporal Cycle-Consistency Learning" (CVPR 2019, arXiv:1904.07846), here over videos of different
views. With ``pairs=recordings`` a pair's videos are of different recordings of the same activity, and nothing that
is learned from says which of their steps belong together; see `viewloom.losses.cycle`.
"""

from typing import ClassVar

from torch import Tensor

from viewloom.losses.cycle import cycle_back, cycle_classification, cycle_regression
from viewloom.methods.aligned_settings import TCCConfig
from viewloom.methods.encoded import Terms
from viewloom.methods.sequence_method import SequenceMethod
from viewloom.methods.settings import MethodConfig
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("tcc")
class TCC(SequenceMethod):
    """Cycles from the sequences of one view through those of another.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = TCCConfig
    config: TCCConfig

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """The mean over steps of all pairs of sequences."""
        sequences, first_P, second_P = self.pairs_of(z_BVTZ, self.counted(mask_BVT), batch)
        z_SNZ, there_SN, config = sequences.z_SNZ, sequences.there_SN, self.config
        there_PN = there_SN[first_P]
        logits_PNN = cycle_back(z_SNZ[first_P], z_SNZ[second_P], there_PN, there_SN[second_P], config.temperature)
        if config.cycle == "regression":
            return {"cycle": (1.0, cycle_regression(logits_PNN, there_PN, config.variance_weight))}
        return {"cycle": (1.0, cycle_classification(logits_PNN, there_PN))}
