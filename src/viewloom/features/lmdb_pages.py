"""LMDB pages, looked at before LMDB does: on a page that isn't what it should be, LMDB ends the whole process.

LMDB believes its file. A page of zeros, left by a copy or a disk that stopped, is an assertion that fails (SIGABRT),
and a wrong offset is read wherever it leads (SIGSEGV, SIGBUS). So the page that tells of the tree is checked when a
file is opened, and the pages on the way to a range of keys before the range is first read: once a process, all those of
a range at a time. Values lie in pages of their own (8 kB of float32 in three), of which the heads are checked; so a
window of 1,000 frames costs some 25 pages of keys, whatever the size of the file.

Source: LMDB 0.9, ``mdb.c`` (struct MDB_page, MDB_meta, MDB_db, MDB_node).
"""

import struct
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viewloom.errors import DataError

HEADER = 16
"""Bytes before a page's content; of a node before its key: `NODE`."""
NODE = 8
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
MAGIC, VERSION = 0xBEEFC0DE, 1
_META = struct.Struct("<IIQQ")  # magic, version, address, map size
_DB = struct.Struct("<IHHQQQQQ")  # pad, flags, depth, branch, leaf and overflow pages, entries, root
_END = struct.Struct("<QQ")  # last page, transaction
NOTHING = (1 << 64) - 1
"""Root of an empty tree."""
DEEPEST = 16
"""Levels; 10^9 keys take 5."""
Bytes = NDArray[np.uint8]


class Tree(NamedTuple):
    """What a meta page says: size of a page, last page, root, levels, transaction."""

    page: int
    last: int
    root: int
    depth: int
    transaction: int


