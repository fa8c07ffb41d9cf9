"""Features whose views don't show the same moment: what a method makes of wrong pairs.

`viewloom.features.shifted` moves a view in all recordings at once, which the view's rate and start can say, so that its
content is another. Here each recording has a place of its own, which they can't: a run on such features is told from
others by its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from viewloom.features.base import FeatureSource, Pooled, Span
from viewloom.features.settings import Pooling

Moved = Mapping[tuple[str, str], tuple[str, int]]
"""{(recording, view): (recording whose frames stand there instead, frames by which they come later in it)}"""


@dataclass(frozen=True)
class MismatchedSource:
    """A `FeatureSource` in which some views of some recordings show other frames.

    Attributes:
        source: the features as they are.
        moved: what stands in place of what: frame t is frame t + shift of the other recording. What isn't named is as
            it is.
    """

    source: FeatureSource
    moved: Moved

    def _place(self, recording: str, view: str) -> tuple[str, int]:
        return self.moved.get((recording, view), (recording, 0))

    @property
    def fps(self) -> float:
        """Frames per second of the data set's clock."""
        return self.source.fps

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names, sorted."""
        return self.source.recordings

    @property
    def backbone(self) -> dict[str, str]:
        """What extracted the features."""
        return self.source.backbone

    @property
    def uncached(self) -> MismatchedSource:
        """The same frames, from what stands behind windows that are kept."""
        return replace(self, source=self.source.uncached)

    def views(self, recording: str) -> tuple[str, ...]:
        """Views this recording has."""
        return self.source.views(recording)

    def dim(self, view: str) -> int:
        """Feature size D of a view."""
        return self.source.dim(view)

    def span(self, recording: str, view: str) -> Span:
        """Frame range of one view, as moved."""
        other, shift = self._place(recording, view)
        first, end = self.source.span(other, view)
        return Span(first - shift, end - shift)

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end), as moved."""
        other, shift = self._place(recording, view)
        return self.source.read(other, view, start + shift, end + shift)

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) of a view, as moved, pooled by chunks."""
        other, shift = self._place(recording, view)
        found = self.source.read_pooled(other, view, start + shift, end + shift, chunk_frames, pooling)
        return found._replace(missing=found.missing - shift)

    def stored_span(self, recording: str, view: str) -> Span:
        """Frame range as stored, of the recording whose frames stand there."""
        return self.source.stored_span(self._place(recording, view)[0], view)

    def read_stored(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Frames as stored, of the recording whose frames stand there."""
        return self.source.read_stored(self._place(recording, view)[0], view, start, end)

    def written(self, recording: str, view: str) -> tuple[str, int, int, int]:
        """Where the rows are kept that stand there."""
        return self.source.written(self._place(recording, view)[0], view)

    def timing(self, view: str) -> tuple[float, float] | None:
        """Rate and start of a view's stored frames."""
        return self.source.timing(view)

    def fingerprint(self) -> str:
        """That of the source."""
        return self.source.fingerprint()
