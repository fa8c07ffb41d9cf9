"""How the cost of reading windows and of planning them grows, at 1x, 4x and 16x the work. JSON on standard output.

Windows of a packed float16 store are read through the data sets that training uses: more frames in a recording,
more recordings, and more views of one. Planning (opening the store, laying out the windows) is timed apart.

    python benchmarks/growth_windows.py --frames 6000
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from viewloom.dataset.dataset import Item
from viewloom.features.rows import STORED, encode_header, write_rows
from viewloom.features.store import MANIFEST, Manifest, PackedSource, StoreEntry, file_of
from viewloom.features.views import ViewTable
from viewloom.files import write_json
from viewloom.windows.pairs import ViewWindows
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import growth, show

TIMES = (1, 4, 16)


def write_store(root: Path, recordings: int, views: int, frames: int, dim: int) -> PackedSource:
    """A packed float16 store of random features, written without packing: blocks of 256 rows repeat."""
    block_TD = np.random.default_rng(0).standard_exponential((256, dim), np.float32).astype(STORED["float16"])
    header, entries = encode_header("float16", (frames, dim), {}), []
    for recording, view in product(range(recordings), range(views)):
        names = f"recording{recording:04}", f"view{view:02}"
        path = root / file_of(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = (block_TD[: frames - start] for start in range(0, frames, 256))
        sha256, sums = write_rows(path, header, blocks)
        size = path.stat().st_size
        entries.append(
            StoreEntry(*names, names[1], file_of(*names), 0, frames, (), 0, size, sha256, sums=sums.to_text())
        )
    table = ViewTable.identity(tuple(f"view{view:02}" for view in range(views)))
    manifest = Manifest(dim, "float16", 30.0, True, table, {}, {}, tuple(entries))
    write_json(root / MANIFEST, manifest.to_json())
    return PackedSource(root)


def items_of(source: PackedSource) -> list[Item]:
    """Each recording as one item."""
    return [Item(name, name, *source.span(name, source.views(name)[0])) for name in source.recordings]


def all_windows(source: PackedSource) -> int:
    """Read every window of every view, as a head's training does."""
    windows = SegmentWindows(source, None, items_of(source), source.view_table.names, Sampling())
    return sum(len(windows[0, row].mask_S) for row in range(len(windows)))


def all_rows(source: PackedSource) -> int:
    """Read every window in all views at once, as pre-training does."""
    windows = ViewWindows(source, items_of(source), source.view_table.names, Sampling())
    return sum(windows[0, row].mask_SV.size for row in range(len(windows)))


def plan(source: PackedSource) -> int:
    """Open the store and lay out both kinds of windows; reads no feature."""
    opened = PackedSource(source.root)
    items, views = items_of(opened), opened.view_table.names
    short = Sampling(max_chunks=2)
    return len(SegmentWindows(opened, None, items, views, short)) + len(ViewWindows(opened, items, views, short))


def median_s(way: Callable[[PackedSource], int], source: PackedSource, repeats: int) -> float:
    """Median over rounds, after one warm-up; without garbage collection, which looks at all of torch's objects."""
    seconds = []
    gc.disable()
    for _ in range(repeats + 1):
        start = time.perf_counter()
        assert way(source) > 0
        seconds.append(time.perf_counter() - start)
    gc.enable()
    return statistics.median(seconds[1:])


def measure(args: argparse.Namespace, root: Path) -> list[dict[str, Any]]:
    """Seconds of each way over each quantity."""
    series: dict[str, tuple[Callable[[PackedSource], int], Callable[[int], tuple[int, int, int, int]]]] = {
        "frames of a recording": (all_windows, lambda n: (1, 1, n * args.frames, args.dim)),
        "recordings": (all_windows, lambda n: (n, 1, args.frames, args.dim)),
        "views of a recording": (all_rows, lambda n: (1, 2 * n, args.frames, args.dim)),
        "planned recordings": (plan, lambda n: (100 * n, 2, 400, 4)),
        "planned frames": (plan, lambda n: (1, 2, 240_000 * n, 4)),
    }
    grown = []
    for over, (way, size) in series.items():
        seconds = []
        for times in TIMES:
            with tempfile.TemporaryDirectory(dir=root) as folder:
                seconds.append(median_s(way, write_store(Path(folder), *size(times)), args.repeats))
        what = "planning windows" if way is plan else "reading windows"
        grown.append(growth(what, over.removeprefix("planned "), TIMES, seconds))
    return grown


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000, help="frames of a recording at 1x")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dir", default=None, help="folder for the temporary stores")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        show({"settings": vars(args), "growth": measure(args, Path(folder))})


if __name__ == "__main__":
    main()
