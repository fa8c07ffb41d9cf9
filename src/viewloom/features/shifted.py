"""Views moved in time against each other: what a method makes of pairs that are out of step."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from viewloom.features.base import FeatureSource, Pooled, Span
from viewloom.features.before import BeforeSource
from viewloom.features.settings import Pooling


class ShiftedSource(BeforeSource):
    """A feature source some views of which come late; a `FeatureSource` like the one behind it.

    Args:
        source: the features.
        frames: {view: frames of the data set's clock by which it is late}; negative: early. Views that aren't named
            stay.
    """

    def __init__(self, source: FeatureSource, frames: Mapping[str, int]) -> None:
        self.source = source
        self.frames = {view: count for view, count in frames.items() if count}

    @property
    def uncached(self) -> "ShiftedSource":
        """The same before the source without kept windows."""
        return ShiftedSource(self.source.uncached, self.frames)

    def _late(self, view: str) -> int:
        return self.frames.get(view, 0)

    def _stored_late(self, view: str) -> int:
        """By how many stored frames, where they are the data set's own; else the view's start tells."""
        return self._late(view) if self.source.timing(view) is None else 0

    def span(self, recording: str, view: str) -> Span:
        """Frame range of a view."""
        return _moved(self.source.span(recording, view), self._late(view))

    def stored_span(self, recording: str, view: str) -> Span:
        """Frame range as it is stored."""
        return _moved(self.source.stored_span(recording, view), self._stored_late(view))

    def timing(self, view: str) -> tuple[float, float] | None:
        """Rate and start of a view with a rate of its own."""
        found = self.source.timing(view)
        return found if found is None else (found[0], found[1] + self._late(view) / self.source.fps)

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end)."""
        late = self._late(view)
        return self.source.read(recording, view, start - late, end - late)

    def read_stored(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Frames as they are stored."""
        late = self._stored_late(view)
        return self.source.read_stored(recording, view, start - late, end - late)

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) pooled by chunks."""
        late = self._late(view)
        pooled = self.source.read_pooled(recording, view, start - late, end - late, chunk_frames, pooling)
        return pooled._replace(missing=pooled.missing + late)

    def fingerprint(self) -> str:
        """Hash of the source's and the shifts."""
        facts = f"{self.source.fingerprint()} {sorted(self.frames.items())}"
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _moved(span: Span, frames: int) -> Span:
    return Span(span.first + frames, span.end + frames)
