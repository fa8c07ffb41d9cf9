"""Labelled sequence and segment losses over views: what is done is the same, whoever looks.

After Bahrami, Zatsarynna, Francesca, Gall: "Towards Generalizing Temporal Action Segmentation to Unseen Views"
(arXiv:2504.02512), who learn from labelled recordings that several views see. Theirs are a network that all views
share, a sequence loss with a predictor (three layers, GELU) between two views of a sequence, and a loss over segments
of actions; they train these together with the segmentation itself. Ours are the formulas of both losses
(`viewloom.losses.shared_views`), the refiner as the only thing that is learned, and maps of its own for each view
(``per_view``), without which views of unequal sizes could not be had.

It learns from the labels of the pairs, which no other method here does: its rows in tables say so.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from viewloom.losses.shared_views import segment_loss, segment_means, sequence_loss
from viewloom.losses.squared_error import as_counted
from viewloom.methods.aligned_settings import UnseenViewsConfig
from viewloom.methods.encoded import EncodedMethod, Terms
from viewloom.methods.refiner import Dims
from viewloom.methods.sequence_method import several_views
from viewloom.methods.settings import MethodConfig
from viewloom.nn.distributed import gather_over_processes, mean_count
from viewloom.registry import METHODS
from viewloom.windows.batch import ViewBatch


@METHODS.register("unseen_views")
class UnseenViews(EncodedMethod):
    """Sequence loss and segment loss.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    Config: ClassVar[type[MethodConfig]] = UnseenViewsConfig
    config: UnseenViewsConfig
    requires = "labels"

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        size, hidden = self.refiner.out_dim, self.config.hidden
        self.predictor = nn.Sequential(
            nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, size)
        )

    def terms(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> Terms:
        """Both losses, over rows that two views or more have; without labels the second is zero."""
        mask_BVT, config = several_views(mask_BVT), self.config
        count = mean_count if self.training else as_counted
        sequence = sequence_loss(self.predictor(z_BVTZ), z_BVTZ, mask_BVT, count)
        terms = {"sequence": (config.sequence_weight, sequence)}
        if batch.labels_BT is not None:
            means_NZ, label_N, view_N = segment_means(z_BVTZ, mask_BVT, batch.labels_BT)
            if self.training:
                ids_N2 = gather_over_processes(torch.stack([label_N, view_N], dim=1))
                means_NZ, (label_N, view_N) = gather_over_processes(means_NZ), ids_N2.unbind(1)
            terms["segment"] = (config.segment_weight, segment_loss(means_NZ, label_N, view_N, config.temperature))
        return terms
