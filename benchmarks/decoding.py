"""Decoding within durations: processor time of a whole item, at growing length. JSON on standard output.

Class probabilities are drawn at random, which leaves the search more ways open than a head's do; each action has bounds
of its own. Steps are half the shortest of the usual chunks, as `viewloom predict --decoding durations` takes them.

    python benchmarks/decoding.py --actions 202
"""

import argparse
import statistics
import time

import numpy as np
from timing import figure, growth, show

from viewloom.training.durations import Bounds, within

FPS, STEP_FRAMES = 30.0, 5
FRAMES = (12_500, 25_000, 50_000)


def seconds(frames: int, actions: int, repeats: int) -> float:
    """Median processor time of one item, after one warm-up."""
    rng = np.random.default_rng(0)
    probs_TK = rng.dirichlet(np.ones(actions), frames).astype(np.float32)
    shortest_K = rng.uniform(0.5, 5.0, actions)
    bounds = Bounds(shortest_K, shortest_K + rng.uniform(1.0, 60.0, actions))
    found = []
    for _ in range(repeats + 1):
        start = time.process_time()
        within(bounds, probs_TK, FPS, STEP_FRAMES)
        found.append(time.process_time() - start)
    return statistics.median(found[1:])


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=202)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    each = [seconds(frames, args.actions, args.repeats) for frames in FRAMES]
    figures = [
        figure(f"decoding of {frames:,} frames with {args.actions} actions", found, "s")
        for frames, found in zip(FRAMES, each, strict=True)
    ]
    work = [frames / FRAMES[0] for frames in FRAMES]
    grown = growth("decoding within durations", "frames", work, each)
    show({"settings": vars(args), "figures": figures, "growth": [grown]})


if __name__ == "__main__":
    main()
