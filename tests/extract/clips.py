"""Small videos for tests, whose frames tell which they are."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def numbered(frames: int, size: int = 32, step: int = 2) -> NDArray[np.uint8]:
    """Grey pictures (T, size, size, 3); frame i has the value step * i everywhere."""
    values = (np.arange(frames) * step).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (frames, size, size, 3)).copy()


def write_clip(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    fps: int = 30,
    times_s: Sequence[Fraction] | None = None,
    codec: str = "ffv1",
    pix_fmt: str = "bgr0",
    b_frames: int | None = None,
) -> Path:
    """Write a video; lossless where the codec is. With ``times_s`` at a variable rate, to the millisecond."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = Fraction(1, 1000) if times_s else Fraction(1, fps)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format=pix_fmt)
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(times_s[number] * 1000) if times_s else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving(frames: int, seed: int, view: int, late: int = 0, size: int = 48) -> list[NDArray[np.uint8]]:
    """A square that starts and stops at moments of ``seed``, seen from one of several sides; ``late`` frames late."""
    rng = np.random.default_rng(seed)
    speeds = np.repeat(rng.gamma(0.6, 2.0, (-(-(frames + late) // 9), 2)), 9, axis=0)
    places = np.cumsum(speeds[: frames + late], axis=0)[late:]
    pictures = []
    for x, y in places:
        picture = np.full((size, size, 3), 40 * (view + 1), np.uint8)
        swing = [(x, y), (y, x), (-x, y)][view % 3]
        top, left = (int(value) % (size - 12) for value in swing)
        picture[top : top + 12, left : left + 12] = [(250, 40, 90), (60, 240, 30)][view % 2]
        pictures.append(picture)
    return pictures