class Pages:
    """The pages of an environment's file, checked as they are asked for.

    Args:
        file: ``data.mdb``.

    Raises:
        DataError: not LMDB's, cut short, or of a form that frames aren't stored in.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        size = file.stat().st_size
        with file.open("rb") as opened:
            begin = opened.read(1 << 17)
        trees = [self._tree(begin, place) for place in (0, 1)]
        self.tree = trees[0] if trees[0].transaction >= trees[1].transaction else trees[1]
        needed = (self.tree.last + 1) * self.tree.page
        if size < needed:
            raise DataError(
                f"{file} is cut short: it has {size:,} bytes, but its pages reach to {needed:,}. "
                "The copy or download stopped early, or is still running; fetch the file again."
            )
        whole = size // self.tree.page
        self.pages: Bytes = np.memmap(file, np.uint8, "r", shape=(whole, self.tree.page)).view(np.ndarray)
        self._branches: dict[int, tuple[list[bytes], list[int]]] = {}
        self._leaves: set[int] = set()

    def _tree(self, begin: bytes, place: int) -> Tree:
        """What one of the two meta pages says."""
        size = struct.unpack_from("<I", begin, HEADER + _META.size)[0] if len(begin) > 256 else 0
        start = place * size
        if size < 256 or size & (size - 1) or size > 1 << 16 or len(begin) < start + 256:
            raise self._other("its first page says nothing that LMDB writes")
        magic, version, _, _ = _META.unpack_from(begin, start + HEADER)
        flags = struct.unpack_from("<H", begin, start + 10)[0]
        if (magic, version) != (MAGIC, VERSION) or not flags & META:
            raise self._other(f"page {place} is not the first of an LMDB file of version {VERSION}")
        _, _, depth, *_, root = main = _DB.unpack_from(begin, start + HEADER + _META.size + _DB.size)
        last, transaction = _END.unpack_from(begin, start + HEADER + _META.size + 2 * _DB.size)
        if main[1] or depth > DEEPEST or (root != NOTHING and not 2 <= root <= last):
            raise self._other(
                f"its tree (flags {main[1]}, {depth} levels, root {root}) is none that frames are kept in"
            )
        return Tree(size, last, root, depth, transaction)

    def _other(self, reason: str) -> DataError:
        return DataError(
            f"{self.file} can't be read as an LMDB environment ({reason}). It is damaged or something else; "
            "fetch it again and compare its size or checksum with the original's."
        )

    def _broken(self, page: int) -> DataError:
        return self._other(f"page {page} of {self.tree.last + 1} is not what its place in the tree asks for")

    def check(self, low: bytes, high: bytes) -> None:
        """The pages that LMDB goes through from one key to another, and to their neighbours.

        Raises:
            DataError: naming a page that is broken.
        """
        if self.tree.root == NOTHING:
            return
        pages = [self.tree.root]
        for _ in range(self.tree.depth - 1):
            pages = [child for page in pages for child in self._children(page, low, high)]
        self._check_leaves(np.array([page for page in pages if page not in self._leaves], np.int64))

    def _children(self, page: int, low: bytes, high: bytes) -> list[int]:
        """Pages below a branch that may hold keys from one to another, and one more on both sides."""
        if page not in self._branches:
            self._branches[page] = self._branch(page)
        keys, below = self._branches[page]
        first = max(0, bisect_right(keys, low) - 2)
        return below[first : bisect_right(keys, high) + 1]

    def _branch(self, page: int) -> tuple[list[bytes], list[int]]:
        """First keys and pages of what is below a branch; the first key is left out in the file, and so is b''."""
        offsets_PN, _, there_PN = self._nodes(np.array([page]), BRANCH)
        data, keys, below = self.pages[page].tobytes(), [], []
        for place in offsets_PN[0][there_PN[0]].tolist():
            low, high, flags, length = struct.unpack_from("<4H", data, place)
            child = low | high << 16 | flags << 32
            if place + NODE + length > len(data) or not 2 <= child <= self.tree.last:
                raise self._broken(page)
            keys.append(data[place + NODE : place + NODE + length])
            below.append(child)
        keys[0] = b""
        if len(keys) < 2 or keys != sorted(keys) or len(set(below)) < len(below):
            raise self._broken(page)
        return keys, below

    def _nodes(self, pages_P: NDArray[np.int64], kind: int) -> tuple[NDArray[np.int64], Bytes, NDArray[np.bool_]]:
        """Where the nodes of some pages of one kind begin (P, N), the pages' bytes, and which of the N there are."""
        size = self.tree.page
        data_PB = self.pages[pages_P]
        head = data_PB[:, :HEADER].copy()
        number, flags = head[:, :8].view("<u8")[:, 0], head[:, 10:12].view("<u2")[:, 0]
        lower, upper = (head[:, at : at + 2].copy().view("<u2")[:, 0].astype(np.int64) for at in (12, 14))
        counts = (lower - HEADER) // 2
        good = (number == pages_P.astype(np.uint64)) & (flags == kind) & (counts > 0) & (lower % 2 == 0)
        good &= (lower <= upper) & (upper <= size)
        if not good.all():
            raise self._broken(int(pages_P[~good][0]))
        most = int(counts.max())
        offsets = data_PB[:, HEADER : HEADER + 2 * most].copy().view("<u2").astype(np.int64)
        there = np.arange(most) < counts[:, None]
        outside = there & ((offsets < upper[:, None]) | (offsets > size - NODE))
        if outside.any():
            raise self._broken(int(pages_P[outside.any(1)][0]))
        return np.where(there, offsets, size - NODE), data_PB, there

    def _check_leaves(self, pages_P: NDArray[np.int64]) -> None:
        """Leaves whose keys and values lie inside them or inside the file, all at once."""
        for begin in range(0, len(pages_P), 4096):
            some_P = pages_P[begin : begin + 4096]
            self._check_some(some_P)
            self._leaves.update(some_P.tolist())

    def _check_some(self, pages_P: NDArray[np.int64]) -> None:
        size = self.tree.page
        offsets_PN, data_PB, there_PN = self._nodes(pages_P, LEAF)
        rows, columns = np.nonzero(there_PN)
        at = offsets_PN[rows, columns]
        fields = _numbers(data_PB, rows, at, "<u2", 4)
        length = fields[:, 0] | fields[:, 1] << 16
        flags, end = fields[:, 2], at + NODE + fields[:, 3]
        large = flags == 1
        end = end + np.where(large, 8, length)
        wrong = (flags > 1) | (end > size) | (fields[:, 3] == 0)
        if wrong.any():
            raise self._broken(int(pages_P[rows[wrong][0]]))
        if large.any():
            values = _numbers(data_PB, rows[large], end[large] - 8, "<u8", 1)[:, 0]
            self._check_values(pages_P[rows[large]], values, length[large])

    def _check_values(self, leaves: NDArray[np.int64], first: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        """Heads of the pages that values lie in: their numbers, kind and count."""
        count = (HEADER - 1 + length) // self.tree.page + 1
        wrong = (first < 2) | (first + count - 1 > self.tree.last)
        if not wrong.any():
            heads = self.pages[first, :HEADER]
            wrong = heads[:, :8].copy().view("<u8")[:, 0] != first.astype(np.uint64)
            wrong |= heads[:, 10:12].copy().view("<u2")[:, 0] != OVERFLOW
            wrong |= heads[:, 12:16].copy().view("<u4")[:, 0] < count
        if wrong.any():
            place = int(first[wrong][0])
            raise self._broken(place if 2 <= place <= self.tree.last else int(leaves[wrong][0]))


def _numbers(
    data_PB: Bytes, rows: NDArray[np.int64], at: NDArray[np.int64], kind: str, count: int
) -> NDArray[np.int64]:
    """Whole numbers, ``count`` behind each other, from places in rows of bytes: (places, count)."""
    width = np.dtype(kind).itemsize * count
    found = data_PB[rows[:, None], at[:, None] + np.arange(width)]
    return np.ascontiguousarray(found).view(kind).astype(np.int64)
