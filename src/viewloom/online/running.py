"""A stream while it runs: frames on the head's clock, chunk sizes averaged, segments closed."""

from collections.abc import Sequence

import numpy as np

from viewloom.features.clock import Clock
from viewloom.online.chunks import ChunkStream, Probs
from viewloom.online.clock import ClockStream, Frames
from viewloom.online.closing import Closing, OnlineSegment
from viewloom.training.streamed import Chain, StepStream
from viewloom.windows.sampling import Sampling


class Running:
    """All that a stream keeps; bounded, however long it gets.

    Args:
        chain: refiner and head.
        sampling: chunk sizes, pooling, policy for missing frames.
        actions: class names by id.
        fps: frames per second of the head's training data.
        rate: frames per second that come.
        temperature: the head's, at which confidences are.

    Attributes:
        clock: brings frames to the head's clock.
        chunks: a stream for each chunk size.
        ahead: of each, probabilities (N, K) of frames that others haven't decided yet.
        closing: the segment that runs.
        segments: how many have closed.
        ended: whether the stream has.
    """

    def __init__(
        self,
        chain: Chain,
        sampling: Sampling,
        actions: tuple[str, ...],
        fps: float,
        rate: float,
        temperature: float = 1.0,
    ) -> None:
        self.chain, self.sampling, self.fps = chain, sampling, fps
        self.clock = ClockStream(Clock.of(rate, 0.0, fps))
        self.chunks = [self._of_chunks(chunk) for chunk in sampling.test_chunks]
        self.ahead: list[Probs] = [np.empty((0, chain.head.classes), np.float32) for _ in self.chunks]
        self.closing = Closing(actions, fps, temperature)
        self.segments, self.ended = 0, False

    def put(self, x_TD: Frames) -> list[OnlineSegment]:
        """The segments that close by T more frames."""
        x_TD = self.clock.put(x_TD)
        return self._decided([stream.put(x_TD) for stream in self.chunks])

    def end(self) -> list[OnlineSegment]:
        """The segments of the frames that waited for later ones, the last one with them."""
        closed, last = self._decided([stream.end() for stream in self.chunks]), self.closing.running
        self.ended = True
        if last is None:
            return closed
        self.segments += 1
        return [*closed, last]

    def _of_chunks(self, chunk_frames: int) -> ChunkStream:
        # A refiner gets the seconds of a step, as offline.
        steps = StepStream(self.chain, None if self.chain.refiner is None else chunk_frames / self.fps)
        may_lack = self.sampling.missing_frames == "mask"
        return ChunkStream(steps, chunk_frames, self.sampling.pooling, may_lack, self.chain.view)

    def _decided(self, found: Sequence[Probs]) -> list[OnlineSegment]:
        """The segments that close by what each chunk size has said of more frames: their mean, where all have."""
        self.ahead = [np.concatenate(pair) if len(pair[0]) else pair[1] for pair in zip(self.ahead, found, strict=True)]
        ready = min(map(len, self.ahead))
        if not ready:
            return []
        total_TK = np.zeros((ready, self.chain.head.classes), np.float32)
        for probs_TK in self.ahead:
            total_TK += probs_TK[:ready]
        total_TK /= len(self.ahead)
        self.ahead = [probs_TK[ready:].copy() for probs_TK in self.ahead]
        closed = self.closing.put(total_TK)
        self.segments += len(closed)
        return closed
