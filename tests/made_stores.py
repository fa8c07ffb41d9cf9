"""A small folder of every feature store, written the slow and plain way; the tests of every store go over `WRITERS`."""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tests.features.stores import Recordings, write_lmdb, write_npy
from viewloom.dataset.packing import run_pack
from viewloom.features.settings import PackConfig


def _with_holes(recordings: Recordings) -> dict[tuple[str, str], np.ndarray]:
    """{(recording, camera): rows}, of NaN where a frame is missing; frames count from 0."""
    found = {}
    for recording, cameras in recordings.items():
        for camera, (first, x_TD, missing) in cameras.items():
            assert first == 0
            rows = np.array(x_TD, np.float32)
            rows[list(missing)] = np.nan
            found[recording, camera] = rows
    return found


def _there(recordings: Recordings):
    """(recording, camera, numbers of the frames that are there, their rows)."""
    for recording, cameras in recordings.items():
        for camera, (_, x_TD, missing) in cameras.items():
            frames = np.setdiff1d(np.arange(len(x_TD)), list(missing))
            yield recording, camera, frames, x_TD[frames]


def write_csv(root: Path, recordings: Recordings) -> None:
    for recording, camera, frames, rows in _there(recordings):
        path = root / recording / camera / "features.csv"
        path.parent.mkdir(parents=True)
        lines = [",".join(["frame", *(f"f{i}" for i in range(rows.shape[1]))])]
        lines += [",".join([str(n), *(repr(float(v)) for v in row)]) for n, row in zip(frames, rows, strict=True)]
        path.write_text("\n".join(lines) + "\n")


def write_parquet(root: Path, recordings: Recordings) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for camera in sorted({camera for cameras in recordings.values() for camera in cameras}):
        parts = []
        for recording, own, frames, rows in _there(recordings):
            if own == camera:
                names = {"recording": [recording] * len(rows), "view": [camera] * len(rows), "frame": frames}
                parts.append(pa.table(names | {f"f{i}": rows[:, i] for i in range(rows.shape[1])}))
        pq.write_table(pa.concat_tables(parts), root / f"{camera}.parquet", row_group_size=7)


def write_hdf5(root: Path, recordings: Recordings) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "all.h5", "w") as file:
        for (recording, camera), rows in _with_holes(recordings).items():
            file.create_dataset(f"{recording}/{camera}", data=rows, chunks=(5, rows.shape[1]), compression="gzip")


def write_torch(root: Path, recordings: Recordings) -> None:
    for (recording, camera), rows in _with_holes(recordings).items():
        path = root / recording / camera / "features.pt"
        path.parent.mkdir(parents=True)
        torch.save(torch.from_numpy(rows), path)


def write_packed(root: Path, recordings: Recordings) -> None:
    data = root.parent / f"{root.name}_source"
    write_npy(data, recordings, axes="td")
    run_pack(PackConfig(data=str(data), out=str(root), dtype="float32", axes="td", workers=0))


WRITERS: Mapping[str, Callable[[Path, Recordings], object]] = {
    "csv": write_csv,
    "hdf5": write_hdf5,
    "lmdb": write_lmdb,
    "npy": lambda root, recordings: write_npy(root, recordings, axes="td"),
    "packed": write_packed,
    "parquet": write_parquet,
    "torch": write_torch,
}
"""How each registered store is written; a store without one fails the tests of every store."""
