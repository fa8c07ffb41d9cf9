"""What checksums cost when windows of a packed store are read. JSON on standard output.

Windows at random places of a float16 store, pooled by the function that training uses; in the system's cache by
processor time, and from the disk (the system is asked to forget the files) by the clock. "First" opens the store anew,
so that each block is compared; "again" reads the same windows once more, as every epoch after the first does.

    python benchmarks/sums.py --dir FOLDER
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from viewloom.features.store import PackedSource

sys.path.insert(0, str(Path(__file__).resolve().parent))
from growth_windows import write_store
from timing import figure, in_turn, ratio, show

EPOCHS = 10
AIM = 1 / 1.05
"""At most 5 % longer than without checksums."""


def windows(source: PackedSource, frames: int, count: int) -> list[tuple[str, int, int]]:
    """Recording, first frame and end of random windows."""
    rng = np.random.default_rng(0)
    chosen = []
    for name in rng.choice(source.recordings, count):
        span = source.span(name, "view00")
        start = int(rng.integers(span.first, span.end - frames))
        chosen.append((str(name), start, start + frames))
    return chosen


def read(source: PackedSource, chosen: list[tuple[str, int, int]], chunk: int) -> float:
    """Read the windows; the sum of their first values."""
    return sum(float(source.read_pooled(name, "view00", *span, chunk).features_SZ[0, 0]) for name, *span in chosen)


def forget(root: Path) -> None:
    """Ask the system to drop what it holds of a store's files."""
    for path in root.rglob("*.safetensors"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def opened(root: Path, verify: bool) -> PackedSource:
    """The store, with nothing compared yet."""
    source = PackedSource(root)
    source.verify = verify
    return source


def main() -> None:
    """Write a store, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--frames", type=int, default=20_000, help="frames of a recording")
    parser.add_argument("--window", type=int, default=4_000, help="frames of a window")
    parser.add_argument("--count", type=int, default=24, help="windows in a round")
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--dir", default=None, help="folder for the temporary store: on the disk to be measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        root = Path(folder)
        seen = write_store(root, args.recordings, 1, args.frames, args.dim)
        chosen, plain = windows(seen, args.window, args.count), opened(root, False)
        expected = read(seen, chosen, args.chunk)  # and now all its blocks are compared
        ways = {
            "without": lambda: read(opened(root, False), chosen, args.chunk),
            "first": lambda: read(opened(root, True), chosen, args.chunk),
            "open, without": lambda: read(plain, chosen, args.chunk),
            "again": lambda: read(seen, chosen, args.chunk),
        }

        def check(name: str, found: float) -> None:
            assert found == expected, name

        def check_and_forget(name: str, found: float) -> None:
            check(name, found)
            forget(root)

        warm = in_turn(ways, args.repeats, check, time.process_time)
        forget(root)
        cold = in_turn({name: ways[name] for name in ("without", "first")}, args.repeats, check_and_forget)
        ratios = [
            ratio("checksums: windows read again, in the system's cache", warm, "open, without", "again", AIM),
            ratio("checksums: windows read first, in the system's cache", warm, "without", "first"),
            ratio("checksums: windows read first, from the disk", cold, "without", "first", AIM),
        ]
    without, first = (statistics.median(warm[name]) for name in ("without", "first"))
    share = 100 * (first - without) / (EPOCHS * without)
    figures = [figure(f"checksums: added to {EPOCHS} epochs of reading in the system's cache", share, "%", 5)]
    show({"settings": vars(args), "ratios": ratios, "figures": figures})


if __name__ == "__main__":
    main()
