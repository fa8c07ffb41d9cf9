"""Frames of a clip at the moments of a common clock.

Frame i of a recording is the moment i / fps after its zero. A clip's first frame lies ``offset_s`` after that
zero; each moment takes the frame nearest to it by timestamp (the earlier of two equally near), so that variable
rates, other rates and dropped frames all end on the one clock. Arithmetic is exact, in fractions.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

from viewloom.errors import DataError
from viewloom.videos.clips import Clip, image_numbers, images
from viewloom.videos.files import TimedFrame, duration_s, pyav_frames, refuse_cut_short, video_frames
from viewloom.videos.torchcodec import torchcodec_frames

Decoder = Literal["pyav", "torchcodec"]
HALF = Fraction(1, 2)


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
    frames_of = torchcodec_frames if decoder == "torchcodec" else pyav_frames
    first: Fraction | None = None
    before = Fraction(-1)
    for frame in frames_of(clip.path):
        first = frame.time_s if first is None else first
        if frame.time_s - first < before:
            raise DataError(f"{clip.path}: time runs backwards at {float(frame.time_s):.3f} s. Encode the file again.")
        before = frame.time_s - first
        yield replace(frame, time_s=before)
    refuse_cut_short(clip.path, float(before))


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
        lasts_s = duration_s(clip.path)
    return max(0, round((lasts_s + min(clip.offset_s, 0.0)) * fps))
