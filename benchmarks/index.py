"""Index of an LMDB: seeking, and going through the keys, against reading every value. JSON on standard output.

All three find the same spans, which is checked. The environments are written to a temporary folder (or ``--dir``)
and are warm; the median and the spread of ``--repeats`` rounds after one warm-up are given, and the rounds of the
three alternate.

    python benchmarks/index.py --recordings 12 --frames 4000
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np

from viewloom.data.sources.base import Span
from viewloom.data.sources.lmdb import Environment, LmdbSource, frame_key, key_prefix, open_environment

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


def measure(root: Path, repeats: int) -> dict[str, list[float]]:
    """Seconds of each round of each way, after one warm-up; all must find the same."""
    ways: dict[str, Callable[[Path], dict[str, Span]]] = {
        "values": by_values,
        "keys": by_keys,
        "seek": by_seeking,
    }
    expected = by_values(root)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            found = way(root)
            elapsed = time.perf_counter() - start
            assert found == expected, name
            if round_:
                seconds[name].append(elapsed)
    return seconds


def main() -> None:
    """Write, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--frames", type=int, default=4000, help="frames of each recording")
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dir", default=None, help="folder for the temporary store")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        root = Path(folder)
        write(root, args.recordings, args.frames, args.dim)
        keep_open = LmdbSource(root)  # opening is not part of what is measured
        seconds = measure(root, args.repeats)
        keys = keep_open.environment(CAMERA).entries
    median = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "settings": {**vars(args), "keys": keys},
        "median_s": median,
        "spread_s": {name: [min(values), max(values)] for name, values in seconds.items()},
        "times_faster_than_values": {name: median["values"] / median[name] for name in ("keys", "seek")},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
