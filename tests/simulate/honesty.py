"""Is the simulated gap between views a real one? Heads trained on one view and scored on the other.

Run as a program it prints the figures of docs/simulator.md: python -m tests.simulate.honesty --seeds 0,1 --worlds 0,1
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from viewloom.features.pooling import pool
from viewloom.heads.c2f_tcn import C2FTCN
from viewloom.metrics.segmentation import score
from viewloom.metrics.segments import IGNORE
from viewloom.simulate.run import compute, draw_worlds, make_script
from viewloom.simulate.settings import SimulateConfig
from viewloom.windows.plan import pool_labels

CHUNK = 20
EXO, EGO = "v3", "e4"


@dataclass
class Item:
    """A labelled span: pooled features (S, D) of each view, labels of steps (S,) and of frames (T,)."""

    features: dict[str, NDArray[np.float32]]
    steps: NDArray[np.int64]
    frames: NDArray[np.int64]


def simulated(config: SimulateConfig) -> tuple[dict[str, list[Item]], int]:
    """Items by role (train, test and pairs) of the data set a config gives, and the number of classes."""
    script, worlds = make_script(config), draw_worlds(config)
    roles = {item: name.removesuffix(".txt") for name, items in script.lists.items() for item in items}
    items: dict[str, list[Item]] = {"pairs": [], "train": [], "val": [], "test": []}
    for timeline in script.timelines:
        features = compute(config, script, worlds, timeline)
        for item in timeline.annotations:
            frames = np.repeat(item.labels, item.ends - item.starts)
            pooled = {
                view: pool(torch.from_numpy(x[item.start - 1 : item.end - 1]), CHUNK)[0].numpy()
                for view, x in features.items()
            }
            items[roles[item.name]].append(Item(pooled, pool_labels(frames, CHUNK), frames))
    return items, len(script.actions)


def standardised(items: Iterable[Item], view: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation (D,) of a view's pooled features."""
    x = np.concatenate([item.features[view] for item in items])
    return x.mean(axis=0), x.std(axis=0) + 1e-6


def batch(rows: list[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> tuple[Tensor, Tensor, Tensor]:
    """Features (B, T, D), mask (B, T) and labels (B, T), padded behind."""
    longest = max(len(y) for _, y in rows)
    x_BTD = torch.zeros(len(rows), longest, rows[0][0].shape[1])
    y_BT = torch.full((len(rows), longest), IGNORE)
    for row, (x, y) in enumerate(rows):
        x_BTD[row, : len(x)] = torch.from_numpy(x)
        y_BT[row, : len(y)] = torch.from_numpy(y)
    mask = torch.arange(longest)[None] < torch.tensor([len(y) for _, y in rows])[:, None]
    return x_BTD, mask, y_BT


def trained(rows: list[tuple[NDArray[np.float32], NDArray[np.int64]]], classes: int, epochs: int, width: int) -> C2FTCN:
    """A C2F-TCN head trained on pooled rows."""
    torch.manual_seed(0)
    order = np.random.default_rng(0)
    head = C2FTCN(rows[0][0].shape[1], classes, C2FTCN.Config(width=width))
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, weight_decay=1e-4)
    steps = epochs * -(-len(rows) // 8)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(epochs):
        for chosen in np.array_split(order.permutation(len(rows)), -(-len(rows) // 8)):
            x, mask, y = batch([rows[index] for index in chosen])
            loss = head.loss(head(x, mask), y, mask).total
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return head.eval()


def f1_50(head: C2FTCN, xs: list[NDArray[np.float32]], items: list[Item]) -> float:
    """Canonical F1@50, percent, over frames."""
    predictions = []
    with torch.no_grad():
        for x, item in zip(xs, items, strict=True):
            x_BTD, mask, _ = batch([(x, item.steps)])
            ids = head.decode(head(x_BTD, mask), mask)[0].argmax(dim=1).numpy()
            predictions.append(np.repeat(ids, CHUNK)[: len(item.frames)])
    return score(predictions, [item.frames for item in items]).f1_50


def gap(config: SimulateConfig, epochs: int = 30, width: int = 128, ridge: bool = False) -> dict[str, float]:
    """F1@50 of the ego oracle, of a head trained on exo, and of the same with each view standardised.

    With ``ridge`` also that of a head trained on exo features brought to ego by ridge regression on the pairs:
    it tells that the views share information, and no parameter was chosen by it.
    """
    items, classes = simulated(config)
    train, test = items["train"], items["test"]

    def rows(view: str) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        return [(item.features[view], item.steps) for item in train]

    ego = [item.features[EGO] for item in test]
    oracle, naive = trained(rows(EGO), classes, epochs, width), trained(rows(EXO), classes, epochs, width)
    found = {
        "ego oracle on ego": f1_50(oracle, ego, test),
        "exo head on exo": f1_50(naive, [item.features[EXO] for item in test], test),
        "exo head on ego": f1_50(naive, ego, test),
    }
    (exo_mean, exo_sd), (ego_mean, ego_sd) = (standardised(train, view) for view in (EXO, EGO))
    even = trained([((x - exo_mean) / exo_sd, y) for x, y in rows(EXO)], classes, epochs, width)
    found["exo head on ego, standardised"] = f1_50(even, [(x - ego_mean) / ego_sd for x in ego], test)
    if ridge:
        bring = _ridge(items["pairs"])
        linear = trained([(bring(x), y) for x, y in rows(EXO)], classes, epochs, width)
        found["exo head on ego, ridge"] = f1_50(linear, ego, test)
    return found


def _ridge(pairs: list[Item]):
    x, y = (np.concatenate([item.features[view] for item in pairs]).astype(np.float64) for view in (EXO, EGO))
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    weights = np.linalg.solve(x.T @ x + 0.01 * len(x) * x.var() * np.eye(x.shape[1]), x.T @ y)
    return lambda z: ((z - x_mean) @ weights + y_mean).astype(np.float32)


def main() -> None:
    """Print the figures for every seed and world as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--worlds", default="0")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--width", type=int, default=128)
    args = parser.parse_args()
    for world in map(int, args.worlds.split(",")):
        for seed in map(int, args.seeds.split(",")):
            found = gap(SimulateConfig(out="unused", seed=seed, world=world), args.epochs, args.width, ridge=True)
            row = {"seed": seed, "world": world} | {name: round(value, 1) for name, value in found.items()}
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
