"""The rows of one file of a packed store: mapped, and compared with their checksums where nobody has done so yet."""

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from viewloom.errors import DataError
from viewloom.features.block_sums import BlockSums
from viewloom.features.rows import STORED, RowFile

MEND = (
    "Copy it again, or run viewloom pack again, which mends the store; viewloom check --depth full finds all such "
    "files. --verify_features false reads it as it is."
)
"""What to do about a file that isn't what was packed."""


class StoredRows:
    """A file that was opened; it holds no handle.

    Args:
        file: its header.
        first: frame of its first row.
        sums: its checksums; None: nothing is compared.
        seen: a byte for each block, 1 where it was compared.
        where: recording and view, for messages.
    """

    def __init__(
        self, file: RowFile, first: int, sums: BlockSums | None, seen: NDArray[np.uint8] | None, where: str
    ) -> None:
        self.file, self.first, self.where = file, first, where
        self.sums, self.seen = sums, seen
        self.row_bytes = file.shape[1] * STORED[file.dtype].itemsize

    def rows(self, start: int, end: int) -> NDArray[np.floating]:
        """Frames [start, end), which lie inside the file, in the stored type, mapped.

        Raises:
            DataError: a block of them fails its checksum.
        """
        file, low, high = self.file, start - self.first, end - self.first
        # "c": torch takes no read-only array
        x_TD: NDArray[np.floating] = np.memmap(file.path, STORED[file.dtype], "c", file.offset, file.shape)
        if self.sums is not None and self.seen is not None:
            size = self.sums.block_bytes
            one, end_block = low * self.row_bytes // size, -(-high * self.row_bytes // size)
            if not self.seen[one:end_block].all():
                self._compare(x_TD, self.sums, self.seen, one, end_block)
        return x_TD[low:high]

    def _compare(
        self, x_TD: NDArray[np.floating], sums: BlockSums, seen: NDArray[np.uint8], first: int, end: int
    ) -> None:
        """Compare the blocks [first, end) that weren't seen yet."""
        size, data = sums.block_bytes, memoryview(x_TD.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        for block in (np.flatnonzero(seen[first:end] == 0) + first).tolist():
            if xxh3_64_intdigest(data[block * size : (block + 1) * size]) != sums.blocks[block]:
                frame = self.first + block * size // self.row_bytes
                raise DataError(
                    f"{self.file.path}: the rows of {self.where}, from about frame {frame} aren't those that were "
                    f"packed: their checksum differs. {MEND}"
                )
            seen[block] = 1
