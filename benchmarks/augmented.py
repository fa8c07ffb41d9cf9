"""Epochs of augmented windows (any chunk size) against epochs of windows at the exact size. JSON on standard output.

All ways read a packed float16 store through the data set that training uses. Exact: every window at 20 frames a
chunk. Augmented: the published augmentation, half of the windows at a size drawn for each epoch. Each drawn window
is exact, too: its chunks are pooled from the frames, nothing is approximated. With a cache, `--pool_cache` starts
empty in each round and is filled on the way with the windows of fixed size, so that about half of the later draws
need no frames. Both augmented ways must give the same bits.

    python benchmarks/augmented.py --epochs 40
"""

import argparse
import hashlib
import sys
import tempfile
from itertools import count
from pathlib import Path

from viewloom.dataset.dataset import Item
from viewloom.dataset.packing import run_pack
from viewloom.features.base import FeatureSource
from viewloom.features.cache import CachedSource
from viewloom.features.settings import PackConfig
from viewloom.features.store import PackedSource
from viewloom.windows.sampling import Sampling
from viewloom.windows.segments import SegmentWindows

sys.path.insert(0, str(Path(__file__).resolve().parent))
from timing import in_turn, ratio, show
from windows import CAMERAS, RECORDING, write_lmdb


def read_epochs(source: FeatureSource, items: list[Item], epochs: int, seed: int | None) -> list[bytes]:
    """Every window of every epoch; returns a hash of some rows of each."""
    windows = SegmentWindows(source, None, items, tuple(CAMERAS), Sampling(), seed)
    rows = (windows[epoch, row] for epoch in range(epochs) for row in range(len(windows)))
    return [hashlib.sha256(row.features_SD[::40].tobytes()).digest() for row in rows]


def main() -> None:
    """Write the store, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2)
    parser.add_argument("--frames", type=int, default=6000, help="frames of an item")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dir", default=None, help="folder for the temporary store")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        root, caches = Path(folder), count()
        write_lmdb(root / "lmdb", args.items * args.frames, args.dim)
        run_pack(PackConfig(data=str(root / "lmdb"), out=str(root / "store"), workers=0, verify=False))
        store = PackedSource(root / "store")
        starts = range(1, 1 + args.items * args.frames, args.frames)
        items = [Item(f"item{start}", RECORDING, start, start + args.frames) for start in starts]
        found: dict[str, list[bytes]] = {}

        def cached() -> list[bytes]:
            source = CachedSource(store, root / f"pooled{next(caches)}", 10)
            return read_epochs(source, items, args.epochs, 0)

        ways = {
            "exact": lambda: read_epochs(store, items, args.epochs, None),
            "augmented": lambda: read_epochs(store, items, args.epochs, 0),
            "augmented, with a cache": cached,
        }
        seconds = in_turn(ways, args.repeats, found.__setitem__)
        assert found["augmented"] == found["augmented, with a cache"] != found["exact"]
    targets = {"augmented": None, "augmented, with a cache": 1.0}
    ratios = [ratio(f"{args.epochs} epochs: {name}", seconds, "exact", name, aim) for name, aim in targets.items()]
    show({"settings": vars(args), "ratios": ratios})


if __name__ == "__main__":
    main()
