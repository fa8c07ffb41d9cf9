"""C2F-TCN: a U-shaped temporal convolution net whose decoder levels vote.

Singhania, Rahaman, Yao: "Coarse to Fine Multi-Resolution Temporal Convolutional Network" (arXiv:2105.10859);
with the sizes, and the names of the parameters, of the Assembly101 segmentation baseline.

The net depends on the length it is computed at: it upsamples end on end, and pools by whole groups. That
length, the *canvas*, here belongs to the row and never to the batch: see `C2FTCN.Config.canvas`.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from viewloom.errors import ConfigError
from viewloom.heads.base import Head
from viewloom.heads.settings import MIN_STEPS, POOLS, C2FTCNConfig, HeadConfig
from viewloom.losses.base import LossOutput
from viewloom.losses.segmentation import counts, mean_log_probabilities, mean_probabilities, smoothed_cross_entropy
from viewloom.nn.distributed import mean_count
from viewloom.nn.masked import (
    Canvas,
    MaskedBatchNorm1d,
    fit_steps,
    max_pool,
    resize_linear,
    valid_lengths,
)
from viewloom.nn.tracing import tracing
from viewloom.registry import HEADS


@HEADS.register("c2f_tcn")
class C2FTCN(Head):
    """Encoder of six halvings, temporal pyramid pooling, decoder of six levels with a classifier each.

    Args:
        dim: feature size D.
        classes: number of classes K.
        config: settings.
    """

    Config: ClassVar[type[HeadConfig]] = C2FTCNConfig
    config: C2FTCNConfig
    least_steps = 200
    weights: Tensor

    def __init__(self, dim: int, classes: int, config: HeadConfig | None = None) -> None:
        super().__init__(dim, classes, config)
        w = self.config.width
        self.register_buffer("weights", torch.tensor(self.config.level_weights))
        self.inc = _Entry(dim, 2 * w)
        self.down1, self.down2, self.down3 = _Down(2 * w, 2 * w), _Down(2 * w, 2 * w), _Down(2 * w, w)
        self.down4, self.down5, self.down6 = _Down(w, w), _Down(w, w), _Down(w, w)
        self.tpp = _Pyramid(w)
        self.up, self.up0, self.up1 = _Up(2 * w + len(POOLS), w), _Up(2 * w, w), _Up(2 * w, w)
        self.up2, self.up3, self.up4 = _Up(3 * w, w), _Up(3 * w, w), _Up(3 * w, w)
        self.outcc0, self.outcc1, self.outcc2 = (_Classifier(w, classes) for _ in range(3))
        self.outcc3, self.outcc4, self.outcc = (_Classifier(w, classes) for _ in range(3))

    def logits(self, x_BTD: Tensor, mask_BT: Tensor) -> list[Tensor]:
        """Logits (B, T, K) of the six levels, finest first; zero beyond each row's canvas.

        Raises:
            ConfigError: a row is longer than the window (canvas=window).
        """
        canvas = self.canvas_of(mask_BT)
        steps = mask_BT.shape[1]
        x_BCT = x_BTD.mT.masked_fill(~mask_BT[:, None], 0.0)
        skips, canvases = self._encode(fit_steps(x_BCT, canvas.steps), canvas)
        return [fit_steps(level, steps).mT for level in self._decode(skips, canvases, steps)]

    @property
    def longest_row(self) -> int | None:
        """The window, where that is the canvas."""
        return None if self.config.canvas == "length" else self.config.window_steps

    def canvas_of(self, mask_BT: Tensor) -> Canvas:
        """The steps each row is computed at, from its own mask and the config alone.

        Raises:
            ConfigError: a row is longer than the window (canvas=window).
        """
        window_steps, lengths_B = self.config.window_steps, valid_lengths(mask_BT)
        if tracing():
            return self._traced_canvas(lengths_B, mask_BT)
        longest, valid = (int(fact) for fact in torch.stack([lengths_B.max(), mask_BT.sum()]).tolist())
        if self.config.canvas == "window":
            _check_window(longest, window_steps)
            return Canvas(torch.full_like(lengths_B, window_steps), window_steps)
        steps = max(longest, MIN_STEPS)
        full = valid == len(mask_BT) * steps
        return Canvas(lengths_B.clamp(min=MIN_STEPS), steps, None if full else fit_steps(mask_BT, steps))

    def _traced_canvas(self, lengths_B: Tensor, mask_BT: Tensor) -> Canvas:
        """`canvas_of` without a look at the rows' lengths: wide enough for any, which changes no row."""
        window_steps = self.config.window_steps
        if self.config.canvas != "length":
            return Canvas(torch.full_like(lengths_B, window_steps), window_steps)
        halved = MIN_STEPS // max(POOLS)  # a whole number of groups at every level
        # Two of the widest pool's groups at least, on the coarsest level: one alone would be a case of its own.
        steps = halved * ((mask_BT.shape[1] + halved - 1) // halved) + 2 * MIN_STEPS
        return Canvas(lengths_B.clamp(MIN_STEPS), steps, fit_steps(mask_BT, steps))

    def loss(self, levels: list[Tensor], labels_BT: Tensor, mask_BT: Tensor) -> LossOutput:
        """Cross-entropy on the levels' vote, plus the weighted smoothing term."""
        config, counted_2 = self.config, counts(labels_BT, mask_BT)
        if config.smoothing_mean == "all":
            counted_2[1] = len(mask_BT) * (config.window_steps - 1)
        counted_2 = mean_count(counted_2) if self.training else counted_2
        return smoothed_cross_entropy(self.voted(levels), labels_BT, mask_BT, counted_2, config.smoothing)

    def voted(self, levels: list[Tensor]) -> list[Tensor]:
        """Logarithm of the levels' vote (B, T, K)."""
        return [mean_log_probabilities(levels, self.weights, self.config.probability_floor)]

    def decode(self, levels: list[Tensor], mask_BT: Tensor) -> Tensor:
        """Class probabilities (B, T, K): the levels' weighted mean."""
        return mean_probabilities(levels, self.weights)

    def _encode(self, x_BCT: Tensor, canvas: Canvas) -> tuple[list[Tensor], list[Canvas]]:
        """Outputs of the encoder levels, finest first, the last through the pyramid; and their canvases."""
        skips, canvases = [self.inc(x_BCT, canvas)], [canvas]
        for down in (self.down1, self.down2, self.down3, self.down4, self.down5, self.down6):
            canvases.append(canvases[-1].pooled(2))
            skips.append(down(skips[-1], canvases[-1]))
        skips[-1] = self.tpp(skips[-1], canvases[-1])
        return skips, canvases

    def _decode(self, skips: list[Tensor], canvases: list[Canvas], steps: int) -> list[Tensor]:
        """Logits (B, K, S) of each decoder level at full resolution, finest first; S at most ``steps``."""
        full_B, widest = canvases[0].lengths_B, canvases[0].steps
        steps = widest if tracing() else min(steps, widest)
        ups = (self.up, self.up0, self.up1, self.up2, self.up3, self.up4)
        classifiers = (self.outcc0, self.outcc1, self.outcc2, self.outcc3, self.outcc4, self.outcc)
        x_BCT, canvas, levels = skips[-1], canvases[-1], []
        for up, classify, depth in zip(ups, classifiers, reversed(range(len(ups))), strict=True):
            x_BCT = up(x_BCT, canvas, skips[depth], canvases[depth])
            canvas, logits = canvases[depth], classify(x_BCT)
            # At the finest level this only clears what lies beyond a row's canvas.
            levels.append(resize_linear(logits, canvas.lengths_B, full_B, steps))
        return levels[::-1]


class _Block(nn.Module):
    """Convolution over five steps, batch norm, ReLU: twice."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel_size=5, padding=2),
            MaskedBatchNorm1d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv1d(outputs, outputs, kernel_size=5, padding=2),
            MaskedBatchNorm1d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x_BCT: Tensor, canvas: Canvas) -> Tensor:
        for first in (0, 3):
            conv, norm, relu = (self.conv[first + place] for place in range(3))
            x_BCT = relu(canvas.clear(norm(conv(x_BCT), canvas.valid_BT)))
        return x_BCT


class _Entry(nn.Module):
    """The first block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _Block(inputs, outputs)

    def forward(self, x_BCT: Tensor, canvas: Canvas) -> Tensor:
        return cast(Tensor, self.conv(x_BCT, canvas))


class _Down(nn.Module):
    """Halve the length, then a block. The pool stands in the Sequential for the published names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.max_pool_conv = nn.Sequential(nn.MaxPool1d(2), _Block(inputs, outputs))

    def forward(self, x_BCT: Tensor, canvas: Canvas) -> Tensor:
        _, block = self.max_pool_conv
        return cast(Tensor, block(canvas.clear(max_pool(x_BCT, 2)), canvas))


class _Pyramid(nn.Module):
    """Temporal pyramid pooling: four pooled one-channel summaries, stretched back, before the input."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, 1, kernel_size=1)

    def forward(self, x_BCT: Tensor, canvas: Canvas) -> Tensor:
        lengths_B, steps = canvas.lengths_B, canvas.steps
        summaries = [
            resize_linear(self.conv(max_pool(x_BCT, size)), lengths_B // size, lengths_B, steps) for size in POOLS
        ]
        return torch.cat([*summaries, x_BCT], dim=1)


class _Up(nn.Module):
    """Double the length, fill up to the skip's length with zeros, put after the skip, then a block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _Block(inputs, outputs)

    def forward(self, x_BCT: Tensor, coarser: Canvas, skip_BCT: Tensor, canvas: Canvas) -> Tensor:
        doubled_BCT = resize_linear(x_BCT, coarser.lengths_B, 2 * coarser.lengths_B, canvas.steps)
        return cast(Tensor, self.conv(torch.cat([skip_BCT, doubled_BCT], dim=1), canvas))


class _Classifier(nn.Module):
    """Logits of one decoder level."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, classes, kernel_size=1)

    def forward(self, x_BCT: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x_BCT))


def _check_window(steps: int, window_steps: int) -> None:
    if steps > window_steps:
        raise ConfigError(
            f"Head c2f_tcn: a row of {steps} steps doesn't fit the canvas of window_steps {window_steps}. "
            "Raise window_steps, cut shorter windows (fewer chunks each), or set canvas to length."
        )
