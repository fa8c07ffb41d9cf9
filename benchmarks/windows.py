"""Windows of two views, pooled by chunks: our ways of reading against a plain loader. JSON on standard output.

The plain loader gets each frame from the LMDB by its key, stacks them, and goes through the chunks in a Python loop
with a maximum each. Against it: the packed store (float16 and float32), the LMDB itself, and the folder of pooled
windows (`--pool_cache`), each through the function that training uses. "Bare" is the least that can be done with
a store's bytes: the mapped file, reshaped and reduced, float16 compared as integers, nothing checked; with
``--signed`` that is wrong where all frames of a chunk are negative, and is left out for float16. Numbers are
such as float16 holds, so that all ways must find the same bits, which is checked in every round. All files are
warm, and all ways run on one thread.

    python benchmarks/windows.py --frames 24000 --dim 2048
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray

from viewloom.dataset.packing import run_pack
from viewloom.features.base import FeatureSource
from viewloom.features.cache import CachedSource
from viewloom.features.lmdb import LmdbSource, frame_key, key_prefix
from viewloom.features.rows import RowFile
from viewloom.features.settings import PackConfig
from viewloom.features.store import PackedSource
from viewloom.windows.batch import Window

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import in_turn, ratio, show

CAMERAS = {"v3": "C10118_rgb", "e4": "HMC_84358933_mono10bit"}
RECORDING = "recording_of_a_name_as_long_as_the_real_ones_are_2021"
Features = NDArray[np.float32]


def write_lmdb(root: Path, frames: int, dim: int, signed: bool = False) -> None:
    """One recording in two views: random numbers that float16 holds, of both signs where ``signed`` says so."""
    rng = np.random.default_rng(0)
    for camera in CAMERAS.values():
        (root / camera).mkdir(parents=True)
        environment = lmdb.open(str(root / camera), map_size=frames * (8 * dim + 8192) + (1 << 24), lock=False)
        with environment.begin(write=True) as transaction:
            for start in range(0, frames, 256):
                x_TD = rng.standard_exponential((min(256, frames - start), dim), np.float32)
                x_TD -= 0.9 * signed
                for frame, row in enumerate(x_TD.astype(np.float16).astype("<f4"), start + 1):
                    transaction.put(frame_key(key_prefix(RECORDING, camera), frame), row.tobytes(), append=True)
        environment.close()


def plain_loader(source: LmdbSource, window: Window) -> list[Features]:
    """One get for each frame, one maximum for each chunk."""
    found = []
    for camera in CAMERAS.values():
        prefix, rows = key_prefix(RECORDING, camera), []
        with source.environment(camera)._handle.begin() as transaction:
            for frame in range(window.start, window.end):
                rows.append(np.frombuffer(transaction.get(frame_key(prefix, frame)), "<f4"))
        x_TD = np.stack(rows)
        chunks = range(0, window.frames, window.chunk_frames)
        found.append(np.stack([x_TD[start : start + window.chunk_frames].max(axis=0) for start in chunks]))
    return found


def ours(source: FeatureSource, window: Window) -> list[Features]:
    """What training does for one window in each view."""
    span = window.start, window.end, window.chunk_frames
    return [source.read_pooled(window.recording, view, *span).features_SZ for view in CAMERAS]


def bare_way(source: PackedSource, window: Window) -> Callable[[], list[NDArray[np.generic]]]:
    """Read and maximum over the same bytes, the files mapped beforehand; for whole chunks only."""
    maps = [RowFile.open(source.root / source.entry(RECORDING, view).file).map() for view in CAMERAS]
    bits = [rows.view(np.int16) if rows.dtype == np.float16 else rows for rows in maps]
    shape = -1, window.chunk_frames, source.dim("v3")
    return lambda: [rows[: window.frames].reshape(shape).max(axis=1) for rows in bits]


def same_as(expected: list[Features]) -> Callable[[str, list[NDArray[np.generic]]], None]:
    """A check that each view's features are the expected ones, bit for bit."""

    def check(name: str, found: list[NDArray[np.generic]]) -> None:
        for x_SD, expected_SD in zip(found, expected, strict=True):
            floats = x_SD.view(np.float16) if x_SD.dtype == np.int16 else x_SD
            assert floats.astype(np.float32).tobytes() == expected_SD.tobytes(), name

    return check


def main() -> None:
    """Write the stores, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24_000, help="frames of the window, a multiple of --chunk")
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--signed", action="store_true", help="features of both signs, not of one")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--dir", default=None, help="folder for the temporary stores")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        root = Path(folder)
        write_lmdb(root / "lmdb", args.frames, args.dim, args.signed)
        for dtype in ("float16", "float32"):
            run_pack(PackConfig(data=str(root / "lmdb"), out=str(root / dtype), dtype=dtype, workers=0, verify=False))
        frames, half, full = LmdbSource(root / "lmdb"), PackedSource(root / "float16"), PackedSource(root / "float32")
        cached = CachedSource(half, root / "pooled", 1)
        window = Window(RECORDING, RECORDING, 1, 1 + args.frames, args.chunk)
        ways: dict[str, Callable[[], list[NDArray[np.generic]]]] = {
            "plain loader": lambda: plain_loader(frames, window),
            "LMDB": lambda: ours(frames, window),
            "packed float16": lambda: ours(half, window),
            "bare float16": bare_way(half, window),
            "packed float32": lambda: ours(full, window),
            "bare float32": bare_way(full, window),
            "pooled cache": lambda: ours(cached, window),
        }
        if args.signed:
            del ways["bare float16"]
        seconds = in_turn(ways, args.repeats, same_as(plain_loader(frames, window)))
    targets = {"packed float16": 10, "packed float32": 10, "LMDB": 3, "pooled cache": 100}
    ratios = [ratio(f"windows: {name}", seconds, "plain loader", name, aim) for name, aim in targets.items()]
    for dtype in ("float32",) if args.signed else ("float16", "float32"):
        ratios.append(
            ratio(f"windows: packed {dtype}, share of a bare read", seconds, f"bare {dtype}", f"packed {dtype}", 0.6)
        )
    show({"settings": vars(args), "ratios": ratios})


if __name__ == "__main__":
    main()
