"""Frames of another rate brought to the clock of a head, as they come."""

import numpy as np
from numpy.typing import NDArray

from viewloom.features.base import Span
from viewloom.features.clock import Clock, on_clock

Frames = NDArray[np.float32]


class ClockStream:
    """Each frame of a clock as the nearest frame that came, as soon as that has; frames as they are without a clock.

    Args:
        clock: of the frames that come, on the head's; None where they have one rate.

    Attributes:
        come: frames that came.
    """

    def __init__(self, clock: Clock | None) -> None:
        self.clock = clock
        self.come = 0

    def put(self, x_TD: Frames) -> Frames:
        """The frames of the clock that show T more."""
        held, self.come = self.come, self.come + len(x_TD)
        if self.clock is None or not len(x_TD):
            return x_TD
        shown = on_clock(Span(held, self.come), self.clock)
        return x_TD[self.clock.nearest(np.arange(*shown)) - held]
