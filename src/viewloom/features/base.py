"""What every feature store offers: frame-wise features by recording, view and frame range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.settings import Pooling

if TYPE_CHECKING:
    from typing_extensions import Self


class Span(NamedTuple):
    """Frames [first, end) that a view of a recording covers."""

    first: int
    end: int

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self.end - self.first


class Pooled(NamedTuple):
    """A stretch of a view pooled by chunks.

    Attributes:
        features_SZ: float32, each chunk's frames pooled element by element; zeros where it has none.
        mask_S: True where a chunk has at least one frame.
        missing: numbers of the frames that the view lacks, ascending.
    """

    features_SZ: NDArray[np.float32]
    mask_S: NDArray[np.bool_]
    missing: NDArray[np.int64]


def pooled_dim(dim: int, pooling: Pooling) -> int:
    """Size of a step's features: that of a frame's, twice as much for both poolings."""
    return 2 * dim if pooling == "both" else dim


def frame_dim(dim: int, pooling: Pooling) -> int:
    """Size of a frame's features, of that of a step's: `pooled_dim` the other way round."""
    return dim // 2 if pooling == "both" else dim


class PoolingReader(Protocol):
    """Reads pooled windows: a store, and whatever is put before one (kept windows, a policy for missing frames)."""

    def read_pooled(
        self, recording: str, view: str, start: int, end: int, chunk_frames: int, pooling: Pooling = "max"
    ) -> Pooled:
        """Frames [start, end) of a view, pooled by chunks, in memory the caller owns.

        Raises:
            DataError: for a row that is NaN or infinite only in part, unless the store refused such rows when it
                was written.
        """
        ...


@runtime_checkable
class FeatureSource(PoolingReader, Protocol):
    """Frame-wise features of synchronised recordings.

    Views are logical names (``v3``, ``e4``); a store that knows only cameras has a view table. Each view has a size
    of its own, and may be stored at a rate and from a start of its own; frame numbers are the data set's, at ``fps``,
    and mean the same moment in all views of a recording (Assembly101 counts from 1, npy files from 0). A source can be
    pickled and used in worker processes, forked or spawned.
    """

    @property
    def fps(self) -> float:
        """Frames per second of the data set's clock."""
        ...

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names, sorted."""
        ...

    @property
    def backbone(self) -> dict[str, str]:
        """What extracted the features (name, weights' hash, preprocessing); empty where the source doesn't say."""
        ...

    @property
    def uncached(self) -> Self | FeatureSource:
        """The source itself, or what stands behind windows that are kept."""
        ...

    def views(self, recording: str) -> tuple[str, ...]:
        """Views this recording has, in the order of the view table; `DataError` for an unknown recording."""
        ...

    def dim(self, view: str) -> int:
        """Feature size D of a view."""
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

    def stored_span(self, recording: str, view: str) -> Span:
        """Frame range of one view as it is stored, at its own rate."""
        ...

    def read_stored(self, recording: str, view: str, start: int, end: int) -> NDArray[np.float32]:
        """As `read`, but frames as they are stored, at the view's own rate."""
        ...

    def written(self, recording: str, view: str) -> tuple[str, int, int, int]:
        """Where the rows of a view are kept, that file's size in bytes, when it was last changed, in ns, and its
        number in the file system."""
        ...

    def timing(self, view: str) -> tuple[float, float] | None:
        """Stored frames per second and time (s) of stored frame 0; None where they are the data set's own."""
        ...

    def fingerprint(self) -> str:
        """Short hexadecimal hash of names, spans and feature sizes: two equal ones hold the same layout."""
        ...


def common_dim(source: FeatureSource, views: Sequence[str], what: str) -> int:
    """The feature size that all views share; `DataError` saying each one's where they differ.

    Args:
        source: where the features are.
        views: the views.
        what: takes views of one size, for the message ("a head").
    """
    sizes = {view: source.dim(view) for view in views}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{view} {size}" for view, size in sizes.items())
        raise DataError(
            f"{what} takes views of one feature size, but they have: {shown}. Put a refiner before it that brings them "
            "to one (--refiner; `viewloom pretrain --method cca`), or name views of one size."
        )
    return next(iter(sizes.values()))
