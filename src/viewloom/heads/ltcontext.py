"""LTContext: every layer attends to a step's neighbours, and then to steps spread over the whole recording.

After Bahrami, Francesca, Gall: "How Much Temporal Long-Term Context is Needed for Action Segmentation?" (ICCV 2023,
arXiv:2308.11358): windowed attention and long-term context attention in turn behind a dilated convolution, stages that
refine with cross attention, fewer channels after the first. Written from the paper's description alone; its code, whose
licence forbids commercial use, was not looked at. Weights of theirs don't load.

Our reading, where the description leaves it open: a block also sees half as many steps on either side; queries, keys
and values have half the channels, which comes to the published number of parameters; later stages take queries and keys
of what the classes so far show, values of the features before. Keys have no offset: it would change nothing.
"""

from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from viewloom.heads.settings import HeadConfig, LTContextConfig
from viewloom.heads.staged import StagedHead
from viewloom.nn.masked import instance_norm
from viewloom.nn.window_attention import attend_blocks, attend_strided
from viewloom.registry import HEADS


@HEADS.register("ltcontext")
class LTContext(StagedHead):
    """A stage on the features, and stages that each refine the classes found so far.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = LTContextConfig
    config: LTContextConfig

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        first, later = self.config.width, self.config.width // self.config.shrink
        self.first = _Stage(dim, first, first, classes, self.config)
        self.refining = nn.ModuleList(
            _Stage(classes, later if place else first, later, classes, self.config)
            for place in range(self.config.stages - 1)
        )

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of the stages, last first; zero at masked steps."""
        x_BDT = x_BTD.mT.masked_fill(~mask_BT[:, None], 0.0)
        x_BDT = F.dropout1d(x_BDT, self.config.channel_dropout, self.training)
        level_BKT, features_BCT = self.first(x_BDT, None, mask_BT)
        levels = [level_BKT.mT]
        for stage in self.refining:
            level_BKT, features_BCT = stage(self.shares(level_BKT), features_BCT, mask_BT)
            levels.append(level_BKT.mT)
        return levels[::-1]


class _Stage(nn.Module):
    """A projection, layers whose convolutions reach ever further, a classifier."""

    def __init__(self, inputs: int, cross: int, width: int, classes: int, config: LTContextConfig) -> None:
        super().__init__()
        self.project = nn.Conv1d(inputs, width, kernel_size=1)
        self.fit = nn.Conv1d(cross, width, kernel_size=1) if cross != width else nn.Identity()
        self.layers = nn.ModuleList(_Layer(2**depth, width, config) for depth in range(config.layers))
        self.classify = nn.Conv1d(width, classes, kernel_size=1)

    def forward(self, x_BCT: Tensor, cross_BCT: Tensor | None, valid_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K, T) and features (B, C, T), zeros at steps that aren't valid.

        Args:
            x_BCT: what is projected.
            cross_BCT: features of the stage before, whose values are attended to; None for the layers' own.
            valid_BT: bool, True where a step is valid.
        """
        outside_B1T = ~valid_BT[:, None]
        cross_BCT = None if cross_BCT is None else self.fit(cross_BCT)
        x_BCT = self.project(x_BCT).masked_fill(outside_B1T, 0.0)
        for layer in self.layers:
            x_BCT = layer(x_BCT, cross_BCT, valid_BT)
        return self.classify(x_BCT).masked_fill(outside_B1T, 0.0), x_BCT


class _Layer(nn.Module):
    """Dilated convolution, attention nearby and far, each added; a linear map, added to the input."""

    def __init__(self, dilation: int, width: int, config: LTContextConfig) -> None:
        super().__init__()
        self.window, self.stride = config.window, config.stride
        self.conv = nn.Conv1d(width, width, kernel_size=3, padding=dilation, dilation=dilation)
        self.near = _Projections(width, width // config.reduction)
        self.far = _Projections(width, width // config.reduction)
        self.linear = nn.Conv1d(width, width, kernel_size=1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BCT: Tensor, cross_BCT: Tensor | None, valid_BT: Tensor) -> Tensor:
        found_BCT = F.gelu(self.conv(x_BCT))
        query, key, value = self.near(found_BCT, cross_BCT, valid_BT)
        found_BCT = found_BCT + self.near.out(attend_blocks(query, key, value, valid_BT, self.window))
        query, key, value = self.far(found_BCT, cross_BCT, valid_BT)
        found_BCT = found_BCT + self.far.out(attend_strided(query, key, value, valid_BT, self.stride))
        added_BCT = self.dropout(self.linear(found_BCT))
        return cast(Tensor, (x_BCT + added_BCT).masked_fill(~valid_BT[:, None], 0.0))


class _Projections(nn.Module):
    """Queries and keys of the normalised features, values of these or of others; and the way back."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.query = nn.Conv1d(width, inner, kernel_size=1)
        self.key = nn.Conv1d(width, inner, kernel_size=1, bias=False)
        self.value = nn.Conv1d(width, inner, kernel_size=1)
        self.out = nn.Conv1d(inner, width, kernel_size=1)

    def forward(self, x_BCT: Tensor, cross_BCT: Tensor | None, valid_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normed_BCT = instance_norm(x_BCT, valid_BT)
        return self.query(normed_BCT), self.key(normed_BCT), self.value(normed_BCT if cross_BCT is None else cross_BCT)
