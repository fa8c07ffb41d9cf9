"""How the cost of the segmentation scores grows: with frames, videos and classes, at 1x, 4x, 16x. JSON out.

``exponent`` is the slope between the 4x and the 16x point on logarithmic axes: 1 is linear. More frames come with
more segments in proportion, as longer videos do. The edit distance compares all pairs of segments of a video, but
64 of them in one machine word.

    python benchmarks/growth_scores.py --videos 10
"""

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from viewloom.metrics.segmentation import score

sys.path.insert(0, str(Path(__file__).resolve().parent))
from scores import Labels, guess, truth


def segmentations(videos: int, stretches: int, frames: int, classes: int) -> tuple[list[Labels], list[Labels]]:
    """Predicted and true labels; each video is ``stretches`` times ``frames`` frames and their segments long."""
    rng = np.random.default_rng(0)
    truths = [np.concatenate([truth(rng, frames, classes) for _ in range(stretches)]) for _ in range(videos)]
    return [guess(rng, truth_T, classes) for truth_T in truths], truths


def median_s(pair: tuple[list[Labels], list[Labels]], repeats: int) -> float:
    """Median over rounds, after one warm-up."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        score(*pair)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--frames", type=int, default=4_000, help="frames of a video at 1x")
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    series = {
        "frames and segments of a video": lambda n: (args.videos, n, args.frames, args.classes),
        "videos": lambda n: (args.videos * n, 1, args.frames, args.classes),
        "classes": lambda n: (args.videos, 1, args.frames, args.classes * n),
    }
    found = []
    for name, sizes in series.items():
        seconds = [median_s(segmentations(*sizes(times)), args.repeats) for times in (1, 4, 16)]
        exponent = math.log(seconds[2] / seconds[1]) / math.log(4)
        found.append({"over": name, "times": [1, 4, 16], "median_s": seconds, "exponent": exponent})
    print(json.dumps({"settings": vars(args), "growth": found}, indent=1))


if __name__ == "__main__":
    main()
