"""Segmentation scores: all five of `viewloom.metrics.segmentation.score` against plain Python. JSON on standard output.

Both sides score the same made-up segmentations under the canonical protocol, and must find the same. The plain
side is the reference the tests use (`tests/parity/reference_scores.py`); it gets lists, the fast side arrays, so
that neither pays for a conversion. After one warm-up of each, the rounds of the two alternate; the median and the
spread are given, and the ratio of the medians.

    python benchmarks/scores.py --videos 20 --frames 10000
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from timing import in_turn, ratio, show

from viewloom.metrics.protocols import PROTOCOLS
from viewloom.metrics.segmentation import score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.parity.reference_scores import plain_scores

Labels = NDArray[np.int64]


def truth(rng: np.random.Generator, frames: int, classes: int) -> Labels:
    """30 to 100 segments of log-normal length, as coarse actions have."""
    count = int(rng.integers(30, 101))
    lengths = rng.lognormal(0.0, 0.9, count)
    ends = np.maximum.accumulate(np.round(lengths.cumsum() / lengths.sum() * frames).astype(np.int64))
    return np.repeat(rng.integers(0, classes, count), np.diff(ends, prepend=0))


def guess(rng: np.random.Generator, truth_T: Labels, classes: int) -> Labels:
    """The truth with boundaries moved, a third of the segments mistaken, and short interruptions."""
    cuts = np.flatnonzero(np.diff(truth_T)) + 1
    moved = np.sort(np.clip(cuts + rng.normal(0, 25, len(cuts)).astype(np.int64), 0, len(truth_T)))
    labels = truth_T[np.concatenate([[0], cuts])]
    labels = np.where(rng.random(len(labels)) < 1 / 3, rng.integers(0, classes, len(labels)), labels)
    guess_T = np.repeat(labels, np.diff(moved, prepend=0, append=len(truth_T)))
    for start in rng.integers(0, len(truth_T), len(labels) // 4):
        guess_T[start : start + int(rng.integers(5, 60))] = rng.integers(0, classes)
    return guess_T


def main() -> None:
    """Make segmentations, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=20)
    parser.add_argument("--frames", type=int, default=10_000, help="frames of each video")
    parser.add_argument("--classes", type=int, default=202)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    truths = [truth(rng, args.frames, args.classes) for _ in range(args.videos)]
    guesses = [guess(rng, truth_T, args.classes) for truth_T in truths]
    plain = [[labels_T.tolist() for labels_T in side] for side in (guesses, truths)]
    expected = plain_scores(*plain, PROTOCOLS["canonical"])

    def check(name: str, found: list[float]) -> None:
        assert np.allclose(found, expected, rtol=0, atol=1e-9), (name, found, expected)

    ways = {
        "plain Python": lambda: plain_scores(*plain, PROTOCOLS["canonical"]),
        "viewloom": lambda: list(score(guesses, truths).as_dict().values()),
    }
    seconds = in_turn(ways, args.repeats, check)
    segments = [np.mean([np.count_nonzero(np.diff(labels)) + 1 for labels in side]) for side in (truths, guesses)]
    show(
        {
            "settings": {**vars(args), "segments_per_video": [round(float(count), 1) for count in segments]},
            "scores": score(guesses, truths).as_dict(),
            "ratios": [ratio("segmentation scores", seconds, "plain Python", "viewloom", 20)],
        }
    )


if __name__ == "__main__":
    main()
