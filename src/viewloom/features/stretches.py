"""Stretches of a long recording as recordings of their own, where there is one alone to learn from."""

import hashlib
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.base import FeatureSource, Pooled, Span
from viewloom.features.before import BeforeSource
from viewloom.features.settings import Pooling


class StretchSource(BeforeSource):
    """A feature source with stretches of its recordings beside these; a `FeatureSource` like the one behind it.

    Args:
        source: the features.
        stretches: {name: (recording, first frame, end)}, on the data set's clock; frame numbers stay what they are. In
            a view that begins later or ends earlier a stretch is shorter.
    """

    def __init__(self, source: FeatureSource, stretches: Mapping[str, tuple[str, int, int]]) -> None:
        self.source = source
        self.stretches = dict(stretches)
        taken = sorted(set(stretches) & set(source.recordings))
        if taken:
            raise DataError(f"There is a recording {taken[0]!r} already, so no stretch can have that name.")

    @property
    def uncached(self) -> "StretchSource":
        """The same before the source without kept windows."""
        return StretchSource(self.source.uncached, self.stretches)

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names of recordings and stretches, sorted."""
        return tuple(sorted((*self.source.recordings, *self.stretches)))

    def _own(self, name: str) -> str:
        """The recording behind a name."""
        return self.stretches[name][0] if name in self.stretches else name

    def _cut(self, name: str, span: Span) -> Span:
        """What of a span lies in the stretch."""
        if name not in self.stretches:
            return span
        _, first, end = self.stretches[name]
        start = min(max(first, span.first), span.end)
        return Span(start, max(start, min(end, span.end)))

    def views(self, recording: str) -> tuple[str, ...]:
        """Views of a recording; of a stretch those that show something of it."""
        views = self.source.views(self._own(recording))
        return tuple(view for view in views if recording not in self.stretches or self.span(recording, view).frames)

    def span(self, recording: str, view: str) -> Span:
        """Frame range of a view."""
        return self._cut(recording, self.source.span(self._own(recording), view))

    def stored_span(self, recording: str, view: str) -> Span:
        """Frame range as it is stored: that of the stretch where stored frames are the data set's, else the whole."""
        span = self.source.stored_span(self._own(recording), view)
        return span if self.source.timing(view) is not None else self._cut(recording, span)

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end)."""
        return self.source.read(self._own(recording), view, start, end)

    def read_stored(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Frames as they are stored."""
        return self.source.read_stored(self._own(recording), view, start, end)

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) pooled by chunks."""
        return self.source.read_pooled(self._own(recording), view, start, end, chunk_frames, pooling)

    def written(self, recording: str, view: str) -> tuple[str, int, int, int]:
        """Where the rows of a view are kept."""
        return self.source.written(self._own(recording), view)

    def fingerprint(self) -> str:
        """Hash of the source's and the stretches."""
        facts = f"{self.source.fingerprint()} {sorted(self.stretches.items())}"
        return hashlib.sha256(facts.encode()).hexdigest()[:16]


def equal_stretches(recording: str, first: int, end: int, count: int) -> dict[str, tuple[str, int, int]]:
    """Names and frames of ``count`` stretches of the frames [first, end), in order, as equal as whole frames allow."""
    ends = [first + (end - first) * place // count for place in range(count + 1)]
    width = len(str(count))
    return {
        f"{recording} stretch {place + 1:0{width}d}": (recording, start, stop)
        for place, (start, stop) in enumerate(pairwise(ends))
    }
