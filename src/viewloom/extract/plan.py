"""`viewloom extract --plan true`: what there is to do, how large it gets and how long it takes."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from viewloom.amounts import amount
from viewloom.errors import DataError
from viewloom.extract.backbones.base import Backbone
from viewloom.extract.computing import features, windows
from viewloom.extract.settings import ExtractConfig
from viewloom.extract.workers import count_workers
from viewloom.extract.writing import Provenance
from viewloom.features.rows import STORED
from viewloom.videos.clips import Clip
from viewloom.videos.moments import count_frames, moments

MEASURED_FRAMES = 16
"""Frames that the speed is measured with."""


@dataclass(frozen=True)
class ExtractPlan:
    """What would be done.

    Attributes:
        out: the store's folder.
        clips: all clips asked for.
        todo: those not done before.
        frames: about how many frames those have on the clock, by the files' headers.
        dim: feature size D.
        bytes: size of their features.
        free_bytes: room on the disk.
        seconds: about how long it takes, from the speed of the first frames.
        workers: processes that it would take.
        failed: {clip: why it can't be opened}.
    """

    out: Path
    clips: int
    todo: int
    frames: int
    dim: int
    bytes: int
    free_bytes: int
    seconds: float
    workers: int
    failed: dict[str, str]

    @property
    def exit_code(self) -> int:
        """3 where a clip can't be opened."""
        return 3 if self.failed else 0

    def __str__(self) -> str:
        """One line, and one for each clip that can't be opened."""
        line = (
            f"Would extract {self.todo} of {self.clips} clips into {self.out}: about {self.frames:,} frames, "
            f"D = {self.dim}, {amount(self.bytes)} ({amount(self.free_bytes)} free on the disk), about "
            f"{duration(self.seconds)} with {max(1, self.workers)} processes. Nothing was written."
        )
        return "\n".join([line, *(f"  can't be opened: {name}: {reason}" for name, reason in self.failed.items())])


def duration(seconds: float) -> str:
    """A time for people: ``1 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def make_plan(
    config: ExtractConfig,
    provenance: Provenance,
    clips: Sequence[Clip],
    todo: Sequence[Clip],
    failed: dict[str, str],
    frames_a_second: float,
) -> ExtractPlan:
    """Count the frames of all clips that are still to be done, from their headers alone."""
    failed, frames, usable = dict(failed), 0, 0
    for clip in todo:
        try:
            frames += count_frames(clip, config.fps)
            usable += 1
        except DataError as error:
            failed[clip.name] = str(error)
    workers = count_workers(config, usable)
    out = Path(config.out)
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    speed = frames_a_second * max(1, workers)
    return ExtractPlan(
        out=out,
        clips=len(clips),
        todo=usable,
        frames=frames,
        dim=provenance.dim,
        bytes=frames * provenance.dim * STORED[provenance.dtype].itemsize,
        free_bytes=shutil.disk_usage(place).free,
        seconds=frames / speed if speed else 0.0,
        workers=workers,
        failed=failed,
    )


def measured_speed(backbone: Backbone, clips: Sequence[Clip], fps: float) -> float:
    """Frames that one process decodes and computes in a second, by the first clip that can be opened; 0 without."""
    for clip in clips:
        try:
            started = time.perf_counter()
            block = list(
                islice(windows(moments(clip, fps, backbone.preprocessing.decoder), backbone, 0), MEASURED_FRAMES)
            )
            features(backbone, block, backbone.dim())
            return len(block) / (time.perf_counter() - started)
        except (DataError, OSError):
            continue
    return 0.0
