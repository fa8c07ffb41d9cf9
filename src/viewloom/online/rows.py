"""Bytes of an npy stream, or of bare float32 numbers, to frames, as they come."""

import io

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.online.clock import Frames

MAGIC = b"\x93NUMPY"
PLAIN = np.dtype("<f4")
LONGEST_HEADER = 1 << 16


class RowReader:
    """Frames (T, D) of what was fed so far, the rest of a row kept until it is whole.

    Args:
        dim: feature size D.
        where: what is read, for messages.
        skipped: frames to leave out at the beginning: they were taken before.

    Raises (in `feed`):
        DataError: an npy header of another size, type or order.
    """

    def __init__(self, dim: int, where: str, skipped: int = 0) -> None:
        self.dim, self.where, self.skipped = dim, where, skipped
        self.kept = b""
        self.dtype: np.dtype[np.floating] | None = None

    def feed(self, data: bytes) -> Frames:
        """The frames that are whole with more bytes."""
        self.kept += data
        if self.dtype is None and not self._begun():
            return np.empty((0, self.dim), np.float32)
        assert self.dtype is not None
        row_bytes = self.dim * self.dtype.itemsize
        whole = len(self.kept) // row_bytes
        x_TD: NDArray[np.floating] = np.frombuffer(self.kept, self.dtype, whole * self.dim).reshape(whole, self.dim)
        self.kept = self.kept[whole * row_bytes :]
        left_out = min(self.skipped, whole)
        self.skipped -= left_out
        return x_TD[left_out:].astype(np.float32)

    @property
    def rest(self) -> int:
        """Bytes of a frame that isn't whole, or of a header."""
        return len(self.kept)

    def _begun(self) -> bool:
        """Whether it is known what the numbers are; a header is taken off."""
        if not self.kept.startswith(MAGIC[: len(self.kept)]):
            self.dtype = PLAIN
            return True
        if len(self.kept) < len(MAGIC) + 6:
            return False
        wide = self.kept[len(MAGIC)] > 1
        first = len(MAGIC) + (6 if wide else 4)
        end = first + int.from_bytes(self.kept[len(MAGIC) + 2 : first], "little")
        if end > LONGEST_HEADER:
            raise DataError(f"{self.where} begins like npy, but has a header of {end} bytes. Write it by numpy.save.")
        if len(self.kept) < end:
            return False
        self._read_header(io.BytesIO(self.kept[:end]))
        self.kept = self.kept[end:]
        return True

    def _read_header(self, file: io.BytesIO) -> None:
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, turned, dtype = read(file)
        except (ValueError, KeyError) as error:
            raise DataError(f"{self.where} has an npy header that can't be read ({error}). Write it anew.") from None
        if len(shape) != 2 or shape[1] != self.dim or turned or dtype.kind != "f" or dtype.itemsize > 8:
            order = "Fortran" if turned else "C"
            raise DataError(
                f"{self.where} must hold floating numbers (T, {self.dim}) in C order, but holds {dtype} {shape} in "
                f"{order} order. Write the features that the head was trained on, by numpy.save."
            )
        self.dtype = dtype
