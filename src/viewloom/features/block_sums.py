"""Checksums of a row file, block by block, so that a window is compared without reading the whole file.

A block's sum is taken once, when the first window reads from it: in one process and in those forked from it, such as
the workers of a loader. xxh3 runs about as fast as memory is read.
"""

from __future__ import annotations

import mmap
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64, xxh3_64_intdigest

BLOCK_BYTES = 1 << 18
"""Bytes of rows with one sum: what a single frame costs to compare, and 8 bytes for each in the manifest."""
KIND = "xxh3"


@dataclass(frozen=True)
class BlockSums:
    """The sums of one file.

    Attributes:
        block_bytes: bytes of rows in a block; the last one has fewer.
        header: sum of all before the rows.
        blocks: sum of each block, uint64.
    """

    block_bytes: int
    header: int
    blocks: NDArray[np.uint64]

    def to_text(self) -> str:
        """For the manifest: kind, block size, and the sums in base64."""
        sums = np.concatenate([np.array([self.header], "<u8"), self.blocks.astype("<u8")])
        return f"{KIND}:{self.block_bytes}:{b64encode(sums.tobytes()).decode()}"

    @classmethod
    def from_text(cls, text: str) -> BlockSums:
        """The sums that `to_text` wrote; ValueError where they are none."""
        kind, size, encoded = text.split(":")
        sums = np.frombuffer(b64decode(encoded, validate=True), "<u8")
        if kind != KIND or int(size) < 1 or not len(sums):
            raise ValueError(f"checksums of another kind, {text[:24]!r}")
        return cls(int(size), int(sums[0]), sums[1:])

    def count(self, row_bytes: int) -> int:
        """Blocks of that many bytes of rows."""
        return -(-row_bytes // self.block_bytes)


class SumWriter:
    """Takes the sums while a file is written.

    Args:
        header: what stands before the rows.
        block_bytes: bytes of a block.
    """

    def __init__(self, header: bytes, block_bytes: int = BLOCK_BYTES) -> None:
        self.block_bytes, self._header = block_bytes, xxh3_64_intdigest(header)
        self._blocks: list[int] = []
        self._open, self._filled = xxh3_64(), 0

    def update(self, data: memoryview) -> None:
        """The bytes of more rows."""
        while len(data):
            part = data[: self.block_bytes - self._filled]
            self._open.update(part)
            self._filled, data = self._filled + len(part), data[len(part) :]
            if self._filled == self.block_bytes:
                self._close()

    def _close(self) -> None:
        self._blocks.append(self._open.intdigest())
        self._open, self._filled = xxh3_64(), 0

    def sums(self) -> BlockSums:
        """The sums of all that came, after the last of it."""
        if self._filled:
            self._close()
        return BlockSums(self.block_bytes, self._header, np.array(self._blocks, np.uint64))


class SeenBlocks:
    """Which blocks were compared with their sums; processes that are forked later share it.

    Args:
        counts: blocks of each file, in any order.
    """

    def __init__(self, counts: Iterable[tuple[str, int]]) -> None:
        self._counts = tuple(counts)
        self._places: dict[str, tuple[int, int]] = {}
        total = 0
        for file, count in self._counts:
            self._places[file], total = (total, count), total + count
        self._seen = np.frombuffer(mmap.mmap(-1, max(1, total)), np.uint8)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in a process of its own begins with nothing seen."""
        return SeenBlocks, (self._counts,)

    def of(self, file: str) -> NDArray[np.uint8]:
        """A byte for each block of a file, 1 where it was compared; whoever compares one sets it."""
        first, count = self._places[file]
        return self._seen[first : first + count]
