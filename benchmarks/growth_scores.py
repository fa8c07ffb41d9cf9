"""How the cost of the segmentation scores grows: with frames, videos and classes, at 1x, 4x, 16x. JSON out.

``exponent`` is the slope between the 4x and the 16x point on logarithmic axes: 1 is linear. More frames come with
more segments in proportion, as longer videos do. The edit distance compares all pairs of segments of a video, but
64 of them in one machine word.

    python benchmarks/growth_scores.py --videos 10
"""

import argparse
from functools import partial

import numpy as np
from scores import Labels, guess, truth
from timing import growth, median_s, show

from viewloom.metrics.segmentation import score


def segmentations(videos: int, stretches: int, frames: int, classes: int) -> tuple[list[Labels], list[Labels]]:
    """Predicted and true labels; each video is ``stretches`` times ``frames`` frames and their segments long."""
    rng = np.random.default_rng(0)
    truths = [np.concatenate([truth(rng, frames, classes) for _ in range(stretches)]) for _ in range(videos)]
    return [guess(rng, truth_T, classes) for truth_T in truths], truths


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
        pairs = [segmentations(*sizes(times)) for times in (1, 4, 16)]
        found.append(growth("scores", name, (1, 4, 16), [median_s(partial(score, *p), args.repeats) for p in pairs]))
    show({"settings": vars(args), "growth": found})


if __name__ == "__main__":
    main()
