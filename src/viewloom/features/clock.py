"""One clock for views of different rates: which stored frame is nearest to each frame of the data set.

Frame f of the data set is at f / fps seconds, stored frame n of a view at start_s + n / rate. All arithmetic is on
whole numbers, so that no rounding moves a frame, however long a recording is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from viewloom.features.base import Span

MOST = 10**6
"""Largest denominator of a rate: 30000/1001 written as 29.97002997 is found again."""


@dataclass(frozen=True)
class Clock:
    """Times of a view's stored frames on the data set's clock.

    Attributes:
        steps: stored frames that pass between two frames of the data set.
        start: place, in stored frames, of the data set's frame 0.
    """

    steps: Fraction
    start: Fraction

    @classmethod
    def of(cls, rate: float, start_s: float, fps: float) -> Clock | None:
        """The clock of a view with ``rate`` frames a second, the first one ``start_s`` seconds late.

        Returns:
            None where stored frames are the data set's own.
        """
        own = _exact(rate)
        clock = cls(own / _exact(fps), -_exact(start_s) * own)
        return None if clock == cls(Fraction(1), Fraction(0)) else clock

    def nearest(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """The nearest stored frame of each frame of the data set; the earlier one of two as near."""
        bottom = math.lcm(self.steps.denominator, self.start.denominator)
        step, start = int(self.steps * bottom), int(self.start * bottom)
        largest = 2 * (step * int(np.abs(frames).max(initial=1)) + abs(start) + bottom)
        numbers = frames if largest < 2**63 else frames.astype(object)  # Python's own know no largest one
        # ceil(x - 1/2) with x = (step f + start) / bottom
        places = -((bottom - 2 * (step * numbers + start)) // (2 * bottom))
        return places.astype(np.int64)

    def span(self, stored: Span) -> Span:
        """Frames of the data set whose nearest stored frame lies in ``stored``."""
        return Span(self._first(stored.first), self._first(stored.end))

    def _first(self, stored: int) -> int:
        """First frame of the data set whose nearest stored frame is ``stored`` or a later one."""
        # x > stored - 1/2, and the first whole f above that
        return (((Fraction(2 * stored - 1, 2) - self.start) / self.steps).__floor__()) + 1


def _exact(number: float) -> Fraction:
    """A rate or a time as it was written: 29.97 is 2997/100, not the nearest binary number."""
    written = Fraction(repr(float(number)))
    return written.limit_denominator(MOST) or written  # what is above 0 stays so


def on_clock(stored: Span, clock: Clock | None) -> Span:
    """Frames of the data set, which begin at 0, that show a stored frame of a view; the same ones without a clock."""
    if clock is None:
        return stored
    first, end = clock.span(stored)
    return Span(max(0, first), max(0, end))
