"""Frames of a clip at the moments of a common clock, as pictures of the size a backbone wants.

Frame i of a recording is the moment i / fps after its zero. A clip's first frame lies ``offset_s`` after that
zero; each moment takes the frame nearest to it by timestamp (the earlier of two equally near), so that variable
rates, other rates and dropped frames all end on the one clock. Arithmetic is exact, in fractions.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.extract.inputs import Clip, image_numbers, images
from viewloom.extract.preprocessing import Preprocessing
from viewloom.extract.requirements import require

Picture = NDArray[np.uint8]
Decoder = Literal["pyav", "torchcodec"]
HALF = Fraction(1, 2)
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


def exact(value: float) -> Fraction:
    """A number as it was written: 29.97 is 2997/100."""
    return Fraction(repr(float(value)))


def moments(clip: Clip, fps: float, decoder: Decoder = "pyav") -> Iterator[tuple[int, TimedFrame | None]]:
    """Every frame number that the clip covers, with the frame to show; None where an image is lost.

    Numbers are 0 or more: what a clip shows before its recording's zero is left out. Image files are read by PyAV
    whichever ``decoder`` reads the videos.

    Raises:
        DataError: for a clip without frames on the clock, or one that can't be decoded.
    """
    rate, offset = exact(fps), exact(clip.offset_s)
    number = first = max(0, math.ceil(offset * rate - HALF))
    before: TimedFrame | None = None
    gap: Fraction | None = None
    for frame in timed_frames(clip, rate, decoder):
        if before is not None:
            gap = frame.time_s - before.time_s
            while number / rate - offset <= before.time_s + gap / 2:
                yield number, _reached(before, number / rate - offset)
                number += 1
        before = frame
    if before is None:
        raise DataError(f"{clip.path} holds no frames.")
    last = before.time_s + (before.lasts_s or gap or 1 / rate)
    end = math.ceil((last + offset) * rate - HALF)
    if max(number, end) <= first:
        raise DataError(f"{clip.path} ends before the recording begins, or lasts for less than a frame at {fps:g} fps.")
    for after in range(number, end):
        yield after, _reached(before, after / rate - offset)


def _reached(frame: TimedFrame, time_s: Fraction) -> TimedFrame | None:
    near = frame.reach_s is None or abs(time_s - frame.time_s) <= frame.reach_s
    return frame if near else None


def timed_frames(clip: Clip, rate: Fraction, decoder: Decoder = "pyav") -> Iterator[TimedFrame]:
    """All frames of a clip in order of time, from 0; ``rate`` is that of an image folder."""
    if clip.path.is_dir():
        paths = images(clip.path)
        for position, path in zip(image_numbers(paths), paths, strict=True):
            yield TimedFrame(position / rate, 1 / rate, partial(_read_image, path), 1 / rate / 2)
        return
    if decoder == "torchcodec":
        from viewloom.extract.torchcodec import torchcodec_frames as frames_of
    else:
        frames_of = pyav_frames
    first: Fraction | None = None
    before = Fraction(-1)
    for frame in frames_of(clip.path):
        first = frame.time_s if first is None else first
        if frame.time_s - first < before:
            raise DataError(f"{clip.path}: time runs backwards at {float(frame.time_s):.3f} s. Encode the file again.")
        before = frame.time_s - first
        yield replace(frame, time_s=before)
    _refuse_cut_short(clip.path, float(before))


def pyav_frames(path: Path) -> Iterator[TimedFrame]:
    """A video's frames at the times its file gives them, decoded one after the other."""
    for frame in video_frames(path):
        yield TimedFrame(*shown_at(frame, path), partial(_itself, frame))


def shown_at(timed: Any, path: Path) -> tuple[Fraction, Fraction | None]:
    """Time and duration in seconds of a frame, or of the packet it is in; `DataError` without a time."""
    if timed.pts is None or timed.time_base is None:
        raise DataError(
            f"{path} has frames without a timestamp. Put it into a container that has them: "
            "ffmpeg -i IN -c copy OUT.mp4."
        )
    return timed.pts * timed.time_base, timed.duration * timed.time_base if timed.duration else None


def _refuse_cut_short(path: Path, last_s: float) -> None:
    """A file whose copy stopped early decodes without an error in some containers."""
    promised_s = _duration_s(path)
    if promised_s - last_s > max(MAY_LACK_S, MAY_LACK_SHARE * promised_s):
        raise DataError(
            f"{path} is cut short: its header promises {promised_s:.1f} s, but its frames end at {last_s:.1f} s. Copy "
            "it again; or accept what there is, with a new header: ffmpeg -i IN -c copy OUT.mkv."
        )


def _itself(frame: Any) -> Any:
    return frame


def video_frames(path: Path, still: bool = False) -> Iterator[Any]:
    """Decoded frames of a file's first video stream; ``still``: of an image, whose damage FFmpeg else paints over.

    Raises:
        DataError: where the file can't be opened or decoded, or FFmpeg finds a frame damaged.
    """
    with opened(path) as (container, stream):
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2
        if still:
            stream.codec_context.options = {"err_detect": "explode"}
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise DataError(f"{path} is damaged at {frame.time or 0:.3f} s. Copy it again, or encode it again.")
            yield frame


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file and its first video stream; `DataError` without any, or for what FFmpeg can't open or go on reading."""
    av = require("av")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} holds no video.")
            yield container, container.streams.video[0]
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} can't be read: {reason}. Copy it again, or encode it again.") from error


def _read_image(path: Path) -> Any:
    return next(video_frames(path, still=True))


def count_frames(clip: Clip, fps: float) -> int:
    """About how many frames a clip has on the clock, from the file's header alone.

    Raises:
        DataError: for a file that can't be opened.
    """
    if clip.path.is_dir():
        numbers = image_numbers(images(clip.path))
        lasts_s = (numbers[-1] + 1) / fps if numbers else 0.0
    else:
        lasts_s = _duration_s(clip.path)
    return max(0, round((lasts_s + min(clip.offset_s, 0.0)) * fps))


def _duration_s(path: Path) -> float:
    """Length of a file's video as its header says; 0 where it doesn't. The container's own may be its sound's."""
    with opened(path) as (_, stream):
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        if found := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "")):
            end_s = 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])  # Matroska's: an end, not a length
            return end_s - float((stream.start_time or 0) * stream.time_base)
        return float(stream.frames / (stream.average_rate or 1))


def picture(frame: Any, how: Preprocessing) -> Picture:
    """A decoded frame as RGB (size, size, 3), resized, cut and turned upright; grey is repeated in all three."""
    width, height = how.resized(frame.width, frame.height)
    rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation=how.interpolation.upper())
    array = rgb.to_ndarray()
    top, left = (height - how.size) // 2, (width - how.size) // 2
    cut = array[top : top + how.size, left : left + how.size]
    turned: Picture = np.rot90(cut, round(frame.rotation / 90)) if frame.rotation else cut
    return turned
