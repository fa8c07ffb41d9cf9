"""Index of an LMDB: seeking, and going through the keys, against reading every value. JSON on standard output.

All three find the same spans, which is checked. The environments are written to a temporary folder (or ``--dir``)
and are warm; the median and the spread of ``--repeats`` rounds after one warm-up are given, and the rounds of the
three alternate.

    python benchmarks/index.py --recordings 12 --frames 4000
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import lmdb
import numpy as np
from timing import Seconds, growth, in_turn, ratio, show

from viewloom.features.base import Span
from viewloom.features.lmdb import Environment, LmdbSource, frame_key, key_prefix, open_environment

CAMERA = "C10118_rgb"


def write(root: Path, recordings: int, frames: int, dim: int) -> None:
    """An environment of random rows; every recording as long as the others."""
    (root / CAMERA).mkdir(parents=True)
    rows = np.random.default_rng(0).random((64, dim), dtype=np.float32)
    environment = lmdb.open(str(root / CAMERA), map_size=recordings * frames * (4 * dim + 8192) + (1 << 24), lock=False)
    for number in range(recordings):
        prefix = key_prefix(f"recording_{number:04}_of_a_name_as_long_as_the_real_ones_are_2021", CAMERA)
        with environment.begin(write=True) as transaction:
            for frame in range(1, frames + 1):
                transaction.put(frame_key(prefix, frame), rows[frame % 64].tobytes())
    environment.close()


def by_values(root: Path) -> dict[str, Span]:
    """Each key and value in turn, the values copied out; a key is parsed only where its recording changes."""
    spans: dict[str, Span] = {}
    environment = open_environment(root / CAMERA)
    prefix, last = b"no key", b""
    with environment._cursor() as cursor:
        for key, _value in cursor.iternext(keys=True, values=True):
            if not key.startswith(prefix):
                close(spans, environment, last)
                recording, first = environment.parse_key(key)
                prefix, spans[recording] = key_prefix(recording, CAMERA), Span(first, first)
            last = key
    close(spans, environment, last)
    return spans


def close(spans: dict[str, Span], environment: Environment, last: bytes) -> None:
    """Set the end of the recording that ``last`` belongs to."""
    if last:
        recording, frame = environment.parse_key(last)
        spans[recording] = Span(spans[recording].first, frame + 1)


def by_keys(root: Path) -> dict[str, Span]:
    """`viewloom index --gaps`: every key, no value; finds the gaps too."""
    environment = open_environment(root / CAMERA)
    spans = environment.seek_spans()
    found = {recording: environment.frames(recording, *span) for recording, span in spans.items()}
    return {recording: Span(int(frames[0]), int(frames[-1]) + 1) for recording, frames in found.items()}


def by_seeking(root: Path) -> dict[str, Span]:
    """`viewloom index`: the first and last key of each recording."""
    return open_environment(root / CAMERA).seek_spans()


WAYS: dict[str, Callable[[Path], dict[str, Span]]] = {"values": by_values, "keys": by_keys, "seek": by_seeking}


def measured(recordings: int, frames: int, dim: int, repeats: int, folder: str | None) -> tuple[Seconds, int]:
    """Rounds of the three ways over one environment, and its number of keys; all must find the same."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        write(root, recordings, frames, dim)
        keep_open = LmdbSource(root)  # opening is not part of what is measured
        expected = by_values(root)

        def check(name: str, found: dict[str, Span]) -> None:
            assert found == expected, name

        ways = {name: partial(way, root) for name, way in WAYS.items()}
        return in_turn(ways, repeats, check), keep_open.environment(CAMERA).entries


def main() -> None:
    """Write, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--frames", type=int, default=4000, help="frames of each recording")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dir", default=None, help="folder for the temporary store")
    args = parser.parse_args()
    seconds, keys = measured(args.recordings, args.frames, args.dim, args.repeats, args.dir)
    multiples = (1, 4, 16)
    grown = [measured(args.recordings * n, 200, 64, args.repeats, args.dir)[0] for n in multiples]
    show(
        {
            "settings": {**vars(args), "keys": keys},
            "ratios": [
                ratio("index of an LMDB, by seeking", seconds, "values", "seek", 100),
                ratio("index of an LMDB, key by key", seconds, "values", "keys", 3),
            ],
            "growth": [
                growth("index by seeking", "recordings", multiples, [median(g["seek"]) for g in grown]),
                growth("index key by key", "recordings", multiples, [median(g["keys"]) for g in grown]),
            ],
        }
    )


if __name__ == "__main__":
    main()
