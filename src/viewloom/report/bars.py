"""Truth and predictions of one item as bars in a picture, with a cursor and the names of the actions under it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from viewloom.report.colours import ink
from viewloom.report.drawing import BACKGROUND, INK, Pixels, label, rgb
from viewloom.report.lanes import Laid, lay_card
from viewloom.report.strips import Card, picture_colours

LANE, BETWEEN, TYPE = 20, 6, 13
"""Pixels of a lane, of the room below a bar, and of the type."""
NAMES, WORDS = 190, 230
"""Pixels for the names of runs on the left, and for actions on the right."""
HEAD = 28
"""Pixels for the time, above the bars."""
WRONG = (255, 107, 125)


@dataclass(frozen=True)
class Bar:
    """A bar: the truth, or what a run says of a view."""

    name: str
    laid: Laid
    wrong: list[list[int]]
    top: int

    @property
    def height(self) -> int:
        """Of all lanes."""
        return self.laid.lanes * LANE


@dataclass(frozen=True)
class Bars:
    """All bars of an item.

    Attributes:
        card: the item.
        actions: names of the classes.
        width: of the picture, in pixels.
    """

    card: Card
    actions: Sequence[str]
    width: int

    @cached_property
    def bars(self) -> list[Bar]:
        """The truth first, then a bar a view and run."""
        laid = lay_card(self.card)
        rows: list[tuple[str, Laid, list[list[int]]]] = [("truth", laid.truth, [])]
        rows += [(f"{strip.run.name}, {strip.view}", of, wrong.rows) for strip, of, wrong in laid.strips]
        found: list[Bar] = []
        top = HEAD
        for row in rows:
            found.append(Bar(*row, top))
            top += found[-1].height + BETWEEN
        return found

    @property
    def height(self) -> int:
        """Pixels of all bars."""
        return self.bars[-1].top + self.bars[-1].height + 2 * BETWEEN

    def across(self, frame: float) -> int:
        """Where a frame begins, in pixels from the left."""
        share = (frame - self.card.start) / self.card.frames
        return NAMES + round(share * (self.width - NAMES - WORDS))

    @cached_property
    def still(self) -> Pixels:
        """What doesn't change (height, width, 3): names and bars."""
        found = np.empty((self.height, self.width, 3), np.uint8)
        found[:] = BACKGROUND
        colours = {name: rgb(colour) for name, colour in picture_colours(self.card.strips).items()}
        for bar in self.bars:
            _put(found, label(bar.name, TYPE, INK, BACKGROUND, NAMES - 10), bar.top, 6)
            found[bar.top : bar.top + bar.height, self.across(self.card.start) : self.width - WORDS] = (44, 53, 65)
            for start, end, name, lane in bar.laid.rows:
                left, right, top = self.across(start), self.across(end), bar.top + lane * LANE
                found[top : top + LANE - 1, left:right] = colours[name]
                self._word(found, name, top, left, right, colours[name])
            for start, end, _ in bar.wrong:
                found[bar.top + bar.height - 2 : bar.top + bar.height + 1, self.across(start) : self.across(end)] = (
                    WRONG
                )
        return found

    def _word(self, found: Pixels, name: int, top: int, left: int, right: int, ground: tuple[int, int, int]) -> None:
        """The action's name in its segment, where it fits."""
        dark = ink("#{:02x}{:02x}{:02x}".format(*ground)) == "#000"
        word = label(self.actions[name], TYPE - 2, (0, 0, 0) if dark else (255, 255, 255), ground, 10_000)
        if word.shape[1] <= right - left:
            _put(found, word[: LANE - 2], top + 1, left)

    def draw(self, picture: Pixels, frame: int) -> None:
        """Draw the bars at a frame into a picture (height, width, 3), in place."""
        picture[:] = self.still
        tenths = int(10 * (frame - self.card.start) / self.card.fps + 1e-6)
        time = f"{tenths // 600}:{tenths % 600 / 10:04.1f}  frame {frame}"
        _put(picture, label(time, TYPE + 1, INK, BACKGROUND, 400), 4, NAMES)
        for bar in self.bars:
            here = [name for start, end, name, _ in bar.laid.rows if start <= frame < end]
            wrong = any(start <= frame < end for start, end, _ in bar.wrong)
            said = ", ".join(self.actions[name] for name in here) or "–"
            word = label(said, TYPE, WRONG if wrong else INK, BACKGROUND, WORDS - 12)
            _put(picture, word, bar.top, self.width - WORDS + 8)
        at = min(self.across(frame + 0.5), self.width - WORDS - 2)
        picture[HEAD - 4 : self.height - BETWEEN, at : at + 2] = (255, 255, 255)


def _put(picture: Pixels, patch: Pixels, top: int, left: int) -> None:
    """Copy a patch into a picture."""
    picture[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
