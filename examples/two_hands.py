"""Recordings of two hands that act at once, as two cameras could see them: simulated features, labels that overlap.

    python examples/two_hands.py hands/data

writes a data set in the `table` layout (features/, labels.csv with overlapping rows, splits/, dataset.yaml). Each hand
does one of seven actions, or rests; what a camera sees is the sum of both, mixed in a way of its own, and noise. Where
nobody says what happens there is a row `ignore`, and one row `none` from the first frame to the last tells that
somebody looked at all of the recording.
"""

import sys
from pathlib import Path

import numpy as np

FPS = 10
ACTIONS = ("reach", "hold", "turn", "insert", "press", "lift", "put")
VIEWS = {"room": "exo", "head": "ego"}
SPLITS = {"pairs": 8, "train": 8, "val": 3, "test": 5}
LATENT, DIM, REST = 12, 32, 0.25


def hand(rng, frames):
    """Segments (start, end, action) of one hand, which rests now and then."""
    segments, at = [], int(rng.integers(10, 40))
    while at < frames - 30:
        end = min(at + int(rng.integers(30, 90)), frames - 10)
        if rng.random() >= REST:
            segments.append((at, end, int(rng.integers(len(ACTIONS)))))
        at = end
    return segments


def smooth(rng, frames, size):
    """Noise (frames, size) whose neighbours in time are alike."""
    noise = np.cumsum(rng.normal(size=(frames + 10, size)), axis=0)
    return (noise[10:] - noise[:-10]) / 10**0.5


def main(folder):
    """Write the data set; nothing may be there yet."""
    root, rng = Path(folder), np.random.default_rng(0)
    looks = 2 * rng.normal(size=(len(ACTIONS), LATENT))
    mixes = {view: rng.normal(size=(LATENT, DIM)) / LATENT**0.5 for view in VIEWS}
    names = [f"{role}{number:02d}" for role, count in SPLITS.items() for number in range(count)]
    rows = ["recording,start,end,label"]
    for name in names:
        frames = int(rng.integers(500, 700))
        segments = hand(rng, frames) + hand(rng, frames)
        rows += [f"{name},0,{frames},none", f"{name},{frames - 8},{frames},ignore"]
        rows += [f"{name},{start},{end},{ACTIONS[action]}" for start, end, action in segments]
        shown = np.zeros((frames, LATENT))
        for start, end, action in segments:
            shown[start:end] += looks[action]
        for view, mix in mixes.items():
            x = (shown + smooth(rng, frames, LATENT)) @ mix + 0.3 * rng.normal(size=(frames, DIM))
            place = root / "features" / name / view
            place.mkdir(parents=True)
            np.save(place / "features.npy", x.astype(np.float32))
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "views.yaml").write_text("views: {room: {kind: exo}, head: {kind: ego}}\n")
    (root / "dataset.yaml").write_text(f"fps: {FPS}\naxes: td\nlabels_mode: multi\n")
    (root / "simulation.json").write_text("{}\n")  # so that every table says what these features are
    (root / "splits").mkdir()
    for role in SPLITS:
        listed = "".join(f"{name}\n" for name in names if name.startswith(role))
        (root / "splits" / f"{role}.txt").write_text(listed)


if __name__ == "__main__":
    main(sys.argv[1])
