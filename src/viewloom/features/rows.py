"""One table of rows in one safetensors file: written block by block, read by row range without loading it."""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError
from viewloom.features.block_sums import BlockSums, SumWriter
from viewloom.reading import once
from viewloom.regular import regular

TENSOR = "features"
"""Name of the tensor (T, D) in each file."""
STORED: Mapping[str, np.dtype[np.floating]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
"""Types of number in a store, little endian as safetensors has them."""
_NAMES = {"float16": "F16", "float32": "F32"}
_MAX_HEADER_BYTES = 1 << 20
_HASH_BLOCK_BYTES = 1 << 22


def encode_header(dtype: str, shape: tuple[int, int], metadata: Mapping[str, str]) -> bytes:
    """The safetensors header of a file with the one tensor `TENSOR`, padded to 8 bytes.

    Source: https://huggingface.co/docs/safetensors (format).
    """
    size = shape[0] * shape[1] * STORED[dtype].itemsize
    tensor = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [0, size]}
    text = json.dumps({"__metadata__": dict(metadata), TENSOR: tensor}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


@dataclass(frozen=True)
class RowFile:
    """A file's header.

    Attributes:
        path: the file.
        dtype: ``float16`` or ``float32``.
        shape: (T, D).
        offset: byte at which the rows begin.
        metadata: the strings stored with them.
    """

    path: Path
    dtype: str
    shape: tuple[int, int]
    offset: int
    metadata: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> "RowFile":
        """Read the header; `DataError` where the file is missing, something else, or not whole."""
        try:
            if not path.exists():
                raise DataError(f"{path} is missing from the store; pack it again.")
            with regular(path, "Pack it again.").open("rb") as file:
                header, offset = _read_header(file)
            tensor = header[TENSOR]
            dtype = {code: name for name, code in _NAMES.items()}[tensor["dtype"]]
            frames, dim = tensor["shape"]
            if not all(type(size) is int and 0 <= size < 1 << 48 for size in (frames, dim)):
                raise ValueError(f"shape {str(tensor['shape'])[:60]}")
            opened = cls(path, dtype, (int(frames), int(dim)), offset, dict(header.get("__metadata__", {})))
        except DataError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError, OSError) as error:
            raise DataError(f"{path} is not a feature file of a packed store ({error!r}); pack it again.") from error
        size = path.stat().st_size
        if size != opened.file_bytes:
            raise DataError(
                f"{path} has {size:,} bytes, but its header asks for {opened.file_bytes:,}: it is cut short or "
                "damaged. Copy it again, or run viewloom pack again, which mends the store."
            )
        return opened

    @property
    def file_bytes(self) -> int:
        """Size the whole file must have."""
        return self.offset + self.shape[0] * self.shape[1] * STORED[self.dtype].itemsize

    def map(self) -> NDArray[np.floating]:
        """All rows (T, D) in the stored type, memory-mapped; the map lives as long as the array."""
        return np.memmap(self.path, STORED[self.dtype], "c", self.offset, self.shape)  # "c": torch takes no read-only


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"header of {length} bytes")
    header = json.loads(file.read(length), object_pairs_hook=once)
    return header, 8 + length


def write_rows(path: Path, header: bytes, blocks: Iterable[NDArray[Any]]) -> tuple[str, BlockSums]:
    """Write header and blocks of rows (already of the stored type).

    Returns:
        The file's SHA-256 in hex, and the checksums of its blocks.
    """
    digest, sums = hashlib.sha256(header), SumWriter(header)
    with path.open("wb") as file:
        file.write(header)
        for block in blocks:
            data = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
            digest.update(data)
            sums.update(data)
            file.write(data)
    return digest.hexdigest(), sums.sums()


def block_sums(path: Path) -> BlockSums:
    """The checksums of a row file's blocks, as it is on the disk; `DataError` where it is none."""
    offset = RowFile.open(path).offset
    with path.open("rb", buffering=0) as file:
        sums = SumWriter(file.read(offset))
        while block := file.read(_HASH_BLOCK_BYTES):
            sums.update(memoryview(block))
    return sums.sums()


def hash_file(path: Path, from_disk: bool = False) -> str:
    """SHA-256 of a file in hex, read in blocks.

    Args:
        path: the file.
        from_disk: ask the system to forget what it holds of the file in memory, where it can, so that the disk
            itself is read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
