"""Small videos of the items on a page, to stand in the page itself."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from viewloom.console import progress
from viewloom.errors import DataError, listed
from viewloom.report.player import Screen
from viewloom.report.strips import Card
from viewloom.report.videos import Library
from viewloom.requirements import require
from viewloom.videos.clips import Clip
from viewloom.videos.pictures import pictures
from viewloom.videos.writing import video

LARGEST, FASTEST = 320, 10
"""At most this many pixels a side, and frames a second."""
COARSE = 34
"""Quantiser: about 60 kbit/s."""
MIB = 1 << 20


@dataclass(frozen=True)
class Room:
    """What previews may take.

    Attributes:
        seconds: of each item, from its start.
        mib: of the whole page.
    """

    seconds: float
    mib: float


def previews(cards: Sequence[Card], library: Library, room: Room) -> tuple[dict[tuple[str, str], Screen], str]:
    """Screens with their videos in the page, by item and view, and what was left out, in words.

    Items come in the page's order, each whole or not at all; those that no room is left for keep their files.

    Raises:
        ConfigError: without PyAV.
    """
    require("av")
    found: dict[tuple[str, str], Screen] = {}
    left, without, used = [], [], 0
    with progress() as bar, TemporaryDirectory() as folder:
        for card in bar.track(cards, description="previews"):
            made, broken = _of_item(card, library, room, Path(folder))
            size = sum(len(screen.source) for screen in made.values())
            without += broken
            if used + size > room.mib * MIB:
                left.append(card.whole.name)
                continue
            found, used = found | made, used + size
    return found, _in_words(left, without, room)


def _in_words(left: Sequence[str], without: Sequence[str], room: Room) -> str:
    """What a reader should know of previews."""
    parts = [f"Previews in this page show the first {room.seconds:g} s of each item."]
    if left:
        parts.append(
            f"Left out, because previews may take {room.mib:g} MiB (--embed_mib): {listed(left)}; their files are "
            "referred to."
        )
    return " ".join(parts + ([f"No preview could be made of {listed(without)}."] if without else []))


def _of_item(card: Card, library: Library, room: Room, folder: Path) -> tuple[dict[tuple[str, str], Screen], list[str]]:
    """The screens of one item, and the clips of which none could be made."""
    made, broken = {}, []
    kinds = {strip.view: strip.run.views[strip.view].kind for strip in card.strips}
    for view, kind in kinds.items():
        clip = library.clip(card.whole.recording, view)
        if clip is None:
            continue
        try:
            made[card.whole.name, view] = _screen(card, clip, kind, room.seconds, folder / "preview.mp4")
        except (DataError, OSError):
            broken.append(clip.name)
    return made, broken


def _screen(card: Card, clip: Clip, kind: str, seconds: float, file: Path) -> Screen:
    """A view's preview; `DataError` where the clip shows nothing of the item."""
    rate = card.fps / math.ceil(card.fps / FASTEST)
    first = math.ceil(card.start / card.fps * rate)
    frames = math.ceil(min(card.frames / card.fps, seconds) * rate)
    shown = pictures(clip, rate, range(first, first + frames), (LARGEST, LARGEST))
    began, last = 0, next(shown, None)
    while last is None:
        began += 1
        if began >= frames:
            raise DataError(f"{clip.path} shows nothing of {card.whole.name}.")
        last = next(shown, None)
    with video(file, rate, (last.shape[1], last.shape[0]), COARSE, math.ceil(2 * rate), exact=False) as add:
        add(last)
        for picture in shown:
            last = last if picture is None else picture
            add(last)
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    return Screen(clip.camera, kind, f"data:video/mp4;base64,{data}", (first + began) / rate)
