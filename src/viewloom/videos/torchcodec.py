"""Videos decoded by torchcodec, which uses the FFmpeg of the system: for codecs that PyAV's own FFmpeg lacks.

PyAV reads the exact timestamps without decoding; torchcodec gives the pictures of those frames that are wanted.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from viewloom.errors import DataError
from viewloom.requirements import require
from viewloom.videos.files import TimedFrame, opened, shown_at

THREADS = 2
SAME_TIME_S = 5e-4
"""Less than any two frames are apart; the two round the same timestamp."""


def torchcodec_frames(path: Path) -> Iterator[TimedFrame]:
    """A video's frames at the times its file says; those that aren't loaded are never turned into pictures.

    Raises:
        ConfigError: where torchcodec can't be imported.
        DataError: for a file it can't open or decode, or whose packets aren't one frame each.
    """
    decoders = require("torchcodec.decoders")
    times = packet_times(path)
    try:
        decoder = decoders.VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=THREADS)
        count = len(decoder)
    except (RuntimeError, ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    if count != len(times):
        raise DataError(
            f"{path} has {len(times)} packets but {count} frames, so it is unclear which frame is of which moment. "
            "Leave out --decoder torchcodec."
        )
    for number, (time_s, lasts_s) in enumerate(times):
        yield TimedFrame(time_s, lasts_s, partial(_load, decoder, number, time_s, path))


def packet_times(path: Path) -> list[tuple[Fraction, Fraction | None]]:
    """Time and duration in seconds of every packet of a file's first video stream, in the order they are shown."""
    with opened(path) as (container, stream):
        times = [shown_at(packet, path) for packet in container.demux(stream) if packet.size]
    return sorted(times, key=itemgetter(0))


def _load(decoder: Any, number: int, time_s: Fraction, path: Path) -> Any:
    """The frame, as PyAV's; refused where it isn't of its packet's time, which some containers lead to."""
    try:
        frame = decoder.get_frame_at(number)
    except (RuntimeError, IndexError) as error:
        raise _unreadable(path, error) from error
    if abs(frame.pts_seconds - float(time_s)) > SAME_TIME_S:
        raise DataError(
            f"{path}: torchcodec gives the frame of {frame.pts_seconds:.3f} s for that of {float(time_s):.3f} s, as it "
            "does in some containers. Leave out --decoder torchcodec, or put the file into another: "
            "ffmpeg -i IN -c copy OUT.mkv."
        )
    return require("av").VideoFrame.from_ndarray(frame.data.numpy(), format="rgb24")


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{path} can't be read by torchcodec: {reason.rstrip('.')}. Leave out --decoder torchcodec; where that fails "
        "too, copy the file again, or encode it again."
    )
