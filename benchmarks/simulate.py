"""Speed of the simulator, and its features' statistics beside the real sample's. JSON on standard output.

One process, one thread: run it with OMP_NUM_THREADS=1. The speed is frames times views a second, once for the
features alone (motion, projection, extractor) and once with the LMDB written and synced; the median and the
spread of ``--repeats`` rounds after one warm-up. The statistics are means over all fixed cameras of several worlds.

    OMP_NUM_THREADS=1 python benchmarks/simulate.py
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from timing import figure, show

from tests.simulate.sample_statistics import REAL, feature_statistics
from viewloom.simulate.run import compute, draw_worlds, make_script
from viewloom.simulate.settings import SimulateConfig
from viewloom.simulate.writing import LmdbWriter

EXO = "v1,v2,v3,v4,v5,v6,v7,v8"


def one_round(config: SimulateConfig, folder: Path | None) -> float:
    """Frames times views a second; with a folder the features are written there too."""
    script, worlds = make_script(config), draw_worlds(config)
    frames = sum(timeline.frames for timeline in script.timelines)
    start = time.perf_counter()
    writer = LmdbWriter(folder, frames, config.dim) if folder is not None else None
    for timeline in script.timelines:
        features = compute(config, script, worlds, timeline)
        if writer is not None:
            for view, x_TD in features.items():
                writer.features(timeline.recording, view, 1, np.arange(timeline.frames), x_TD)
    if writer is not None:
        writer.close()
    return frames * len(worlds) / (time.perf_counter() - start)


def speed(config: SimulateConfig, repeats: int, written: bool, where: str | None) -> dict[str, float]:
    """Median and spread over rounds, after one warm-up."""
    rates = []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory(dir=where) as folder:
            rates.append(one_round(config, Path(folder) if written else None))
    return {"median": statistics.median(rates[1:]), "slowest": min(rates[1:]), "fastest": max(rates[1:])}


def calibration(dim: int, worlds: int) -> dict[str, dict[str, float]]:
    """Statistics of fixed cameras: the real sample's, the mean over worlds and cameras, the deviation."""
    rows = []
    for world in range(worlds):
        config = SimulateConfig(out="unused", recordings=3, views=EXO, dim=dim, seed=1, world=world)
        script, worlds_of = make_script(config), draw_worlds(config)
        found = [compute(config, script, worlds_of, timeline) for timeline in script.timelines]
        rows += [asdict(feature_statistics(np.concatenate([one[view] for one in found]))) for view in found[0]]
    return {
        name: {
            "real": real,
            "simulated": round(float(np.mean([row[name] for row in rows])), 4),
            "deviation": round(float(np.std([row[name] for row in rows])), 4),
        }
        for name, real in asdict(REAL).items()
    }


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=6)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--views", default="v3,e4")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=3, help="worlds whose statistics are averaged; 0: none")
    parser.add_argument("--dir", default=None, help="folder for the temporary store")
    args = parser.parse_args()
    config = SimulateConfig(out="unused", recordings=args.recordings, dim=args.dim, views=args.views)
    rates = {
        "features": speed(config, args.repeats, False, args.dir),
        "features_and_lmdb": speed(config, args.repeats, True, args.dir),
    }
    result = {"settings": vars(args), "frames_views_per_s": rates}
    names = {"features": "simulator, features alone", "features_and_lmdb": "simulator, written as LMDB"}
    result["figures"] = [figure(names[n], rate["median"], "frames a second over views") for n, rate in rates.items()]
    if args.worlds:
        result["statistics"] = calibration(args.dim, args.worlds)
    show(result)


if __name__ == "__main__":
    main()
