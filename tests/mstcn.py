"""Generated data in the layout of MS-TCN: one npy file of (D, T) a video, an action a frame, folds as bundles."""

from pathlib import Path

import numpy as np

ACTIONS = {
    "50salads": ("action_start", "cut", "peel", "mix", "action_end"),
    "breakfast": ("SIL", "pour", "stir", "cut", "crack_egg"),
    "gtea": ("background", "take", "open", "pour", "close"),
}


def write_mstcn(root: Path, table: str = "gtea", folds: int = 4, videos: int = 8, dim: int = 12, seed: int = 0) -> Path:
    """A data set of one view: features tell actions apart, with noise; every video is tested in one fold."""
    rng = np.random.default_rng(seed)
    actions = ACTIONS[table]
    means_KD = 1.5 * rng.normal(size=(len(actions), dim))
    for folder in ("features", "groundTruth", "splits"):
        (root / folder).mkdir(parents=True)
    names = [f"P{i:02d}_{table}" for i in range(videos)]
    for name in names:
        inner = rng.permutation(np.arange(1, len(actions) - 1))
        labels = [0, *inner, len(actions) - 1] if table == "50salads" else [0, *inner, len(actions) - 1, 0]
        labels_T = np.repeat(labels, rng.integers(15, 60, len(labels)))
        x_DT = (means_KD[labels_T] + 0.8 * rng.normal(size=(len(labels_T), dim))).T
        np.save(root / "features" / f"{name}.npy", np.maximum(x_DT, 0).astype(np.float32))
        (root / "groundTruth" / f"{name}.txt").write_text("".join(f"{actions[k]}\n" for k in labels_T))
    (root / "mapping.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(actions)))
    for fold in range(folds):
        tested = names[fold::folds]
        for role, listed in (("train", [n for n in names if n not in tested]), ("test", tested)):
            path = root / "splits" / f"{role}.split{fold + 1}.bundle"
            path.write_text("".join(f"{name}.txt\n" for name in listed))
    return root
