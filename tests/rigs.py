"""Small data sets like those that users brought: body sensors, rendered people. Table layout, as in `tests.tiny`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
FPS = 10


@dataclass(frozen=True)
class Rig:
    """What a data set is of.

    Attributes:
        views: names and kinds of the views.
        dim: feature size D.
        latent: size L of what the views share.
        actions: number of actions K.
        seconds: shortest and longest recording.
        segment_s: shortest and longest segment.
        splits: number of recordings of each role, in order.
        rectified: features as a network's after ReLU; else signed, each of a scale and an offset of its own.
        noise: deviation of a view's own noise, the shared signal's being 1.
        memory_s: time over which noise and posture stay alike.
        others: actions more, which the pairs show instead of the labelled ones.
    parallel: actions at once: so many timelines (hands), whose signals add; labels overlap then.
    idle: share of the segments of each of several timelines in which nothing happens.
    """

    views: Mapping[str, str]
    dim: int
    latent: int
    actions: int
    seconds: tuple[float, float]
    segment_s: tuple[float, float]
    splits: Mapping[str, int]
    rectified: bool
    noise: float = 0.7
    memory_s: float = 1.0
    others: int = 0
    parallel: int = 1
    idle: float = 0.2


SENSORS = Rig(
    views={"wrist": "exo", "ankle": "exo", "hip": "exo", "chest": "ego"},
    dim=18,
    latent=8,
    actions=7,
    seconds=(65, 75),
    segment_s=(5, 10),
    splits={"pairs": 6, "train": 6, "val": 3, "test": 5},
    rectified=False,
)
"""Four sensors of 18 signed values, 20 recordings of about 70 s."""

PEOPLE = Rig(
    views={"room": "exo", "head": "ego"},
    dim=1280,
    latent=25,
    actions=6,
    seconds=(60, 90),
    segment_s=(5, 10),
    splits={"pairs": 8, "train": 3, "val": 1, "test": 1},
    rectified=True,
)
"""Two cameras, 1280 features of few dimensions, 8 recordings without labels and 5 with them."""


def write_rig(root: Path, rig: Rig, seed: int = 0, **changes: object) -> Path:
    """Write a data set; ``changes`` replace the rig's attributes."""
    rig = replace(rig, **changes)
    rng = np.random.default_rng(seed)
    means_KL = 1.5 * rng.normal(size=(rig.actions + rig.others, rig.latent))
    common_LD = rng.normal(size=(rig.latent, rig.dim))
    looks = {view: _look(common_LD, rig, rng) for view in rig.views}
    names = [f"{role}{i:02d}" for role, count in rig.splits.items() for i in range(count)]
    rows = ["recording,start,end,label"]
    for name in names:
        strange = rig.others > 0 and name.startswith("pairs")
        labels, lengths = _timeline(rig, rng, rig.others if strange else rig.actions)
        ends = np.cumsum(lengths)
        if strange:
            labels = labels + rig.actions
        else:
            rows += [f"{name},{e - n},{e},act{a}" for a, n, e in zip(labels, lengths, ends, strict=True)]
        frames = int(ends[-1])
        shown_TL = means_KL[np.repeat(labels, lengths)]
        for _ in range(rig.parallel - 1):
            more_TL, more = _other_hand(rig, rng, frames, means_KL)
            shown_TL = shown_TL + more_TL
            rows += [f"{name},{start},{end},act{action}" for start, end, action in more]
        shared_TL = shown_TL + _drift((frames, rig.latent), rig, rng)
        for view, (mix_LD, scale_D, offset_D) in looks.items():
            # Noise enters before the look, as clothes or light do, and after it, as in a sensor.
            own_TL = shared_TL + rig.noise * _drift((frames, rig.latent), rig, rng)
            x_TD = own_TL @ mix_LD / rig.latent**0.5 + 0.3 * rig.noise * _drift((frames, rig.dim), rig, rng)
            x_TD = np.maximum(x_TD + offset_D, 0) if rig.rectified else x_TD * scale_D + offset_D
            folder = root / "features" / name / view
            folder.mkdir(parents=True)
            np.save(folder / "features.npy", x_TD.astype(np.float32))
    _write_tables(root, rig, names, rows)
    return root


def _look(common_LD: Floats, rig: Rig, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """How a view sees the latent: a mixing that it has in part in common with the others, scales and offsets."""
    mix_LD = 0.3 * common_LD + 0.95 * rng.normal(size=common_LD.shape)
    if rig.rectified:
        return mix_LD, np.ones(rig.dim), rng.normal(-0.3, 0.5, rig.dim)
    scale_D = 10 ** rng.uniform(-3, 3, rig.dim)
    return mix_LD, scale_D, 5 * scale_D * rng.normal(size=rig.dim)


def _timeline(rig: Rig, rng: np.random.Generator, actions: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels, below ``actions``, and lengths (frames) of a recording's segments, no label twice in a row."""
    total = int(rng.uniform(*rig.seconds) * FPS)
    lengths = [int(rng.uniform(*rig.segment_s) * FPS)]
    while sum(lengths) < total - rig.segment_s[0] * FPS:
        lengths.append(int(rng.uniform(*rig.segment_s) * FPS))
    lengths[-1] += total - sum(lengths)
    labels = [int(rng.integers(actions))]
    while len(labels) < len(lengths):
        labels.append(int((labels[-1] + rng.integers(1, actions)) % actions))
    return np.array(labels), np.array(lengths)


def _other_hand(
    rig: Rig, rng: np.random.Generator, frames: int, means_KL: Floats
) -> tuple[Floats, list[tuple[int, int, int]]]:
    """What another hand adds to the signal (T, L), and its segments, between which it may rest."""
    labels, lengths = _timeline(replace(rig, seconds=(frames / FPS, frames / FPS)), rng, rig.actions)
    acts = rng.random(len(labels)) >= rig.idle
    ends = np.minimum(np.cumsum(lengths), frames)
    starts = np.minimum(np.cumsum(lengths) - lengths, frames)
    kept = np.flatnonzero(acts & (ends > starts))
    shown_TL = (means_KL[labels] * acts[:, None])[np.repeat(np.arange(len(labels)), lengths)][:frames]
    return shown_TL, [(int(starts[s]), int(ends[s]), int(labels[s])) for s in kept]


def _drift(shape: tuple[int, int], rig: Rig, rng: np.random.Generator) -> Floats:
    """Noise (T, N) of deviation 1 whose neighbours in time are alike."""
    keep = np.exp(-1 / (rig.memory_s * FPS))
    noise = rng.normal(size=shape) * (1 - keep**2) ** 0.5
    noise[0] /= (1 - keep**2) ** 0.5
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=0))


def _write_tables(root: Path, rig: Rig, names: Sequence[str], rows: Sequence[str]) -> None:
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "actions.txt").write_text("".join(f"act{a}\n" for a in range(rig.actions)))
    views = ", ".join(f"{view}: {{kind: {kind}}}" for view, kind in rig.views.items())
    (root / "views.yaml").write_text(f"views: {{{views}}}\n")
    (root / "dataset.yaml").write_text(f"fps: {FPS}\n")
    (root / "splits").mkdir()
    for role in rig.splits:
        mine = [name for name in names if name.startswith(role)]
        (root / "splits" / f"{role}.txt").write_text("".join(f"{name}\n" for name in mine))
