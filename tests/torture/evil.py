"""Files made to harm whoever reads them: each function writes one, small, and returns its path.

They are what the named tests of `test_evil.py` attack with, and what the fuzz campaign can start from.
"""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

PAGE = 4096
HUGE = 1 << 31


def pickle_bomb(path: Path, levels: int = 60) -> Path:
    """A statistics pickle of some 200 bytes: tuples of tuples, as a key, so that its hash takes 2^levels steps."""
    path.write_bytes(_doubling(levels))
    return path


def _doubling(levels: int) -> bytes:
    """``{t: {}}`` where t is (s, s), s is (r, r), ..."""
    steps = [b"K\x01q\x00"] + [b"0h%ch%c\x86q%c" % (level, level, level + 1) for level in range(levels)]
    return b"\x80\x02}" + b"".join(steps) + b"}s."


def shared_lists(path: Path, levels: int = 60) -> Path:
    """A statistics pickle whose one span, written out, takes 2^levels numbers: a message must not try."""
    value: object = 1
    for _ in range(levels):
        value = [value, value]
    path.write_bytes(pickle.dumps({"recording": {"camera": value}}, 2))
    return path


def code_pickle(path: Path, mark: Path) -> Path:
    """A torch file whose pickle makes the file ``mark`` when it is run."""
    import torch

    torch.save({"state_dict": {"w": torch.zeros(2)}, "trap": _Trap(mark)}, path)
    return path


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def rewritten(path: Path, change: Callable[[str, bytes], bytes], how: int = zipfile.ZIP_STORED) -> Path:
    """A zip whose records were changed and stored anew."""
    with zipfile.ZipFile(path) as old:
        records = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(path, "w", how) as new:
        for name, data in records:
            new.writestr(name, change(name, data))
    return path


def inflating_pickle(path: Path, size: int = 3 << 30) -> Path:
    """A torch file of 3 MB whose pickle inflates to 3 GiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("a/data.pkl", "w", force_zip64=True) as out:
            out.write(b"\x80\x02]q\x00")
            block = b"N0" * (1 << 23)
            for _ in range(size // len(block)):
                out.write(block)
            out.write(b".")
        file.writestr("a/version", "3\n")
    return path


def expanded_tensor(path: Path, sizes: tuple[int, ...] = (1 << 20, 1 << 12)) -> Path:
    """A torch file of one number that stands for 2^32."""
    import torch

    torch.save(torch.zeros(1).expand(*sizes), path)
    return path


def beyond_record(path: Path) -> Path:
    """A torch file whose pickle asks for 2^28 numbers of a record of four."""
    import torch

    torch.save(torch.arange(4.0), path)
    return rewritten(path, lambda name, data: data.replace(b"K\x04tq", b"J" + struct.pack("<i", 1 << 28) + b"tq"))


def made_of_air(path: Path) -> Path:
    """A torch file that calls ``bytearray(2^40)``."""
    import torch

    torch.save([1], path)
    call = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."
    return rewritten(path, lambda name, data: call if name.endswith("data.pkl") else data)


def npy_header(path: Path, shape: tuple[int, ...] = (HUGE, HUGE)) -> Path:
    """An npy file of a hundred bytes with a giant shape."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path.write_bytes(header.getvalue() + bytes(16))
    return path


def safetensors_header(path: Path, told: object) -> Path:
    """A safetensors file whose header holds any JSON."""
    text = json.dumps(told).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    return path


def hdf5_bomb(path: Path, rows: int = 1 << 24, dim: int = 4096) -> Path:
    """An HDF5 file of some kB with a table of 256 GiB, of which nothing was ever written."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("r/v1", (rows, dim), "f4", chunks=(64, dim), compression="gzip")
    return path


def hdf5_chunk(path: Path, rows: int = 600_000) -> Path:
    """An HDF5 file whose one chunk of 1.1 GiB lies in it as 2 MiB."""
    import h5py

    with h5py.File(path, "w") as file:
        table = file.create_dataset("r/v1", (rows, 512), "f4", chunks=(rows, 512), compression="gzip")
        table.id.write_direct_chunk((0, 0), bytes(2 << 20))
    return path


def hdf5_loop(path: Path) -> Path:
    """An HDF5 file with a group that stands in itself."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        group["again"] = group
    return path


def parquet_bomb(path: Path, rows: int = 3_000_000) -> Path:
    """A Parquet file of some kB: one row group of 3 million rows without values in 10 columns."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    table = arrow.table({f"f{i}": arrow.nulls(rows, arrow.float32()) for i in range(10)})
    pages = {"max_rows_per_page": rows, "data_page_size": 1 << 28}
    parquet.write_table(table, path, row_group_size=rows, compression="zstd", **pages)
    return path


def lmdb(folder: Path, camera: str = "C1", frames: int = 300, dim: int = 16) -> Path:
    """A sound LMDB store of one camera; its ``data.mdb``."""
    import lmdb as library

    from viewloom.features.lmdb import frame_key, key_prefix

    (folder / camera).mkdir(parents=True)
    made = library.open(str(folder / camera), map_size=1 << 30, lock=False)
    with made as environment, environment.begin(write=True) as change:
        keys = [(key_prefix(name, camera), frame) for name in ("rec_a", "rec_b") for frame in range(1, frames + 1)]
        for prefix, frame in keys:
            change.put(frame_key(prefix, frame), np.full(dim, frame, np.float32).tobytes())
    return folder / camera / "data.mdb"


def zero_page(path: Path, page: int) -> Path:
    """A page of an LMDB file as a disk that stopped leaves it."""
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(PAGE))
    return path


def map_size(path: Path, size: int = 1 << 62) -> Path:
    """An LMDB file that asks for a map of any size."""
    with path.open("r+b") as file:
        for page in (0, 1):
            file.seek(page * PAGE + 16 + 16)
            file.write(struct.pack("<Q", size))
    return path


def zip_bomb(path: Path, size: int = 5 << 24) -> Path:
    """A zip of some hundred bytes that holds 80 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("all/key.txt", "x")
        with file.open("all/big.bin", "w", force_zip64=True) as out:
            for _ in range(size >> 24):
                out.write(bytes(1 << 24))
    return path


def zip_of(path: Path, *names: str, link: str | None = None) -> Path:
    """A zip of small members of any names; ``link``: one of them is a symbolic link."""
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == link else 0o100644) << 16
            file.writestr(info, b"../../elsewhere")
    return path


def png_bomb(path: Path, side: int = 12_000) -> Path:
    """A PNG of some kB with 144 million black pixels."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(1), bytes(1 + side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def deep_json(path: Path, levels: int = 100_000) -> Path:
    """JSON of lists in lists, deeper than a parser's stack."""
    path.write_text("[" * levels + "]" * levels)
    return path


def pipe(path: Path) -> Path:
    """A named pipe, which nobody writes: who opens it waits for ever."""
    os.mkfifo(path)
    return path
