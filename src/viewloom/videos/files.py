"""Video and image files as FFmpeg reads them through PyAV: frames in order, each with its time."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.limits import LARGEST_PICTURE
from viewloom.regular import regular
from viewloom.requirements import require

MAY_LACK_S, MAY_LACK_SHARE = 1.0, 0.02
"""A file's last frame may lie this far before the end that its header promises: the last one can be a long one."""


@dataclass(frozen=True)
class TimedFrame:
    """A frame before it is turned into a picture.

    Attributes:
        time_s: seconds, on the file's clock or after the clip's first frame.
        lasts_s: how long it is shown; None where the file doesn't say.
        load: gives the decoded frame.
        reach_s: farthest moment it stands for; None: up to the next frame, however far that is.
    """

    time_s: Fraction
    lasts_s: Fraction | None
    load: Callable[[], Any]
    reach_s: Fraction | None = None


def pyav_frames(path: Path) -> Iterator[TimedFrame]:
    """A video's frames at the times its file says, decoded one after the other."""
    for frame in video_frames(path):
        yield TimedFrame(*shown_at(frame, path), partial(_itself, frame))


def _itself(frame: Any) -> Any:
    return frame


def shown_at(timed: Any, path: Path) -> tuple[Fraction, Fraction | None]:
    """Time and duration in seconds of a frame, or of the packet it is in; `DataError` without a time."""
    if timed.pts is None or timed.time_base is None:
        raise DataError(
            f"{path} has frames without a timestamp. Put it into a container that has them: "
            "ffmpeg -i IN -c copy OUT.mp4."
        )
    return timed.pts * timed.time_base, timed.duration * timed.time_base if timed.duration else None


def video_frames(path: Path, still: bool = False) -> Iterator[Any]:
    """Decoded frames of a file's first video stream; ``still``: of an image, whose damage FFmpeg else paints over.

    Raises:
        DataError: where the file can't be opened or decoded, or FFmpeg finds a frame damaged.
    """
    with opened(path) as (container, stream):
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2
        limit = {"max_pixels": str(LARGEST_PICTURE)}
        stream.codec_context.options = limit | ({"err_detect": "explode"} if still else {})
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise DataError(f"{path} is damaged at {frame.time or 0:.3f} s. Copy it again, or encode it again.")
            yield frame


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file and its first video stream; `DataError` without any, or for what FFmpeg can't open or go on reading."""
    av = require("av")
    try:
        local = str(regular(path, "Pass a video or an image."))
        with av.open(local, metadata_errors="replace", container_options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise DataError(f"{path} holds no video that FFmpeg can read. Pass another file, or encode it again.")
            _refuse_large(path, container.streams.video[0])
            yield container, container.streams.video[0]
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} can't be read: {reason}. Copy it again, or encode it again.") from error


def _refuse_large(path: Path, stream: Any) -> None:
    """`DataError` for pictures larger than cameras take: a small file can hold one that fills the memory."""
    pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
    if pixels > LARGEST_PICTURE:
        raise DataError(
            f"{path} has pictures of {stream.codec_context.width} x {stream.codec_context.height}; {LARGEST_PICTURE:,} "
            "pixels are read at most. Scale it down first."
        )


def duration_s(path: Path) -> float:
    """Length of a file's video as its header says; 0 where it doesn't. The container's own may be its sound's."""
    with opened(path) as (_, stream):
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        if found := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "")):
            end_s = 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])  # Matroska's: an end, not a length
            return end_s - float((stream.start_time or 0) * stream.time_base)
        return float(stream.frames / (stream.average_rate or 1))


def refuse_cut_short(path: Path, last_s: float) -> None:
    """`DataError` for a file whose copy stopped early, which decodes without an error in some containers."""
    promised_s = duration_s(path)
    if promised_s - last_s > max(MAY_LACK_S, MAY_LACK_SHARE * promised_s):
        raise DataError(
            f"{path} is cut short: its header promises {promised_s:.1f} s, but its frames end at {last_s:.1f} s. Copy "
            "it again; or accept what there is, with a new header: ffmpeg -i IN -c copy OUT.mkv."
        )
