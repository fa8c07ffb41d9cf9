"""What the page's player needs of each card: its videos, and where its predictions disagree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewloom.errors import listed
from viewloom.report.disagreements import Disagreement, disagreements, longest_first
from viewloom.report.strips import Card
from viewloom.report.videos import Library, link

NAMED = 3
"""Names that a line of a list holds of one kind."""


@dataclass(frozen=True)
class Screen:
    """A view of a card, and its video.

    Attributes:
        view: its name.
        kind: exo, ego or other.
        source: address of its video; empty where there is none.
        offset_s: seconds on the data set's clock at which the video begins.
        lack: why there is no video, in words.
    """

    view: str
    kind: str
    source: str = ""
    offset_s: float = 0.0
    lack: str = ""


@dataclass(frozen=True)
class Stage:
    """A card's videos and disagreements.

    Attributes:
        screens: a screen a view; none where no videos are known at all.
        apart: all stretches in which views or runs disagree.
        share: of the card's frames that they fill, percent.
    """

    screens: list[Screen]
    apart: list[Disagreement]
    share: float

    @property
    def shown(self) -> list[Disagreement]:
        """The longest stretches, in order of time."""
        return longest_first(self.apart)

    @property
    def places(self) -> str:
        """First frame and end of every stretch."""
        return " ".join(f"{one.start} {one.end}" for one in self.apart)


@dataclass(frozen=True)
class Videos:
    """The videos of a page.

    Attributes:
        library: the videos that are known.
        page: file that the page will be, which addresses start from; None: none are shown.
        previews: screens whose videos are in the page, by item and view; they come before files.
        left_out: what there was no room for in the page, in words.
    """

    library: Library = field(default_factory=Library)
    page: Path | None = None
    previews: Mapping[tuple[str, str], Screen] = field(default_factory=dict)
    left_out: str = ""


NO_VIDEOS = Videos()


def staged(it: dict[str, Any], videos: Videos) -> dict[str, Any]:
    """What a template of timelines needs, and a stage for each card; nothing for no cards."""
    if not it:
        return it
    return it | {
        "stages": [_stage(card, videos) for card in it["cards"]],
        "videos": videos.library.where if videos.page is not None else None,
        "left_out": videos.left_out,
    }


def _stage(card: Card, videos: Videos) -> Stage:
    apart = disagreements(card) if len(card.strips) > 1 else []
    share = 100 * sum(one.end - one.start for one in apart) / card.frames
    if videos.library.where is None or videos.page is None:
        return Stage([], apart, share)
    item, recording = card.whole.name, card.whole.recording
    kinds = {strip.view: strip.run.views[strip.view].kind for strip in card.strips}
    screens = [
        videos.previews.get((item, view)) or _screen(videos.library, recording, view, kind, videos.page)
        for view, kind in kinds.items()
    ]
    return Stage(screens, apart, share)


def _screen(videos: Library, recording: str, view: str, kind: str, page: Path) -> Screen:
    """A view's file, or why there is none."""
    clip = videos.clip(recording, view)
    if clip is None:
        return Screen(view, kind, lack="no video of it is known")
    if clip.path.is_dir():
        return Screen(view, kind, lack="a folder of images, which a page can't play; --embed small makes a video of it")
    if not clip.path.is_file():
        return Screen(view, kind, lack=f"{clip.path} is not there")
    return Screen(view, kind, link(clip.path, page), clip.offset_s)


def who(one: Disagreement) -> str:
    """Who disagrees, in words."""
    parts = [f"views of {listed(one.runs, NAMED)}"] if one.runs else []
    return "; ".join(parts + ([f"runs on {listed(one.views, NAMED)}"] if one.views else []))
