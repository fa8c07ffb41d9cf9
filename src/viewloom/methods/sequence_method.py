"""Methods that hold whole sequences against each other, as those do that need no synchrony."""

from typing import Any

import torch
from torch import Tensor

from viewloom.methods.aligned_settings import SequenceConfig
from viewloom.methods.encoded import EncodedMethod
from viewloom.methods.refiner import Dims
from viewloom.methods.sequences import STILL, ViewSequences, as_sequences, pair_up
from viewloom.methods.settings import MethodConfig
from viewloom.windows.batch import ViewBatch


class SequenceMethod(EncodedMethod):
    """A method whose loss is one over pairs of sequences.

    Args:
        dim: feature size D, or one for each view.
        views: two or more.
        config: settings.
    """

    config: SequenceConfig
    seed: Tensor

    def __init__(self, dim: Dims, views: tuple[str, ...], config: MethodConfig | None = None) -> None:
        super().__init__(dim, views, config)
        # In the state, so that a run that goes on draws what it would have drawn.
        self.register_buffer("seed", torch.randint(2**31, ()))

    @classmethod
    def takes_lone_views(cls, config: Any) -> bool:
        """True unless only the views of one window are pairs."""
        return config.pairs != "views"  # type: ignore[no-any-return]

    @property
    def draw(self) -> tuple[int, int]:
        """Seed and epoch of what is drawn."""
        return (int(self.seed), self.epoch) if self.training else STILL

    def pairs_of(self, z_BVTZ: Tensor, mask_BVT: Tensor, batch: ViewBatch) -> tuple[ViewSequences, Tensor, Tensor]:
        """Sequences of all processes, in evaluation of this one; and the places (P,) of both sequences of each pair.

        Args:
            z_BVTZ: refined features.
            mask_BVT: bool, True where a view has a step that counts, see `counted`.
            batch: what they are of.
        """
        config, draw = self.config, self.draw
        sequences = as_sequences(z_BVTZ, mask_BVT, batch.windows, config.max_steps, draw if self.training else None)
        if self.training:
            sequences = sequences.over_processes()
        return sequences, *pair_up(sequences, config.pairs, config.partners, draw)

    def counted(self, mask_BVT: Tensor) -> Tensor:
        """Steps that count: all, or where only the views of one window are pairs, those of rows with two or more."""
        return mask_BVT if self.takes_lone_views(self.config) else several_views(mask_BVT)


def several_views(mask_BVT: Tensor) -> Tensor:
    """``mask_BVT`` of the rows that two views or more have a step of; False in the others."""
    return mask_BVT & (mask_BVT.any(dim=2).sum(dim=1) >= 2)[:, None, None]
