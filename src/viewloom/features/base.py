"""What every feature store offers: frame-wise features by recording, view and frame range."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from viewloom.features.pooling import Pooled
from viewloom.features.settings import Pooling


class Span(NamedTuple):
    """Frames [first, end) that a view of a recording covers."""

    first: int
    end: int

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self.end - self.first


@runtime_checkable
class FeatureSource(Protocol):
    """Frame-wise features of synchronised recordings.

    Views are logical names (``v3``, ``e4``); a store that knows only cameras is wrapped by a view table.
    Frame numbers are the store's own (Assembly101 counts from 1, npy files from 0) and mean the same moment in
    all views of a recording. A source can be pickled and used in worker processes, forked or spawned.

    Attributes:
        dim: feature size D.
        fps: frames per second.
        recordings: names, sorted.
    """

    @property
    def dim(self) -> int: ...

    @property
    def fps(self) -> float: ...

    @property
    def recordings(self) -> tuple[str, ...]: ...

    @property
    def backbone(self) -> dict[str, str]:
        """What extracted the features (name, weights' hash, preprocessing); empty where the source doesn't say."""
        ...

    def views(self, recording: str) -> tuple[str, ...]:
        """Views this recording has, in the order of the view table; `DataError` for an unknown recording."""
        ...

    def span(self, recording: str, view: str) -> Span:
        """Frame range of one view; `DataError` naming the views there are, when this one is missing."""
        ...

    def read(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """Features of frames [start, end), shape (end - start, D), in memory the caller owns.

        A frame that the store lacks, inside or outside the span, comes as a row of NaN; a row that is NaN or
        infinite only in part is a fault of the data, which the store passes on as it is.
        """
        ...

    def written(self, recording: str, view: str) -> tuple[str, int, int]:
        """Where the rows of a view are kept, that file's size in bytes, and when it was last changed, in ns."""
        ...

    def fingerprint(self) -> str:
        """Short hexadecimal hash of names, spans and feature size: two equal ones hold the same layout."""
        ...


@runtime_checkable
class PoolingSource(FeatureSource, Protocol):
    """A source that pools while it reads, without ever holding a window's frames."""

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) of a view, pooled by chunks, in memory the caller owns.

        Raises:
            DataError: for a row that is NaN or infinite only in part, unless the store refused such rows when it
                was written.
        """
        ...
