"""Writing mp4 files, the same bytes for the same frames."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewloom.files import atomic_path
from viewloom.requirements import require

ENCODER = {"preset": "veryfast", "tune": "zerolatency", "threads": "1"}
"""Settings of x264: no lookahead and a fixed quantiser. With its rate control (crf), even on one thread, about one
file in thirty came out different for the same frames."""

TO_YUV = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
"""Rows Y, Cb, Cr of RGB from 0 to 255 (ITU-R BT.601, studio range), without their offsets of 16, 128 and 128."""


def as_yuv420(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) as 4:2:0 planes one under the other, (3 H / 2, W); H and W even.

    Done here, so that what is encoded doesn't depend on FFmpeg's conversion, which differs by version and machine.
    """
    height, width, _ = picture.shape
    planes = picture.astype(np.float64) @ TO_YUV.T
    luma = planes[..., 0] + 16
    chroma = planes[..., 1:].reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3)) + 128
    stacked = np.concatenate([luma.ravel(), chroma[..., 0].ravel(), chroma[..., 1].ravel()])
    return np.round(stacked).astype(np.uint8).reshape(height * 3 // 2, width)


@contextmanager
def video(
    path: Path, fps: float, size: tuple[int, int], coarse: int = 20, apart: int | None = None, exact: bool = True
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    """Write an mp4 file (H.264, 4:2:0): gives what adds a frame (height, width, 3); the file appears when complete.

    Args:
        path: file to write.
        fps: frames per second.
        size: width and height in pixels, both even.
        coarse: the quantiser, from 0 (lossless) to 51; 20 looks like the original, 34 takes a tenth of the room.
        exact: colours as `as_yuv420` makes them, the same on every machine; else as FFmpeg does, ten times as fast.
        apart: frames from one whole picture to the next, for players that jump; None: as x264 likes.

    Raises:
        ConfigError: without PyAV.
    """
    av = require("av")
    rate = Fraction(fps).limit_denominator(1001)
    options = ENCODER | {"qp": str(coarse)} | ({"g": str(apart)} if apart else {})
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1

        def add(picture: NDArray[np.uint8]) -> None:
            planes, layout = (as_yuv420(picture), "yuv420p") if exact else (picture, "rgb24")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format=layout).reformat(format="yuv420p")))

        yield add
        container.mux(stream.encode())
