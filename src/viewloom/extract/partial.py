"""Rows of a clip that isn't finished, kept so that a killed run goes on in the middle of it.

A file holds a JSON line that says what it belongs to, then blocks: number of rows, checksum, rows. A block that a
kill cut short fails its checksum and is dropped with all after it.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = struct.Struct("<II")


class PartialRows:
    """Rows (T, D) of float32, appended block by block.

    Args:
        path: the file; made with its folder if needed.
        belongs_to: what the rows were made of; a file that says otherwise is begun anew.
        dim: feature size D.
    """

    def __init__(self, path: Path, belongs_to: Mapping[str, object], dim: int) -> None:
        self.path, self.dim = path, dim
        self.head = json.dumps(belongs_to, sort_keys=True).encode() + b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.is_file() else b""
        self.blocks: list[NDArray[np.float32]] = []
        good = self._read(data) if data.startswith(self.head) else 0
        with path.open("r+b" if path.is_file() else "wb") as file:
            file.truncate(good)
            if not good:
                file.write(self.head)

    def _read(self, data: bytes) -> int:
        """Fill ``blocks`` with the good ones; returns the number of bytes up to their end."""
        place = len(self.head)
        while place + BLOCK.size <= len(data):
            count, checksum = BLOCK.unpack_from(data, place)
            block = data[place + BLOCK.size : place + BLOCK.size + count * self.dim * 4]
            if len(block) < count * self.dim * 4 or zlib.crc32(block) != checksum:
                break
            self.blocks.append(np.frombuffer(block, "<f4").reshape(count, self.dim))
            place += BLOCK.size + len(block)
        return place

    @property
    def count(self) -> int:
        """Rows so far."""
        return sum(map(len, self.blocks))

    def add(self, rows_TD: NDArray[np.float32]) -> None:
        """Append a block."""
        block = np.ascontiguousarray(rows_TD, "<f4").tobytes()
        with self.path.open("ab") as file:
            file.write(BLOCK.pack(len(rows_TD), zlib.crc32(block)) + block)
        self.blocks.append(rows_TD)

    def rows(self) -> NDArray[np.float32]:
        """All rows (T, D)."""
        return np.concatenate([np.empty((0, self.dim), np.float32), *self.blocks])
