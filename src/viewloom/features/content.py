"""What features are, by content: hashes, wherever they are kept and in whichever store.

Features are compared value by value where they are small, else by blocks of frames spread over every recording and
view, and by the files' sizes and times of change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from viewloom.features.base import FeatureSource, Span
from viewloom.features.settings import Compare, Mode

FULL_BYTES = 256 << 20
"""Features (as float32) of up to this size are compared value by value with ``auto``."""
BLOCKS, BLOCK_FRAMES = 16, 4
"""Blocks, and frames in each, that stand for a view of a recording with ``sampled``."""
READ_BYTES = 16 << 20
"""Features read at a time."""

_hashes: dict[tuple[Any, ...], str] = {}
"""Hashes worked out before in this process, by what identifies the rows."""


def choose_mode(source: FeatureSource, pairs: Collection[tuple[str, str]], compare: Compare | None) -> Mode:
    """How (recording, view) pairs are compared: as asked, with ``auto`` or None by their size."""
    if compare == "full" or compare == "sampled":
        return compare
    size = sum(4 * source.dim(view) * source.stored_span(name, view).frames for name, view in pairs)
    return "full" if size <= FULL_BYTES else "sampled"


def views_in_use(
    source: FeatureSource, recordings: Collection[str], views: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """(recording, view) of all recordings with those of the views they have, sorted."""
    return tuple((name, view) for name in sorted(set(recordings)) for view in views if view in source.views(name))


def features_facts(source: FeatureSource, pairs: Collection[tuple[str, str]], mode: Mode) -> dict[str, Any]:
    """A hash for each (recording, view), and how they were made."""
    found = {f"{view} of {recording}": rows_hash(source, recording, view, mode) for recording, view in pairs}
    views = dict.fromkeys(view for _, view in pairs)
    sizes = {view: source.dim(view) for view in views}
    size: Any = next(iter(sizes.values())) if len(set(sizes.values())) == 1 else sizes
    # Lists, as JSON gives them back: what a run began with is compared with this.
    timings = {view: list(timing) for view in views if (timing := source.timing(view)) is not None}
    return {"compared": mode, "size": size, "fps": source.fps} | ({"timings": timings} if timings else {}) | found


def rows_hash(source: FeatureSource, recording: str, view: str, mode: Mode) -> str:
    """Hash of a view's span and of its values as stored, of every frame or of blocks of frames."""
    span, dim = source.stored_span(recording, view), source.dim(view)
    key = (source.written(recording, view), recording, view, span, dim, mode)
    if key not in _hashes:
        rows = rows_digest(span, dim)
        for start, end in _stretches(span, dim, mode):
            rows.update(np.ascontiguousarray(source.read_stored(recording, view, start, end)).data)
        _hashes[key] = rows.hexdigest()
    return _hashes[key]


def rows_digest(span: Span, dim: int) -> hashlib.blake2b:
    """The hash that `rows_hash` feeds with float32 rows in their order, before the first of them."""
    return hashlib.blake2b(repr((span.first, span.end, dim)).encode(), digest_size=16)


def _stretches(span: Span, dim: int, mode: Mode) -> Iterator[tuple[int, int]]:
    """Frames to read: all of them in turn, or blocks from the first to the last."""
    if mode == "full" or span.frames <= BLOCKS * BLOCK_FRAMES:
        size = max(1, READ_BYTES // (4 * dim))
        yield from ((start, min(start + size, span.end)) for start in range(span.first, span.end, size))
    else:
        starts = np.linspace(span.first, span.end - BLOCK_FRAMES, BLOCKS).round().astype(int)
        yield from ((int(start), int(start) + BLOCK_FRAMES) for start in starts)


def written_facts(source: FeatureSource, pairs: Collection[tuple[str, str]]) -> dict[str, list[Any]]:
    """Where each (recording, view) is kept, the file's size in bytes and its time of change in ns."""
    return {f"{view} of {recording}": list(source.written(recording, view)) for recording, view in pairs}


def written_again(now: Mapping[str, Sequence[Any]], then: Mapping[str, Sequence[Any]]) -> list[str]:
    """Names whose file is where it was, but of another size or time."""
    both = [name for name in now if name in then]
    return [name for name in both if now[name][:1] == then[name][:1] and list(now[name]) != list(then[name])]
