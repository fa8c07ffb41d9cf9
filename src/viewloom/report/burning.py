"""A video of one item: all views side by side, and below them truth and predictions as bars under a cursor."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path

import numpy as np

from viewloom.console import track
from viewloom.errors import ConfigError
from viewloom.report.bars import Bars
from viewloom.report.drawing import BACKGROUND, Pixels, label
from viewloom.report.picture import shown_card
from viewloom.report.runs import Run
from viewloom.report.videos import Library
from viewloom.requirements import require
from viewloom.videos.clips import Clip
from viewloom.videos.pictures import pictures
from viewloom.videos.writing import video

WIDTH = 1280
"""Pixels of the video."""
ALONE = 640
"""Pixels of a view that is shown alone."""
FASTEST = 30
"""At most this many frames a second are written."""
TALLEST = 2160


@dataclass(frozen=True)
class Tiles:
    """Places of the views: one row for up to three, two rows for more.

    Attributes:
        views: their names.
    """

    views: tuple[str, ...]

    @cached_property
    def columns(self) -> int:
        """Views in a row."""
        count = len(self.views)
        return count if count <= 3 else math.ceil(count / 2)

    @cached_property
    def box(self) -> tuple[int, int]:
        """Width and height of a tile, even."""
        wide = ALONE if len(self.views) == 1 else WIDTH // self.columns // 2 * 2
        return wide, wide * 9 // 32 * 2

    @property
    def height(self) -> int:
        """Of all rows."""
        return self.box[1] * math.ceil(len(self.views) / self.columns)

    def place(self, number: int) -> tuple[int, int]:
        """Top and left of a tile."""
        row, column = divmod(number, self.columns)
        inset = (WIDTH - self.columns * self.box[0]) // 2
        return row * self.box[1], inset + column * self.box[0]


def burn(runs: Sequence[Run], library: Library, path: Path, item: str | None, views: Sequence[str] | None) -> Path:
    """Write the video (H.264 mp4) of an item with the bars of its truth and all predictions.

    Args:
        runs: runs; those without scores are left out.
        library: the videos that are known.
        path: file to write.
        item: item to show; None takes the one of median F1@50.
        views: views to show; None takes all.

    Raises:
        ConfigError: without PyAV, for an item or view that no run has predictions of or no video is known of, or
            for more bars than a picture holds.
        DataError: for a video that can't be decoded.
    """
    require("av")
    card, actions = shown_card(runs, item, views)
    names = tuple(dict.fromkeys(strip.view for strip in card.strips))
    clips = [library.clip(card.whole.recording, view) for view in names]
    if not any(clips):
        where = f"{library.where} has none" if library.where else "none were found beside the data"
        raise ConfigError(f"No video of {card.whole.recording} is known: {where}. Pass --videos FOLDER or a CSV file.")
    tiles, bars = Tiles(names), Bars(card, actions, WIDTH)
    height = (tiles.height + bars.height + 1) // 2 * 2
    if height > TALLEST:
        raise ConfigError(f"{len(card.strips)} predictions don't fit under the views. Pass fewer --runs or --views.")
    step = math.ceil(card.fps / FASTEST)
    frames = range(card.start, card.start + card.frames, step)
    shown = [_shown(clip, card.fps, frames, tiles.box) for clip in clips]
    with video(path, card.fps / step, (WIDTH, height), exact=False) as add:
        for frame, *found in track(zip(frames, *shown, strict=False), "frames", len(frames)):
            canvas = np.empty((height, WIDTH, 3), np.uint8)
            canvas[:] = BACKGROUND
            for number, (view, picture) in enumerate(zip(names, found, strict=True)):
                _put(canvas, tiles, number, view, picture)
            bars.draw(canvas[tiles.height : tiles.height + bars.height], frame)
            add(canvas)
    return path


def _shown(clip: Clip | None, fps: float, frames: range, box: tuple[int, int]) -> Iterator[Pixels | None]:
    """The pictures of a clip; None for ever where there is no clip."""
    return repeat(None) if clip is None else pictures(clip, fps, frames, box)


def _put(canvas: Pixels, tiles: Tiles, number: int, view: str, picture: Pixels | None) -> None:
    """A view's picture in the middle of its tile, with its name; without one, the words that there is none."""
    top, left = tiles.place(number)
    wide, high = tiles.box
    canvas[top : top + high, left : left + wide] = 0
    if picture is not None:
        down, across = top + (high - picture.shape[0]) // 2, left + (wide - picture.shape[1]) // 2
        canvas[down : down + picture.shape[0], across : across + picture.shape[1]] = picture
    words = label(view if picture is not None else f"{view}: no picture", 15, (255, 255, 255), (0, 0, 0), wide - 8)
    canvas[top + high - words.shape[0] - 4 : top + high - 4, left + 4 : left + 4 + words.shape[1]] = words
