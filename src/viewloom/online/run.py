"""`viewloom predict --online`: a stream's segments as lines of JSON, each as soon as it has closed."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from viewloom.console import err
from viewloom.errors import DataError, listed
from viewloom.files import write_text
from viewloom.online.clock import Frames
from viewloom.online.closing import OnlineSegment
from viewloom.online.inputs import Stop, frames_of
from viewloom.online.segmenter import OnlineSegmenter
from viewloom.online.settings import OnlineConfig
from viewloom.outputs import refuse_file


@dataclass(frozen=True)
class OnlineResult:
    """How a stream ended.

    Attributes:
        frames: frames that came, those before a restart too.
        segments: segments that closed, likewise.
        kept: where it can go on from; None where it is over.
    """

    frames: int
    segments: int
    kept: Path | None

    def __str__(self) -> str:
        """One line."""
        goes_on = f" It goes on from {self.kept}." if self.kept else ""
        return f"{self.frames:,} frames, {self.segments:,} segments.{goes_on}"


def run_online(config: OnlineConfig) -> OnlineResult:
    """Segment a stream until its input ends or it is stopped.

    Raises:
        ConfigError: a head that looks ahead, a state of another stream, or segments that would be overwritten.
        DataError: frames that can't be used.
    """
    state = Path(config.state) if config.state else None
    if config.out != "-" and not (state is not None and state.exists()):
        refuse_file(config.out, config.overwrite, "--out, or its --state")
    online = OnlineSegmenter(
        config.run,
        config.view,
        fps=config.fps,
        lookahead_s=config.lookahead_s,
        accelerator=config.accelerator,
        sampling=config.sampling,
    )
    if config.overwrite and state is not None:
        state.unlink(missing_ok=True)
    resumed = state is not None and state.exists()
    if resumed:
        online.restore(config.state or "")
    stop = Stop(config.stop_file)
    frames = frames_of(config, online, stop)
    with lines(config, online.segments if resumed else None) as file, stop.signals():
        _say_hello(online, resumed)
        _follow(online, frames, file, state, config.save_every_s)
        keep = state is not None and (stop() or config.at_end == "keep")
        if not keep:
            _write(file, online.finish())
        _to_disk(file)
    if state is not None and keep:
        online.save_state(state)
    elif state is not None:
        state.unlink(missing_ok=True)  # a stream that is over doesn't go on
    return OnlineResult(online.frames, online.segments, state if keep else None)


def _say_hello(online: OnlineSegmenter, resumed: bool) -> None:
    begins = f"goes on at frame {online.frames:,}" if resumed else "begins"
    err.print(
        f"Stream {begins}: {online.dim} features a frame, {online.rate:g} frames a second. Each frame is decided "
        f"within {online.delay_s:.2f} s, of which {online.lookahead_s:.2f} s are look-ahead.",
        markup=False,
    )
    learned = online.trained.views
    if online.trained.refiner is None and online.view not in learned:
        err.print(f"The head learned from {listed(learned)}; nothing says what it does in {online.view}.", markup=False)


def _follow(
    online: OnlineSegmenter, frames: Iterable[Frames], file: IO[str], state: Path | None, save_every_s: float
) -> None:
    """Write the segments that close until no more frames come, and the state from time to time."""
    saved = time.monotonic()
    try:
        for x_TD in frames:
            _write(file, online.push(x_TD))
            if state is not None and time.monotonic() - saved >= save_every_s:
                _to_disk(file)
                online.save_state(state)
                saved = time.monotonic()
    except DataError:
        # Input that can't be used further, such as half a frame at its end, takes nothing away from what came before.
        if state is not None:
            _to_disk(file)
            online.save_state(state)
        raise


def _write(file: IO[str], segments: Iterable[OnlineSegment]) -> None:
    for segment in segments:
        file.write(json.dumps(segment.as_json(), ensure_ascii=False) + "\n")
    file.flush()


def _to_disk(file: IO[str]) -> None:
    """Flush the lines before a state says how many there are; nothing is done where they go to a pipe."""
    with suppress(OSError):
        os.fsync(file.fileno())


@contextmanager
def lines(config: OnlineConfig, written: int | None) -> Iterator[IO[str]]:
    """Where the segments' lines go.

    Args:
        config: settings.
        written: lines that a stream had written when its state was kept: what a killed one wrote after that is taken
            off, and comes again. None: it begins.
    """
    if config.out == "-":
        yield sys.stdout
        return
    path = Path(config.out)
    if written is None:
        write_text(path, "")
    else:
        found = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        if len(found) < written:
            raise DataError(
                f"{path} has {len(found)} segments, but {config.state} is of a stream that had written {written}. Pass "
                "the --out it began with."
            )
        write_text(path, "".join(found[:written]))
    with path.open("a", encoding="utf-8") as file:
        yield file
