"""What opening a folder and reading windows costs in each kind of file of features, in processor time.

One process, one recording and view of random numbers; the files are in the system's cache. Prints JSON, a line a store.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from viewloom.features.opening import open_source


def write_csv(path: Path, x_TD: np.ndarray) -> None:
    header = ",".join(f"f{i}" for i in range(x_TD.shape[1]))
    np.savetxt(path / "a.csv", x_TD, fmt="%.6g", delimiter=",", header=header, comments="")


def write_hdf5(path: Path, x_TD: np.ndarray) -> None:
    with h5py.File(path / "a.h5", "w") as file:
        file["features"] = x_TD


def write_columns(path: Path, x_TD: np.ndarray) -> None:
    table = pa.table({f"f{i}": x_TD[:, i] for i in range(x_TD.shape[1])})
    pq.write_table(table, path / "a.parquet", row_group_size=2000)


def write_lists(path: Path, x_TD: np.ndarray) -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(x_TD.reshape(-1)), x_TD.shape[1])
    pq.write_table(pa.table({"x": lists}), path / "a.parquet", row_group_size=2000)


WRITERS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "csv": write_csv,
    "parquet, columns": write_columns,
    "parquet, lists": write_lists,
    "hdf5": write_hdf5,
    "torch": lambda path, x_TD: torch.save(torch.from_numpy(x_TD), path / "a.pt"),
    "npy": lambda path, x_TD: np.save(path / "a.npy", x_TD),
}


def spent_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of some work, and what it gives."""
    start = time.process_time()
    found = work()
    return 1000 * (time.process_time() - start), found


def measure(root: Path, window: int) -> dict[str, float]:
    """Times of one folder."""
    opening, source = spent_ms(lambda: open_source(root, axes="td"))
    times = [spent_ms(lambda k=k: source.read("a", "cam", k, k + window))[0] for k in range(0, 8 * window, window)]
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / 1e6
    return {"mb": size, "open_ms": opening, "first_ms": times[0], "next_ms": float(np.median(times[1:]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--window", type=int, default=400)
    args = parser.parse_args()
    x_TD = np.random.default_rng(0).random((args.frames, args.dim)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            path = Path(folder) / name / "cam"
            path.mkdir(parents=True)
            write(path, x_TD)
            print(json.dumps({"store": name, **measure(path.parent, args.window)}))


if __name__ == "__main__":
    main()
