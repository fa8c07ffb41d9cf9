"""Writing mp4 files, the same bytes for the same frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.files import atomic_path

ENCODER = {"crf": "18", "preset": "veryfast", "threads": "1"}
"""Settings of x264; with more threads its output is no longer the same each time."""


class VideoWriter:
    """One mp4 file (H.264, 4:2:0); `add` frames in order."""

    def __init__(self, container: Any, fps: float, size: int) -> None:
        self.container = container
        self.stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=ENCODER)
        self.stream.width = self.stream.height = size
        self.stream.pix_fmt = "yuv420p"
        self.stream.thread_count = 1

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Encode a frame (size, size, 3)."""
        import av

        for packet in self.stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            self.container.mux(packet)

    def finish(self) -> None:
        """Encode what is waiting."""
        for packet in self.stream.encode():
            self.container.mux(packet)


@contextmanager
def video(path: Path, fps: float, size: int) -> Iterator[VideoWriter]:
    """Write an mp4 file; it appears when it is complete."""
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        writer = VideoWriter(container, fps, size)
        yield writer
        writer.finish()
