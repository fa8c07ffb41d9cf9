"""Class probabilities of frames in, segments out, each as soon as the next one begins."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.training.predict import summed_runs


@dataclass(frozen=True)
class OnlineSegment:
    """A segment of a stream.

    Attributes:
        start: first frame, counted from the stream's first.
        end: frame after the last.
        start_s: its beginning (s).
        end_s: its end (s).
        action: what it shows.
        confidence: mean probability of the action over its frames.
    """

    start: int
    end: int
    start_s: float
    end_s: float
    action: str
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """Its values by name."""
        return asdict(self)


class Closing:
    """The segment that still runs, and the frames decided so far.

    Args:
        actions: class names by id.
        fps: frames per second.
        temperature: the head's, at which confidences are.

    Attributes:
        frames: frames decided.
        start: first frame of the segment that runs.
        label: its class, or -1 before the first frame.
        total: sum of its frames' probabilities of that class. Of a float64 of float32 numbers between 2^-10 and 1 it
            is exact up to 2^19 frames, so that it doesn't depend on how many frames came at a time.
    """

    def __init__(self, actions: tuple[str, ...], fps: float, temperature: float = 1.0) -> None:
        self.actions, self.fps, self.temperature = actions, fps, temperature
        self.frames, self.start, self.label, self.total = 0, 0, -1, 0.0

    def put(self, probs_TK: NDArray[np.float32]) -> list[OnlineSegment]:
        """The segments that end among T more frames."""
        if not len(probs_TK):
            return []
        found, sums, _ = summed_runs(probs_TK, self.frames, temperature=self.temperature)
        first, closed = self.frames, list[OnlineSegment]()
        self.frames += len(probs_TK)
        for (start, _, label), total in zip(found.rows, sums.tolist(), strict=True):
            if start == first and label == self.label:
                self.total += total
                continue
            if self.label >= 0:
                closed.append(self._segment(start))
            self.start, self.label, self.total = start, label, total
        return closed

    @property
    def running(self) -> OnlineSegment | None:
        """The segment that still runs, as far as it is decided; None before the first frame."""
        return None if self.label < 0 else self._segment(self.frames)

    def _segment(self, end: int) -> OnlineSegment:
        confidence = self.total / (end - self.start)
        times_s = (round(self.start / self.fps, 3), round(end / self.fps, 3))
        return OnlineSegment(self.start, end, *times_s, self.actions[self.label], round(confidence, 4))
