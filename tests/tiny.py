"""A data set small enough to train on in a test: two views of the same actions, written as npy files."""

from pathlib import Path

import numpy as np

from viewloom.dataset.dataset import Item, MultiViewDataset
from viewloom.dataset.splits import generate_splits, write_splits

ACTIONS = 4
DIM = 8


def write_tiny(root: Path, recordings: int = 8, seed: int = 0, segments: int = 6) -> Path:
    """Table layout: features/<recording>/<view>/features.npy (T, D), labels.csv, views.yaml, splits/."""
    rng = np.random.default_rng(seed)
    means = {view: 2 * rng.normal(size=(ACTIONS, DIM)) for view in ("v3", "e4")}
    rows = ["recording,start,end,label"]
    names = [f"p{i:02d}" for i in range(recordings)]
    for name in names:
        labels = (np.arange(segments) * rng.choice([1, 3]) + rng.integers(ACTIONS)) % ACTIONS
        lengths = rng.integers(40, 120, segments)
        ends = np.cumsum(lengths)
        rows += [f"{name},{e - n},{e},act{a}" for a, n, e in zip(labels, lengths, ends, strict=True)]
        frames = np.repeat(labels, lengths)
        for view, mean_KD in means.items():
            noise = 0.5 * rng.normal(size=(len(frames), DIM))
            folder = root / "features" / name / view
            folder.mkdir(parents=True)
            np.save(folder / "features.npy", np.maximum(mean_KD[frames] + noise, 0).astype(np.float32))
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "actions.txt").write_text("".join(f"act{a}\n" for a in range(ACTIONS)))
    (root / "views.yaml").write_text("views: {v3: {kind: exo}, e4: {kind: ego}}\n")
    write_splits(generate_splits(names, {"pairs": 0.25, "train": 0.25, "val": 0.25, "test": 0.25}), root / "splits")
    return root


def all_items(dataset: MultiViewDataset) -> tuple[Item, ...]:
    """Every labelled item that has features, or every recording where there are no labels."""
    names = dataset.source.recordings if dataset.labels is None else tuple(dataset.labels.annotations)
    return tuple(item for name in names for item in dataset.items_of(name, labelled=dataset.labels is not None))
