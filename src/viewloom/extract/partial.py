"""Rows of a clip that isn't finished, kept so that a killed run goes on in the middle of it.

A file holds a JSON line that says what it belongs to, then blocks: number of rows, checksum, rows. A block that a
kill cut short fails its checksum and is dropped with all after it.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = struct.Struct("<II")


class PartialRows:
    """Rows (T, D) of float32 on disk, appended block by block.

    Args:
        path: the file; made with its folder if needed.
        belongs_to: what the rows were made of; a file that says otherwise is begun anew.
        dim: feature size D.

    Attributes:
        count: rows so far.
    """

    def __init__(self, path: Path, belongs_to: Mapping[str, object], dim: int) -> None:
        self.path, self.dim = path, dim
        self.head = json.dumps(belongs_to, sort_keys=True).encode() + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.count = sum(map(len, self._blocks()))
        good = len(self.head) + sum(BLOCK.size + block.nbytes for block in self._blocks())
        with path.open("r+b") as file:
            if file.read(len(self.head)) != self.head:
                file.seek(0)
                file.write(self.head)
            file.truncate(good)

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """The good blocks, read one at a time."""
        with self.path.open("rb") as file:
            if file.read(len(self.head)) != self.head:
                return
            while len(start := file.read(BLOCK.size)) == BLOCK.size:
                rows, checksum = BLOCK.unpack(start)
                block = file.read(rows * self.dim * 4)
                if len(block) < rows * self.dim * 4 or zlib.crc32(block) != checksum:
                    return
                yield np.frombuffer(block, "<f4").reshape(rows, self.dim)

    def add(self, rows_TD: NDArray[np.float32]) -> None:
        """Append a block."""
        block = np.ascontiguousarray(rows_TD, "<f4").tobytes()
        with self.path.open("ab") as file:
            file.write(BLOCK.pack(len(rows_TD), zlib.crc32(block)) + block)
        self.count += len(rows_TD)

    def rows(self) -> NDArray[np.float32]:
        """All rows (T, D)."""
        x_TD = np.empty((self.count, self.dim), np.float32)
        place = 0
        for block in self._blocks():
            x_TD[place : place + len(block)] = block
            place += len(block)
        return x_TD
