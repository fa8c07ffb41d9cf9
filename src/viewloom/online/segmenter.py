"""A trained head on a stream: frames in, one by one or in blocks, segments out as they close."""

from pathlib import Path
from typing import Any

from viewloom.arguments import trained_head, view_of_array
from viewloom.dataset.settings import SamplingConfig
from viewloom.errors import ConfigError, DataError
from viewloom.features.arrays import as_features
from viewloom.keywords import built
from viewloom.online.closing import OnlineSegment
from viewloom.online.running import Running
from viewloom.online.state import read_state, write_state
from viewloom.training.sampling import stored_rate
from viewloom.training.streamed import Chain, refuse_looking_ahead
from viewloom.training.trained import TrainedHead
from viewloom.windows.sampling import Sampling, over_saved, resolve_sampling, stored_sampling

PIECE = 4096
"""Frames worked on at once, however many come: memory doesn't grow with the block."""


class OnlineSegmenter:
    """Segments a stream of one view with a head, and a refiner before it, that look back only.

    What it keeps doesn't grow with the stream. Its segments equal those that `viewloom.predict` gives of the whole
    recording, in whatever blocks the frames come, and if it is stopped and restored in between.

    Args:
        head: what `viewloom.train` gave, or its run folder, with ``causal=True`` where the head has that setting.
        view: which view the frames are of; None where the head tells none apart.
        fps: frames per second that come; None: as that view had in training. Segments are on the clock of the head's
            training data.
        lookahead_s: refuse a head that looks further than so many seconds behind the end of a step; None: as it was
            trained (``lookahead_s`` of `viewloom.train`).
        accelerator: device: auto, cpu, cuda.
        sampling: settings of the chunks, as a dictionary; by default as the head was trained.

    Raises:
        ConfigError: a head or refiner that looks ahead, with what to set instead; a head of several labels a frame.

    Attributes:
        rate: frames per second that come.
    """

    def __init__(
        self,
        head: TrainedHead | str | Path,
        view: str | None = None,
        *,
        fps: float | None = None,
        lookahead_s: float | None = None,
        accelerator: str = "cpu",
        sampling: SamplingConfig | dict[str, Any] | None = None,
    ) -> None:
        self.trained = trained = trained_head(head)
        refuse_looking_ahead(trained.head, trained.refiner)
        if trained.head.multi:
            raise ConfigError(
                f"{trained.where} gives a frame any number of actions (--labels_mode multi), and a stream is cut into "
                "segments of one. Segment the finished recording: `viewloom predict`."
            )
        self.view = view_of_array(trained, view)
        self.sampling = online_sampling(trained, sampling)
        segmenter = trained.segmenter(self.sampling, accelerator, fps=trained.fps)
        refiner = None if segmenter.refiner is None else segmenter.refiner.refiner
        self.chain = Chain(segmenter.head, refiner, self.view, segmenter.device)
        self._refuse_view()
        self.rate = fps or stored_rate(trained.extras, self.view) or trained.fps
        temperature = trained.calibration.temperature
        self.stream = Running(self.chain, self.sampling, trained.actions, trained.fps, self.rate, temperature)
        self._refuse_further(lookahead_s)

    @property
    def dim(self) -> int:
        """Feature size D of a frame."""
        return self.stream.chunks[0].dim

    @property
    def frames(self) -> int:
        """Frames that have come."""
        return self.stream.clock.come

    @property
    def segments(self) -> int:
        """Segments that have closed."""
        return self.stream.segments

    @property
    def lookahead_s(self) -> float:
        """Seconds that are seen behind the end of a step before it is decided."""
        return self.chain.head.lookahead * max(self.sampling.test_chunks) / self.trained.fps

    @property
    def delay_s(self) -> float:
        """Seconds after which a frame is decided, at the latest: its step's, and the look-ahead."""
        return self.lookahead_s + max(self.sampling.test_chunks) / self.trained.fps

    @property
    def running(self) -> OnlineSegment | None:
        """The segment that still runs, as far as it is decided; None before the first decision."""
        return self.stream.closing.running

    def push(self, frames: Any) -> list[OnlineSegment]:
        """Take frames in, and give the segments that close.

        Args:
            frames: features (T, D) or (D,) of the next frames, numpy or torch; a row of NaN is a missing frame.

        Raises:
            DataError: another feature size, or a frame that is NaN or infinite in part.
            ConfigError: after `finish`.
        """
        if self.stream.ended:
            raise ConfigError("The stream has ended. Make another OnlineSegmenter for the next one.")
        x_TD = as_features(frames, f"view {self.view}")
        x_TD = x_TD[None] if x_TD.ndim == 1 else x_TD
        if x_TD.ndim != 2 or x_TD.shape[1] != self.dim:
            raise DataError(
                f"Expected frames (T, {self.dim}) or one ({self.dim},), but got shape {x_TD.shape}. Use the features "
                "that the head was trained on."
            )
        closed = []
        for start in range(0, len(x_TD), PIECE):
            closed += self.stream.put(x_TD[start : start + PIECE])
        return closed

    def finish(self) -> list[OnlineSegment]:
        """End the stream: the segments of the frames that waited for later ones, the last one with them."""
        return [] if self.stream.ended else self.stream.end()

    def save_state(self, path: str | Path) -> None:
        """Write what is kept into a safetensors file, at once or not at all: `restore` goes on from there."""
        write_state(Path(path), self.stream)

    def restore(self, path: str | Path) -> None:
        """Go on where another one with the same head and settings wrote its state.

        Raises:
            DataError: there is no such file, or it is broken.
            ConfigError: it is of another head, view, rate or other chunks.
        """
        read_state(Path(path), self.stream)

    def _refuse_view(self) -> None:
        """`ConfigError` for a view that the refiner has no map for."""
        refiner = self.chain.refiner
        if refiner is None:
            return
        dim = refiner.dim_of(self.view) if refiner.accepts(self.view) else 0
        if (reason := refiner.misfit(self.view, dim)) is not None:
            raise ConfigError(reason)

    def _refuse_further(self, lookahead_s: float | None) -> None:
        """`ConfigError` for a head that looks further ahead than it may."""
        if lookahead_s is not None and self.lookahead_s > lookahead_s + 1e-9:
            raise ConfigError(
                f"This head looks {self.lookahead_s:g} s behind the end of a step, and lookahead_s is {lookahead_s:g}. "
                f"Train one with --lookahead_s {lookahead_s:g}, or choose shorter --sampling.test_chunks_s."
            )


def online_sampling(trained: TrainedHead, request: SamplingConfig | dict[str, Any] | None) -> Sampling:
    """The chunks of a stream: the head's, but for what is set; `ConfigError` for a policy that a stream can't have."""
    request = built(SamplingConfig, request) if isinstance(request, dict) else request or SamplingConfig()
    own = stored_sampling(trained.extra)
    sampling = resolve_sampling(over_saved(request, own, trained.fps), trained.fps)
    if sampling.missing_frames == "nearest":
        raise ConfigError(
            "missing_frames nearest copies frames that are yet to come. Pass --sampling.missing_frames mask, or error."
        )
    return sampling
