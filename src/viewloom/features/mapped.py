"""Memory-mapped files that were read count as this process's memory; here they are given back."""

import ctypes
import os
import sys
from pathlib import Path

_DONTNEED = 4  # MADV_DONTNEED of Linux


def release(file: Path) -> None:
    """Take the pages of a mapped file out of this process's resident memory; elsewhere than on Linux do nothing.

    The file stays mapped, its pages stay in the system's cache, and whoever is just reading them finds them again.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for start, size in _mappings(os.path.realpath(file)):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), _DONTNEED)


def _mappings(path: str) -> list[tuple[int, int]]:
    """Address and size of each read-only, shared mapping of a file in this process."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields = line.split(maxsplit=5)  # addresses, permissions, offset, device, inode, path
        if len(fields) == 6 and fields[5] == path and fields[1] == "r--s":
            start, end = (int(number, 16) for number in fields[0].split("-"))
            found.append((start, end - start))
    return found
