"""Where a stream's frames come from: standard input, a file that grows, a video. Each gives blocks as they come."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from viewloom.errors import ConfigError, DataError
from viewloom.online.clock import Frames
from viewloom.online.rows import RowReader
from viewloom.online.segmenter import OnlineSegmenter
from viewloom.online.settings import OnlineConfig
from viewloom.training.runs import refuse_backbone

READ_BYTES = 1 << 18
TICK_S = 0.05
"""How long nothing may come before it is looked whether to stop."""


class Stop:
    """Whether a stream shall stop: by a signal, which is waited out, or because a file is there."""

    def __init__(self, file: str | None) -> None:
        self.file = Path(file) if file else None
        self.asked = False

    def __call__(self) -> bool:
        """Asked between blocks."""
        return self.asked or (self.file is not None and self.file.exists())

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM as a wish to stop meanwhile, so that no block is left half done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, *_: Any) -> None:
        self.asked = True


def frames_of(config: OnlineConfig, online: OnlineSegmenter, stop: Stop) -> Iterator[Frames]:
    """Blocks of frames, from the one on that ``online`` has come to; ends with the input, or when asked to stop."""
    if config.camera.backbone is not None:
        return video_frames(config, online, stop)
    if config.input == "-":
        return piped(sys.stdin.fileno(), RowReader(online.dim, "standard input"), stop)
    path = Path(config.input)
    if not path.is_file():
        raise DataError(f"{path} is not there. Begin to write the features before they are followed.")
    return growing(path, RowReader(online.dim, str(path), online.frames), stop, config.idle_s)


def piped(descriptor: int, rows: RowReader, stop: Stop) -> Iterator[Frames]:
    """Frames that come through a pipe, until it is closed."""
    while not stop():
        if not select.select([descriptor], [], [], TICK_S)[0]:
            continue
        data = os.read(descriptor, READ_BYTES)
        if not data:
            refuse_rest(rows)
            return
        yield rows.feed(data)


def growing(path: Path, rows: RowReader, stop: Stop, idle_s: float) -> Iterator[Frames]:
    """Frames of a file, and those that are still written to it, until it hasn't grown for ``idle_s`` seconds."""
    with path.open("rb") as file:
        grown = time.monotonic()
        while not stop():
            data = file.read(READ_BYTES)
            if data:
                grown = time.monotonic()
                yield rows.feed(data)
            elif time.monotonic() - grown >= idle_s:
                refuse_rest(rows)
                return
            else:
                time.sleep(TICK_S)


def refuse_rest(rows: RowReader) -> None:
    """`DataError` for an input that ended within a frame."""
    if rows.rest:
        raise DataError(
            f"{rows.where} ended within a frame of {rows.dim} numbers ({rows.rest} bytes too many). Are these features "
            "of another size? The head's are said at the start."
        )


def video_frames(config: OnlineConfig, online: OnlineSegmenter, stop: Stop) -> Iterator[Frames]:
    """Features of a video's frames, computed as `viewloom extract` does."""
    from viewloom.extract.backbones.base import open_backbone
    from viewloom.extract.computing import features, windows
    from viewloom.extract.workers import one_thread
    from viewloom.videos.clips import Clip
    from viewloom.videos.moments import moments

    settings = config.camera.as_extract(config.input, config.fps or online.rate)
    with one_thread():
        backbone = open_backbone(settings)
        dim = backbone.dim()
    made_of = online.trained.environment.get("backbone", {})
    refuse_backbone(made_of, online.trained.where, backbone.identity(), config.input)
    if dim != online.dim:
        raise ConfigError(f"{settings.backbone} gives features of size {dim}, but the head takes {online.dim}.")
    clip = Clip("stream", online.view, Path(config.input))
    pending = windows(moments(clip, settings.fps, settings.decoder), backbone, online.frames)
    while not stop() and (block := list(islice(pending, backbone.together))):
        with one_thread():
            x_TD = features(backbone, block, dim)
        yield x_TD.astype(np.dtype(settings.dtype)).astype(np.float32)
